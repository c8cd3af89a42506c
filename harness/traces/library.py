"""From a name to a trace: mirror, cache, download, and the synthetic stand-in when none of them has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.errors import BenchError, UsageError, unknown_name
from harness.traces.catalogue import TraceFile, find
from harness.traces.download import Progress, Unreachable, download
from harness.traces.model import Trace
from harness.traces.places import local_file, mirror_dir
from harness.traces.readers import read_all
from harness.traces.source import Source
from harness.traces.synthetic import GHENT_4G, synthetic_bandwidth

SYNTHETIC_S = 600
SYNTHETIC_SEED = 20240415


def load_trace(name: str, mirror: Path | None = None) -> Trace:
    """The trace of this name, from the first of: `mirror`, SPONGE_BENCH_MIRROR, `../shared/traces` beside the
    repository, the cache (SPONGE_BENCH_CACHE), a download.

    When there is no way to the bytes, a stand-in comes back: its name starts with `synthetic-`, and its
    `provenance.synthetic_because` says why; callers print that. Raises UsageError for an unknown name, and for bytes
    whose size or sha256 is not the catalogue's: those are a fault, never a reason to go on with something else.
    """
    if name.startswith("synthetic-"):
        return stand_in(name.removeprefix("synthetic-"), "asked for by name")
    file, key = find(name)
    if not file.parser:
        raise UsageError(f"traces: {name!r} is a document; it has no trace to load")
    try:
        return read(file, key, fetched(file, mirror))
    except Unreachable as error:
        return stand_in(name, str(error))


def fetched(file: TraceFile, mirror: Path | None = None, progress: Progress | None = None) -> Path:
    """The verified local file, downloaded when its terms are open and it is nowhere here. Raises Unreachable."""
    if path := local_file(file, mirror_dir(mirror)):
        return path
    if file.dataset.terms != "open":
        raise Unreachable(
            f"{file.name}: not on this machine, and its terms are not open ({file.dataset.licence}); "
            f"read them, then: sponge-bench traces fetch {file.name} --accept-license"
        )
    return download(file, progress)


def read(file: TraceFile, key: str, path: Path) -> Trace:
    """Parse one trace of a file. Raises UsageError for faults in the file and for a key it does not have."""
    traces = read_all(file.parser, Source(path))
    if key not in traces:
        raise unknown_name(f"traces: {file.name}", "part", key, traces)
    trace = traces[key]
    notes = trace.provenance.transforms
    return replace(trace, name="/".join(filter(None, (file.name, key))), provenance=file.provenance(notes))


def stand_in(name: str, because: str) -> Trace:
    """The synthetic trace that stands for `name`. Raises BenchError for a name no generator can stand for."""
    if not name.startswith("ghent-4g"):
        raise BenchError(f"{name}: {because}; and no synthetic trace can stand for it")
    return synthetic_bandwidth(GHENT_4G, SYNTHETIC_S, SYNTHETIC_SEED, because)
