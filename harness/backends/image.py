"""The container image, built in three layers that change ever more often: packages, model, our own modules.

An image's tag is the hash of all that goes in, so an unchanged image is found instead of built, and a tag in a
manifest says what ran.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from harness.backends.closure import ROOT, modules_of
from harness.backends.owner import run_labels, this_process
from harness.backends.wheelhouse import Target, requirements, wheelhouse
from harness.errors import BenchError

TEMPLATES = Path(__file__).parent.parent / "image"
REPOSITORY = "sponge-bench"
PROGRAMS = ("harness.serve.__main__", "harness.replica.__main__")
PROBE = "import sys, platform; print(*sys.version_info[:2], platform.machine(), *platform.libc_ver())"
BUILD_TIMEOUT_S = 600
PROBE_TIMEOUT_S = 60
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into one layer. files: by path in the build context. base: the image it stands on."""

    layer: str
    base: str
    files: Mapping[str, Path]

    @property
    def dockerfile(self) -> str:
        """Text of the Dockerfile."""
        return (TEMPLATES / f"Dockerfile.{self.layer}").read_text()

    def tag(self, also: Iterable[str] = ()) -> str:
        """Repository and tag: a hash over the base, the Dockerfile and every file's path and bytes."""
        digest = hashlib.sha256("\0".join([self.base, self.dockerfile, *also]).encode())
        for name, path in sorted(self.files.items()):
            digest.update(f"\0{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return f"{REPOSITORY}-{self.layer}:{digest.hexdigest()[:16]}"


def packages_image(client: docker.DockerClient, base: str, say: Say) -> str:
    """Tag of the image with the packages, built when there is none on this base for these requirements."""
    wanted = requirements()
    tag = Recipe("packages", base, {}).tag(wanted)
    if not exists(client, tag):
        say("building the image: fetching wheels, then installing them on the base (under a minute, once)")
        wheels = wheelhouse(target_of(client, base), wanted)
        recipe = Recipe("packages", base, {f"wheels/{path.name}": path for path in wheels.iterdir()})
        build(client, recipe, tag)
    return tag


def service_image(client: docker.DockerClient, packages: str, model: Path) -> str:
    """Tag of the image with this model and our modules as they are now, on top of the packages."""
    with_model = ensure(client, Recipe("model", packages, {"model.onnx": model}))
    modules = modules_of(PROGRAMS)
    files = {f"app/{path.relative_to(ROOT).as_posix()}": path for path in modules.values()}
    return ensure(client, Recipe("service", with_model, files))


def ensure(client: docker.DockerClient, recipe: Recipe) -> str:
    """Tag of the recipe's image, built when it does not exist."""
    tag = recipe.tag()
    if not exists(client, tag):
        build(client, recipe, tag)
    return tag


def exists(client: docker.DockerClient, tag: str) -> bool:
    """Whether the engine has this image."""
    return image_id(client, tag) != ""


def image_id(client: docker.DockerClient, tag: str) -> str:
    """The engine's id (sha256) of an image, empty when it has none of this name."""
    try:
        return str(client.images.get(tag).id)
    except ImageNotFound:
        return ""


def target_of(client: docker.DockerClient, base: str) -> Target:
    """Python, machine and C library of a base image. Raises BenchError when it has no python3 or no glibc."""
    try:
        words = probe(client, base).split()
    except (DockerException, OSError) as error:
        raise BenchError(f"base image {base}: python3 cannot be run in it ({explained(error)})") from error
    if len(words) != 5 or words[3] != "glibc":
        raise BenchError(f"base image {base}: must have a C library of the glibc kind, for which wheels exist")
    major, minor = words[4].split(".")[:2]
    return Target((int(words[0]), int(words[1])), words[2], (int(major), int(minor)))


def probe(client: docker.DockerClient, base: str) -> str:
    """What `PROBE` prints in a container of this image, which is removed even when it cannot be started."""
    labels = run_labels("probe", this_process())
    container = client.containers.create(base, ["python3", "-c", PROBE], network_disabled=True, labels=labels)
    try:
        container.start()
        container.wait(timeout=PROBE_TIMEOUT_S)
        return str(container.logs(stdout=True, stderr=False).decode())
    finally:
        container.remove(force=True, v=True)


def build(client: docker.DockerClient, recipe: Recipe, tag: str) -> None:
    """Build an image from a context that holds exactly the recipe's files. Raises BenchError with the last lines."""
    with tempfile.TemporaryFile() as context:
        write_context(context, recipe)
        context.seek(0)
        log: list[str] = []
        try:
            events = client.api.build(
                fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True,
                buildargs={"BASE": recipe.base}, network_mode="none", timeout=BUILD_TIMEOUT_S,
            )  # fmt: skip
            for event in events:
                _follow(event, log)
        except (DockerException, OSError) as error:
            raise BenchError(f"image {tag} cannot be built: {explained(error)}") from error


def _follow(event: Mapping[str, Any], log: list[str]) -> None:
    if "error" in event:
        raise BenchError(f"image cannot be built: {' | '.join([*log[-3:], event['error'].strip()])}")
    text = TERMINAL_COLOUR.sub("", event.get("stream", "")).strip()
    if text and not text.startswith(("--->", "Removing intermediate")):
        log.append(text)


def write_context(file: Any, recipe: Recipe) -> None:
    """The build context as a tar: same recipe, same bytes; readable by any user in the image."""
    with tarfile.open(fileobj=file, mode="w") as tar:
        content = recipe.dockerfile.encode()
        tar.addfile(_member("Dockerfile", len(content)), io.BytesIO(content))
        for name, path in sorted(recipe.files.items()):
            with path.open("rb") as source:
                tar.addfile(_member(name, path.stat().st_size), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def explained(error: Exception) -> str:
    """The engine's own words about an error, in one line."""
    return last_line(str(getattr(error, "explanation", None) or error))


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
