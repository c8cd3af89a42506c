"""Where a trace file's bytes are on this machine: a mirror, or the cache of downloads. Every file is verified."""

from __future__ import annotations

import os
from pathlib import Path

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.traces.catalogue import CATALOGUE, TraceFile
from harness.traces.source import sha256_of

MIRROR_VARIABLE = "SPONGE_BENCH_MIRROR"
NEIGHBOUR = CATALOGUE.parent.parent / "shared" / "traces"


def mirror_dir(option: Path | None = None) -> Path | None:
    """The mirror to use: the option, else the environment variable, else the folder beside the repository, else none.

    Raises UsageError when one was named that is not a folder.
    """
    named = option or (Path(value) if (value := os.environ.get(MIRROR_VARIABLE)) else None)
    if named is None:
        return NEIGHBOUR if NEIGHBOUR.is_dir() else None
    if not named.is_dir():
        where = "--mirror" if option else MIRROR_VARIABLE
        raise UsageError(f"{where}: {named} is not a folder; must be a mirror with the layout of the catalogue")
    return named


def download_path(file: TraceFile) -> Path:
    """Where a download of this file is kept."""
    return inside(cache_dir() / "files", file.file)


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, or a UsageError when that (links followed) would lie outside of root."""
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{root}: file {relative!r} leads outside the folder; refused")
    return path


def local_file(file: TraceFile, mirror: Path | None) -> Path | None:
    """The verified file in the mirror or in the cache, or None. Raises UsageError when its bytes are wrong."""
    roots = [mirror] if mirror else []
    for root in [*roots, cache_dir() / "files"]:
        path = inside(root, file.file)
        if path.is_file():
            verify(path, file)
            return path
    return None


def verify(path: Path, file: TraceFile) -> None:
    """Raise UsageError when a file's size or sha256 is not the catalogue's."""
    size = path.stat().st_size
    if size != file.bytes:
        raise UsageError(f"{path}: {size} bytes; must be {file.bytes} ({file.name or file.file} in the catalogue)")
    found = sha256_of(path)
    if found != file.sha256:
        raise UsageError(f"{path}: sha256 = {found}; must be {file.sha256}")
