"""The rows of `sponge-bench traces list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.traces.catalogue import by_name, slices
from harness.traces.library import imported_names, load_trace, traces_here
from harness.traces.model import BandwidthTrace
from harness.traces.statistics import Statistics, statistics_of

HEADER = (
    "name",
    "kind",
    "tech",
    "mobility",
    "dir",
    "seconds",
    "mean",
    "p5",
    "p50",
    "p95",
    "unit",
    "zero",
    "licence",
    "here",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One trace in the list. statistics: None when its bytes are not on this machine."""

    name: str
    kind: str
    technology: str
    mobility: str
    direction: str
    licence: str
    here: bool
    statistics: Statistics | None


def by_technology(lines: Sequence[Line], mirror: Path | None) -> dict[str, list[BandwidthTrace]]:
    """The network traces that are here, by technology and direction. Raises UsageError when there is none."""
    found: dict[str, list[BandwidthTrace]] = {}
    for line in lines:
        if line.here and line.kind == "network" and line.name not in slices():
            trace = load_trace(line.name, mirror)
            if isinstance(trace, BandwidthTrace):
                found.setdefault(f"{line.technology or 'own'} {trace.direction}link", []).append(trace)
    if not found:
        raise UsageError("traces list: --png has nothing to draw; none of these network traces is here")
    return dict(sorted(found.items()))


def list_lines(mirror: Path | None) -> Iterator[Line]:
    """The catalogue's traces, the named slices, and the user's own."""
    catalogued = list(traces_here(mirror))
    for file, keys in catalogued:
        kind = file.dataset.kind
        about = (kind, file.technology, file.mobility, file.direction, file.dataset.licence)
        if keys is None:
            yield Line(file.name, *about, here=False, statistics=None)
            continue
        for key in keys:
            full = "/".join(filter(None, (file.name, key)))
            yield Line(full, *about, here=True, statistics=statistics_of(load_trace(full, mirror)))
    here = {file.name for file, keys in catalogued if keys is not None}
    for part in slices().values():
        dataset = by_name()[part.trace].dataset
        about = (dataset.kind, dataset.technology, "", dataset.direction, dataset.licence)
        known = statistics_of(load_trace(part.name, mirror)) if part.trace in here else None
        yield Line(part.name, *about, here=known is not None, statistics=known)
    for name in imported_names():
        trace = load_trace(name)
        kind = "network" if isinstance(trace, BandwidthTrace) else "arrivals"
        direction = trace.direction if isinstance(trace, BandwidthTrace) else ""
        yield Line(name, kind, "", "", direction, trace.provenance.licence, here=True, statistics=statistics_of(trace))


def cells_of(line: Line) -> tuple[str, ...]:
    """The line as text, one cell per name in HEADER."""
    about = (line.name, line.kind, line.technology or "-", line.mobility or "-", line.direction or "-")
    short = line.licence.partition(";")[0].partition("(")[0].strip() or "-"
    found = line.statistics
    if found is None:
        return (*about, *("-",) * 7, short, "yes" if line.here else "no")
    numbers = (found.mean, found.p5, found.p50, found.p95)
    cells = (f"{found.seconds:.0f}", *(f"{value:.2f}" for value in numbers), found.unit, f"{found.zero_share:.1%}")
    return (*about, *cells, short, "yes" if line.here else "no")
