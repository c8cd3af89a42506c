"""From the samples a reader has collected to a trace, and the rows of a CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import UsageError
from harness.traces.model import ArrivalTrace, BandwidthTrace, Direction, Floats, Provenance
from harness.traces.source import Source

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV with a header. columns: names as they stand in the file, without spaces around them."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]


def csv_table(source: Source, *needed: str) -> Table:
    """Read a CSV's header and give its rows one by one as (line, column -> text).

    A row with too few or too many fields is a fault. Raises UsageError when a needed column is missing.
    """
    lines = source.lines()
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{source.path}: is empty; expected a CSV with the columns {', '.join(needed)}")
    columns = tuple(name.strip() for name in _fields(first[1]))
    for name in needed:
        if name not in columns:
            raise UsageError(f"{source.path}:{first[0]}: column {name!r} is missing; has {', '.join(columns):.200}")
    return Table(columns, _rows(source, lines, columns))


def _rows(source: Source, lines: Iterator[tuple[int, str]], columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    for line, text in lines:
        fields = _fields(text)
        if len(fields) != len(columns):
            source.fault(line, f"{len(fields)} fields; must be {len(columns)}, as in the header")
            continue
        yield line, dict(zip(columns, fields, strict=True))


def _fields(text: str) -> list[str]:
    return next(csv.reader([text])) if '"' in text else text.split(",")


def steady(source: Source, mbps: Sequence[float], step_s: float, direction: Direction = "down") -> BandwidthTrace:
    """A trace of equal steps from bandwidths in Mbit/s."""
    if not len(mbps):
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    rates = np.asarray(mbps, np.float64) * 1e6
    edges = np.asarray(np.arange(len(rates) + 1) * step_s, np.float64)
    return BandwidthTrace(source.path.stem, edges[:-1], rates, float(edges[-1]), direction)


def stepped(source: Source, durations_s: Sequence[float], bits_per_s: Sequence[float]) -> BandwidthTrace:
    """A downlink trace of steps of the given durations (> 0)."""
    if not len(durations_s):
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    edges = np.concatenate(([0.0], np.cumsum(durations_s)))
    return BandwidthTrace(source.path.stem, edges[:-1], np.asarray(bits_per_s, np.float64), float(edges[-1]))


def stamped(
    source: Source,
    times_s: npt.ArrayLike,
    mbps: npt.ArrayLike,
    sample_s: float,
    direction: Direction = "down",
) -> BandwidthTrace:
    """A trace from stamped samples (nondecreasing): each holds until the next, the last for `sample_s`.

    Samples with the same stamp are averaged. Seconds bridged where samples are missing are noted in the provenance.
    """
    times, values = np.asarray(times_s, np.float64), np.asarray(mbps, np.float64)
    if len(times) == 0:
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    starts, where, counts = np.unique(times, return_inverse=True, return_counts=True)
    rates = np.bincount(where, weights=values) / counts * 1e6
    starts = starts - starts[0]
    return BandwidthTrace(
        source.path.stem, starts, rates, float(starts[-1] + sample_s), direction, _held(starts, sample_s)
    )


def _held(starts_s: Floats, sample_s: float) -> Provenance:
    missing_s = float(np.sum(np.maximum(np.diff(starts_s) - sample_s, 0.0)))
    note = f"hold {missing_s:g} s of missing samples"
    return Provenance(transforms=(note,) if missing_s > 1e-6 else ())


def binned(
    source: Source, times_s: npt.ArrayLike, mbps: npt.ArrayLike, bin_s: float, direction: Direction
) -> BandwidthTrace:
    """A trace of equal steps from samples in any order: the mean of each bin; an empty bin keeps the one before."""
    bins = np.floor(np.asarray(times_s, np.float64) / bin_s + 1e-9).astype(np.int64)
    return stamped(source, bins * bin_s, mbps, bin_s, direction)


def instants(source: Source, times_s: Sequence[float]) -> ArrivalTrace:
    """Arrivals from stamps in any order, moved so that the first is at 0. Lasts to the end of the last one's second."""
    if not len(times_s):
        raise UsageError(f"{source.path}: no requests; a trace needs at least one")
    times = np.sort(np.asarray(times_s, np.float64))
    times = times - times[0]
    return ArrivalTrace(source.path.stem, float(np.floor(times[-1])) + 1.0, times_s=times)


def counted(source: Source, counts: npt.ArrayLike, bin_s: float) -> ArrivalTrace:
    """Arrivals from counts per bin."""
    numbers = np.asarray(counts, np.int64)
    return ArrivalTrace(source.path.stem, len(numbers) * bin_s, counts=numbers, bin_s=bin_s)
