"""When requests are created: pieces of instants, from counts per bin or from exact times.

Poisson, uniform, bursts and traces of counts are the same thing in two steps: how many fall into each bin, and where
in the bin they fall. Each step has its own random generator and uses it in order, so the result does not depend on
how many bins are drawn at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.errors import UsageError
from harness.plan.spec import ArrivalsSpec
from harness.traces.model import ArrivalTrace, Floats, Ints

PIECE_REQUESTS = 200_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Piece:
    """Instants in any order; no later piece has one before `until_s`."""

    created_s: Floats
    until_s: float


@dataclass(frozen=True, slots=True)
class Bins:
    """How many requests fall into each bin. widths_s: all `bin_s`, but the last may be cut by the run's end."""

    counts: Ints
    bin_s: float
    widths_s: Floats


Spread = Callable[[Floats, Floats, Ints, np.random.Generator], Floats]


def created(
    spec: ArrivalsSpec, duration_s: float, trace: ArrivalTrace | None, seed: np.random.SeedSequence
) -> Iterator[Piece]:
    """All instants in [0, duration_s), piece by piece. Raises UsageError when the trace is shorter than the run."""
    if trace is not None:
        _check_length(trace, spec.start_s, duration_s)
    if spec.kind == "constant":
        return _constant(spec.rate_rps, duration_s)
    if trace is not None and trace.times_s is not None:
        return _instants(trace.times_s, spec.start_s, duration_s)
    how_many, where = (np.random.default_rng(s) for s in seed.spawn(2))
    if trace is not None:
        return _spread(_trace_bins(trace, spec.start_s, duration_s), SPREAD[spec.spread], where, duration_s)
    bins = _generated_bins(spec, duration_s, how_many)
    if spec.kind == "burst-per-second":
        return _spread(bins, _burst(spec.rate_rps), where, duration_s)
    return _spread(bins, _anywhere, where, duration_s)


def _constant(rate_rps: float, duration_s: float) -> Iterator[Piece]:
    total = int(np.ceil(duration_s * rate_rps - _ROUNDING))
    for first in range(0, total, PIECE_REQUESTS):
        last = min(first + PIECE_REQUESTS, total)
        yield Piece(np.arange(first, last, dtype=np.float64) / rate_rps, last / rate_rps)


def _instants(times_s: Floats, start_s: float, duration_s: float) -> Iterator[Piece]:
    first, end = (int(at) for at in np.searchsorted(times_s, [start_s, start_s + duration_s], side="left"))
    for at in range(first, end, PIECE_REQUESTS):
        piece = times_s[at : min(at + PIECE_REQUESTS, end)] - start_s
        yield Piece(piece, float(piece[-1]))


def _check_length(trace: ArrivalTrace, start_s: float, duration_s: float) -> None:
    if start_s + duration_s > trace.end_s + _ROUNDING:
        raise UsageError(
            f"{trace.name}: lasts {trace.end_s:g} s; the run needs it from {start_s:g} to {start_s + duration_s:g} s"
        )


def _generated_bins(spec: ArrivalsSpec, duration_s: float, generator: np.random.Generator) -> Bins:
    """Bins of one second for the kinds that need no trace."""
    seconds = int(np.ceil(duration_s))
    widths = np.ones(seconds)
    widths[-1] = duration_s - (seconds - 1)
    if spec.kind == "poisson":
        counts = generator.poisson(spec.rate_rps * widths)
    elif spec.kind == "uniform":
        counts = generator.multinomial(int(spec.rate_rps * duration_s + _ROUNDING), widths / duration_s)
    else:
        counts = np.full(seconds, int(spec.rate_rps), dtype=np.int64)
    return Bins(counts, 1.0, widths)


def _trace_bins(trace: ArrivalTrace, start_s: float, duration_s: float) -> Bins:
    """The trace's own bins that the run touches; requests of the last one beyond the run's end are cut later."""
    first = round(start_s / trace.bin_s)
    if abs(first * trace.bin_s - start_s) > _ROUNDING:
        rule = f"must be a multiple of the trace's bin of {trace.bin_s:g} s"
        raise UsageError(f"{trace.name}: start_s = {start_s:g}; {rule}")
    bins = int(np.ceil(duration_s / trace.bin_s - _ROUNDING))
    counts = np.asarray(trace.counts)[first : first + bins]
    return Bins(counts, trace.bin_s, np.full(len(counts), trace.bin_s))


def _spread(bins: Bins, spread: Spread, generator: np.random.Generator, duration_s: float) -> Iterator[Piece]:
    mean = max(1.0, float(bins.counts.mean()))
    step = max(1, int(PIECE_REQUESTS / mean))
    for first in range(0, len(bins.counts), step):
        counts = bins.counts[first : first + step]
        starts = np.arange(first, first + len(counts), dtype=np.float64) * bins.bin_s
        instants = spread(starts, bins.widths_s[first : first + step], counts, generator)
        yield Piece(instants[instants < duration_s], float(starts[-1] + bins.bin_s))


def _anywhere(starts_s: Floats, widths_s: Floats, counts: Ints, generator: np.random.Generator) -> Floats:
    """Independently uniform in their bin: what a Poisson process does, given its count."""
    within = generator.random(int(counts.sum()))
    return np.asarray(np.repeat(starts_s, counts) + within * np.repeat(widths_s, counts))


def _evenly(starts_s: Floats, widths_s: Floats, counts: Ints, generator: np.random.Generator) -> Floats:
    """At equal distances, the first at the start of the bin."""
    del generator
    rank = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(
        np.repeat(starts_s, counts) + rank / np.repeat(np.maximum(counts, 1), counts) * np.repeat(widths_s, counts)
    )


def _burst(rate_rps: float) -> Spread:
    """The prototype's delays: each request its own Exp(1/rate) after the start of the second."""

    def spread(starts_s: Floats, widths_s: Floats, counts: Ints, generator: np.random.Generator) -> Floats:
        del widths_s
        return np.asarray(np.repeat(starts_s, counts) + generator.exponential(1.0 / rate_rps, int(counts.sum())))

    return spread


SPREAD: dict[str, Spread] = {"poisson": _anywhere, "even": _evenly}
