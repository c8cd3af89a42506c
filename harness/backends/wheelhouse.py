"""Dependencies of the image as wheels, fetched on the host for the image's Python and system, kept between builds."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cache import cache_dir
from harness.errors import BenchError

PACKAGES = ("aiohttp", "numpy", "onnxruntime", "prometheus-client")
INSTALLER = "pip"  # travels too: the base image may have none
OLDEST_GLIBC_MINOR = 5
DOWNLOAD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the wheels are to run. glibc: (major, minor) of the image's C library."""

    python: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    def platforms(self) -> list[str]:
        """Platform tags this system takes, newest first (PEP 600 and its older names)."""
        modern = [f"manylinux_2_{minor}_{self.machine}" for minor in range(self.glibc[1], OLDEST_GLIBC_MINOR - 1, -1)]
        return [*modern, *(f"{old}_{self.machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1"))]


def requirements() -> tuple[str, ...]:
    """What the image needs, with the bounds this project's own metadata gives."""
    wanted = [text.split(";")[0].strip() for text in importlib.metadata.requires("sponge-bench") or []]
    return tuple(sorted(text for text in wanted if re.split(r"[^A-Za-z0-9_.-]", text)[0] in PACKAGES))


def folder_for(target: Target, wanted: Sequence[str]) -> Path:
    """Where the wheels for this target and these requirements are kept."""
    digest = hashlib.sha256(repr((target, tuple(wanted))).encode()).hexdigest()
    return cache_dir() / "wheels" / digest[:16]


def wheelhouse(target: Target, wanted: Sequence[str]) -> Path:
    """A folder with all wheels and their `requirements.txt`; fetched once. Raises BenchError when that fails."""
    folder = folder_for(target, wanted)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _download(target, wanted, partial)
        (partial / "requirements.txt").write_text("".join(f"{text}\n" for text in wanted))
        if not folder.is_dir():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def download_command(target: Target, wanted: Sequence[str], folder: Path) -> list[str]:
    """How pip fetches wheels for another Python and system; it takes index and proxy from the user's settings."""
    major, minor = target.python
    platforms = [word for platform in target.platforms() for word in ("--platform", platform)]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", f"{major}.{minor}"),
        *("--abi", f"cp{major}{minor}", "--abi", "abi3", "--abi", "none", *platforms),
        *("--dest", str(folder), INSTALLER, *wanted),
    ]


def _download(target: Target, wanted: Sequence[str], folder: Path) -> None:
    command = download_command(target, wanted, folder)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"fetching wheels for the image took more than {DOWNLOAD_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise BenchError(f"wheels for the image cannot be fetched: {errors[-1] if errors else 'pip said nothing'}")
