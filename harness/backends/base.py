"""The base image: a Python on a small Linux, found, pulled, or made from Debian packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import docker
from docker.errors import DockerException

from harness.backends.closure import ROOT
from harness.backends.image import Say, exists, explained, image_id
from harness.backends.owner import own_name, run_environment, this_process
from harness.cache import cache_dir
from harness.errors import BenchError

BASE_VARIABLE = "SPONGE_BENCH_BASE_IMAGE"
DEFAULT_BASE = "python:3.11-slim"
OWN_REPOSITORY, OWN_TAG = "sponge-bench-base", "bookworm"
OWN_BASE = f"{OWN_REPOSITORY}:{OWN_TAG}"
SCRIPT = ROOT / "scripts" / "make-base.sh"
MAKE_TIMEOUT_S = 900.0


def base_image(client: docker.DockerClient, option: str | None, say: Say) -> str:
    """Id of the base image. One that was asked for (option, environment) is taken or pulled, never replaced.

    Otherwise the first that can be had: the default or our own if present, the default from the registry, our own
    made with debootstrap. Raises BenchError with all that was tried.
    """
    asked = option or os.environ.get(BASE_VARIABLE)
    for name in [asked] if asked else [DEFAULT_BASE, OWN_BASE]:
        if exists(client, name):
            return image_id(client, name)
    refused = pull(client, asked or DEFAULT_BASE, say)
    if not refused:
        return image_id(client, asked or DEFAULT_BASE)
    if asked:
        raise BenchError(f"base image {asked}: not on this machine, and not to be pulled ({refused})")
    if unable := why_not_make():
        raise BenchError(f"base image {DEFAULT_BASE}: not to be pulled ({refused}); {unable}")
    say(f"no image registry answers; making the base image {OWN_BASE} from Debian packages (1-2 minutes, once)")
    make(client)
    return image_id(client, OWN_BASE)


def pull(client: docker.DockerClient, name: str, say: Say) -> str:
    """Pull an image; the reason when it did not come, else nothing."""
    say(f"pulling the base image {name}")
    try:
        client.images.pull(name)
    except (DockerException, OSError) as error:
        return explained(error)
    return ""


def why_not_make() -> str:
    """Why our own base cannot be made here, or nothing."""
    if os.geteuid() != 0:
        return f"{OWN_BASE} cannot be made either: debootstrap needs root (see {SCRIPT.name})"
    if shutil.which("debootstrap") is None:
        return f"{OWN_BASE} cannot be made either: debootstrap is not installed"
    if not SCRIPT.is_file():
        return f"{OWN_BASE} cannot be made either: {SCRIPT} is missing"
    return ""


def building_dir() -> Path:
    """Where files are kept that nobody needs once the harness that makes them is gone."""
    return cache_dir() / "building"


def make(client: docker.DockerClient) -> None:
    """Make our own base image. Raises BenchError."""
    folder = building_dir() / own_name("base", this_process())
    archive = folder / "base.tar"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run_script(archive)
        client.api.import_image_from_file(
            str(archive), repository=OWN_REPOSITORY, tag=OWN_TAG, changes=["LABEL sponge-bench=1"]
        )
    except (DockerException, OSError) as error:
        raise BenchError(f"{OWN_BASE} cannot be made: {explained(error)}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_script(archive: Path) -> None:
    """Write a root file system with debootstrap. Raises BenchError with the script's last line."""
    try:
        done = subprocess.run(
            [str(SCRIPT), "--tar", str(archive)],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=MAKE_TIMEOUT_S, check=False,
            env={**os.environ, **run_environment("base", this_process())},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{SCRIPT.name} took more than {MAKE_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise BenchError(f"{SCRIPT.name}: {' | '.join(done.stderr.splitlines()[-3:])}")
