"""From a name to a trace: imported, mirror, store of parsed traces, download, and the synthetic stand-in at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.cache import cache_dir
from harness.errors import UsageError, unknown_name
from harness.traces.catalogue import TraceFile, by_name, find, slices
from harness.traces.download import Progress, Unreachable, download
from harness.traces.model import BandwidthTrace, Provenance, Trace
from harness.traces.places import inside, local_file, mirror_dir
from harness.traces.readers import read_all
from harness.traces.source import Source, sha256_of
from harness.traces.store import load, load_kept, load_keys, save, save_all
from harness.traces.synthetic import stand_in
from harness.traces.transforms import apply_transforms
from harness.types import BY_NAME

SYNTHETIC = "synthetic-"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


def load_trace(name: str, mirror: Path | None = None) -> Trace:
    """The trace of this name: one's own import, else from `mirror`, SPONGE_BENCH_MIRROR, `../shared/traces` beside
    the repository, the cache (SPONGE_BENCH_CACHE), a download. Named slices are traces like any other.

    When there is no way to the bytes, a stand-in comes back: its name starts with `synthetic-`, and its
    `provenance.synthetic_because` says why; callers print that. Raises UsageError for an unknown name, and for bytes
    whose size or sha256 is not the catalogue's: those are a fault, never a reason to go on with something else.
    Raises BenchError when the bytes cannot be had and no generator can stand in.
    """
    if name.startswith(SYNTHETIC):
        return stand_in(name.removeprefix(SYNTHETIC), BY_NAME)
    if part := slices().get(name):
        whole = load_trace(part.trace, mirror)
        changed = apply_transforms(whole, part.transforms, f"traces: {name}")
        return replace(changed, name=f"{SYNTHETIC}{name}" if whole.is_synthetic else name)
    if imported := _imported_file(name):
        return load(imported)
    file, key = find(name)
    try:
        return _catalogued(file, key, mirror)
    except Unreachable as error:
        return stand_in(name, str(error))


def _catalogued(file: TraceFile, key: str, mirror: Path | None) -> Trace:
    path = local_file(file, mirror_dir(mirror))
    if kept := load_kept(file.sha256, key):
        return kept
    traces = parse_file(file, path or fetched(file, mirror))
    if key not in traces:
        if not key:
            raise UsageError(
                f"traces: {file.name} holds {len(traces)} traces; name one: {file.name}/{next(iter(traces))}, ..."
            )
        raise unknown_name(f"traces: {file.name}", "part", key, traces)
    return traces[key]


def fetched(
    file: TraceFile, mirror: Path | None = None, progress: Progress | None = None, *, accept_license: bool = False
) -> Path:
    """The verified local file; downloaded when it is nowhere here and its terms are open or accepted.

    Raises Unreachable when it may not or cannot be fetched.
    """
    if path := local_file(file, mirror_dir(mirror)):
        return path
    if file.dataset.terms != "open" and not accept_license:
        raise Unreachable(
            f"{file.name or file.file}: not on this machine, and its terms are not open ({file.dataset.licence}); "
            f"read them, then: sponge-bench traces fetch {file.name or file.dataset.name} --accept-license"
        )
    return download(file, progress)


def parse_file(file: TraceFile, path: Path) -> Mapping[str, Trace]:
    """All traces of a catalogued file by key, with their names and provenance; also kept for the next time."""
    traces = {key: _named(file, key, trace) for key, trace in read_all(file.parser, Source(path)).items()}
    with suppress(OSError):  # a cache that cannot be written only costs time
        save_all(file.sha256, traces)
    return traces


def _named(file: TraceFile, key: str, trace: Trace) -> Trace:
    name = "/".join(filter(None, (file.name, key)))
    return replace(trace, name=name, provenance=file.provenance(trace.provenance.transforms))


def keys_of(file: TraceFile, mirror: Path | None = None) -> list[str] | None:
    """The keys of the traces in a file, or None when its bytes are not on this machine."""
    path = local_file(file, mirror_dir(mirror))
    if (keys := load_keys(file.sha256)) is not None:
        return keys
    return list(parse_file(file, path)) if path else None


def imported_names() -> list[str]:
    """The user's own traces."""
    root = _imports()
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.parquet"))


def import_trace(path: Path, parser: str, name: str, provenance: Provenance, direction: str = "") -> list[Trace]:
    """Read a file and keep its traces under `name` (`name/key` when it holds several). direction: in place of the one
    the format implies; empty keeps that.

    Raises UsageError for faults in the file, and for a name that is not made of lower-case words, or is taken.
    """
    check_name(name)
    sha256 = sha256_of(path)
    kept = []
    for key, trace in read_all(parser, Source(path)).items():
        full = "/".join(filter(None, (name, re.sub(r"[^a-z0-9._/-]+", "-", key.lower()))))
        check_name(full)
        notes = trace.provenance.transforms
        mine = replace(provenance, dataset="imported", file=path.name, source_sha256=sha256, transforms=notes)
        trace = replace(trace, name=full, provenance=mine)
        if isinstance(trace, BandwidthTrace) and direction:
            trace = replace(trace, direction="up" if direction == "up" else "down")
        target = inside(_imports(), f"{full}.parquet")
        target.parent.mkdir(parents=True, exist_ok=True)
        save(target, trace)
        kept.append(trace)
    return kept


def check_name(name: str) -> None:
    """Raise UsageError for a name that cannot be given to one's own trace."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--as: {name!r}; must be lower-case letters, digits, '.', '_', '-', in parts joined by '/'")
    taken = {file.dataset.name for file in by_name().values()}
    if name.startswith(SYNTHETIC) or name.split("/")[0] in taken:
        raise UsageError(f"--as: {name!r} is taken by the catalogue; must be a name of your own")


def _imports() -> Path:
    return cache_dir() / "imported"


def _imported_file(name: str) -> Path | None:
    if not _NAME.fullmatch(name):
        return None
    path = inside(_imports(), f"{name}.parquet")
    return path if path.is_file() else None


def traces_here(mirror: Path | None = None) -> Iterator[tuple[TraceFile, list[str] | None]]:
    """Every file of the catalogue that holds traces, with its keys when its bytes are on this machine."""
    for file in by_name().values():
        yield file, keys_of(file, mirror)
