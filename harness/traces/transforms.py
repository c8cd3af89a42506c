"""Changing traces: pure, composable, and written down. A transform is a line of words that reads as what it does.

    slice 120 300 [500 560 ...]   keep these windows [from, to) in s, joined
    offset 60                     begin 60 s later; the part before moves to the end
    scale-mean 20                 multiply, so that the mean is 20 Mbit/s (or requests/s)
    scale-peak 50                 the same for the largest value
    compress 2                    run twice as fast: half the time between changes (or requests)
    loop 3                        the trace three times in a row
    resample 1                    equal steps of 1 s: mean bandwidth, or counts
    divide 8                      counts only: int(count / 8) in every bin
    gaps cut 600, gaps fill 600   counts only: runs of at least 600 s of zeros are a hole in the collection, not load;
                                  cut them out, or fill them from the level on both sides

Every one adds its line to the trace's provenance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import UsageError, unknown_name
from harness.traces.model import ArrivalTrace, BandwidthTrace, Floats, Ints, Trace

_FILL_LEVEL_S = 60.0


def apply_transforms(trace: Trace, lines: Sequence[str], place: str) -> Trace:
    """The trace after all transforms, in order. Raises UsageError naming place, line and rule."""
    for line in lines:
        trace = parse(line, place)(trace)
    return trace


def parse(line: str, place: str) -> Callable[[Trace], Trace]:
    """What a line of words does to a trace. Raises UsageError for an unknown word or wrong numbers."""
    words = line.split()
    word = " ".join(words[:2]) if words[:1] == ["gaps"] else " ".join(words[:1])
    if word not in _RULES:
        raise unknown_name(place, "transform", word, _RULES)
    rule = _RULES[word]
    numbers = words[len(word.split()) :]
    try:
        values = [float(text) for text in numbers]
    except ValueError:
        values = []
    if not values or not all(math.isfinite(v) and v >= 0.0 for v in values) or not rule.fits(values):
        raise UsageError(f"{place}: transform {line!r}; must be {rule.form}")
    said = " ".join([word, *(format(value, ".15g") for value in values)])

    def act(trace: Trace) -> Trace:
        change = rule.arrivals if isinstance(trace, ArrivalTrace) else rule.bandwidth
        if change is None:
            kind = "arrivals" if isinstance(trace, ArrivalTrace) else "a bandwidth"
            raise UsageError(f"{place}: transform {line!r} does not apply to {kind}, which {trace.name} is")
        changed: Trace = change(trace, values)
        return replace(changed, provenance=trace.provenance.then(said))

    return act


# Bandwidth


def slice_bandwidth(trace: BandwidthTrace, edges_s: Sequence[float]) -> BandwidthTrace:
    """The windows [from, to) of a trace, joined. Raises UsageError for one that is not inside the trace."""
    steps, rates = [], []
    for start_s, end_s in _windows(trace, edges_s):
        first = int(np.searchsorted(trace.times_s, start_s, side="right")) - 1
        last = int(np.searchsorted(trace.times_s, end_s, side="left"))
        inner = np.concatenate(([start_s], trace.times_s[first + 1 : last], [end_s]))
        steps.append(np.diff(inner))
        rates.append(trace.bits_per_s[first:last])
    return with_steps(trace, np.concatenate(steps), np.concatenate(rates))


def offset_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """Begin later; what was before moves to the end."""
    at_s = values[0] % trace.end_s
    return slice_bandwidth(trace, [at_s, trace.end_s, *([0.0, at_s] if at_s > 0.0 else [])])


def scale_mean_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """Multiply so that the mean is `values[0]` Mbit/s. Raises UsageError for a trace without any bandwidth."""
    return _scaled(trace, values[0] * 1e6, trace.mean_bits_per_s())


def scale_peak_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """Multiply so that the largest value is `values[0]` Mbit/s."""
    return _scaled(trace, values[0] * 1e6, float(trace.bits_per_s.max()))


def _scaled(trace: BandwidthTrace, wanted: float, has: float) -> BandwidthTrace:
    if has == 0.0:
        raise UsageError(f"{trace.name}: is all outage; cannot be scaled")
    return replace(trace, bits_per_s=trace.bits_per_s * (wanted / has))


def compress_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """Changes come `values[0]` times as fast; the bandwidths stay."""
    return replace(trace, times_s=trace.times_s / values[0], end_s=trace.end_s / values[0])


def loop_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """The trace several times in a row."""
    times = int(values[0])
    return with_steps(trace, np.tile(trace.steps_s(), times), np.tile(trace.bits_per_s, times))


def resample_bandwidth(trace: BandwidthTrace, values: Sequence[float]) -> BandwidthTrace:
    """Equal steps with the mean bandwidth of each; the bits carried stay. The last step may be cut by the end."""
    edges = _grid(trace.end_s, values[0])
    carried = np.interp(
        edges,
        np.append(trace.times_s, trace.end_s),
        np.concatenate(([0.0], np.cumsum(trace.steps_s() * trace.bits_per_s))),
    )
    steps = np.diff(edges)
    return with_steps(trace, steps, np.maximum(np.diff(carried) / steps, 0.0))


def with_steps(trace: BandwidthTrace, steps_s: Floats, bits_per_s: Floats) -> BandwidthTrace:
    """The same trace with other steps; one too short to move the clock is left out."""
    edges = np.concatenate(([0.0], np.cumsum(steps_s)))
    kept = np.diff(edges) > 0.0
    return replace(trace, times_s=edges[:-1][kept], bits_per_s=bits_per_s[kept], end_s=float(edges[-1]))


# Arrivals


def slice_arrivals(trace: ArrivalTrace, edges_s: Sequence[float]) -> ArrivalTrace:
    """The windows [from, to) of a trace, joined. For counts they must fall on bins."""
    windows = _windows(trace, edges_s)
    if trace.counts is not None:
        edges = [(_bin(trace, start), _bin(trace, end)) for start, end in windows]
        return with_counts(trace, np.concatenate([trace.counts[first:last] for first, last in edges]))
    times, before_s = [], 0.0
    for start_s, end_s in windows:
        first, last = np.searchsorted(_instants(trace), [start_s, end_s], side="left")
        times.append(_instants(trace)[first:last] - start_s + before_s)
        before_s += end_s - start_s
    joined = np.concatenate(times)
    if len(joined) == 0:
        raise UsageError(f"{trace.name}: has no request in these windows; a trace needs at least one")
    return replace(trace, times_s=joined, end_s=before_s)


def offset_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Begin later; what was before moves to the end."""
    at_s = values[0] % trace.end_s
    return slice_arrivals(trace, [at_s, trace.end_s, *([0.0, at_s] if at_s > 0.0 else [])])


def scale_mean_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Multiply counts so that the mean is `values[0]` requests/s; what rounding leaves over goes to the next bin."""
    return _scaled_counts(trace, values[0] / trace.mean_rps() if trace.requests else math.inf)


def scale_peak_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Multiply counts so that the fullest bin has `values[0]` requests/s, up to one request."""
    peak_rps = float(_counts(trace).max()) / trace.bin_s
    return _scaled_counts(trace, values[0] / peak_rps if peak_rps else math.inf)


def _scaled_counts(trace: ArrivalTrace, factor: float) -> ArrivalTrace:
    if not math.isfinite(factor):
        raise UsageError(f"{trace.name}: has no requests; cannot be scaled")
    running = np.floor(np.cumsum(_counts(trace)) * factor + 0.5).astype(np.int64)
    return with_counts(trace, np.diff(running, prepend=0))


def compress_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """The same requests in less time, so at a higher rate."""
    times = None if trace.times_s is None else trace.times_s / values[0]
    return replace(trace, times_s=times, bin_s=trace.bin_s / values[0], end_s=trace.end_s / values[0])


def loop_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """The trace several times in a row."""
    times = int(values[0])
    if trace.counts is not None:
        return with_counts(trace, np.tile(trace.counts, times))
    laps = np.repeat(np.arange(times) * trace.end_s, len(_instants(trace)))
    return replace(trace, times_s=np.tile(_instants(trace), times) + laps, end_s=trace.end_s * times)


def resample_arrivals(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Counts per bin of `values[0]` s. Counts can only be put together: into whole multiples of their bin."""
    bin_s = values[0]
    if trace.counts is None:
        bins = math.ceil(trace.end_s / bin_s - 1e-9)
        counts = np.bincount(np.minimum((_instants(trace) / bin_s).astype(np.int64), bins - 1), minlength=bins)
        return replace(trace, times_s=None, counts=counts.astype(np.int64), bin_s=bin_s, end_s=bins * bin_s)
    many = round(bin_s / trace.bin_s)
    if many < 1 or abs(many * trace.bin_s - bin_s) > 1e-9:
        raise UsageError(
            f"{trace.name}: resample {bin_s:g}; must be a multiple of the trace's bin of {trace.bin_s:g} s"
        )
    padded = np.pad(trace.counts, (0, -len(trace.counts) % many))
    return with_counts(replace(trace, bin_s=bin_s), padded.reshape(-1, many).sum(axis=1))


def divide_counts(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """int(count / n) in every bin, as several papers thin the Twitter counts."""
    return with_counts(trace, (_counts(trace) / values[0]).astype(np.int64))


def cut_gaps(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Take runs of zeros of at least `values[0]` s out; what follows moves up."""
    keep = np.ones(len(_counts(trace)), np.bool_)
    for first, last in gaps(trace, values[0]):
        keep[first:last] = False
    return with_counts(trace, _counts(trace)[keep])


def fill_gaps(trace: ArrivalTrace, values: Sequence[float]) -> ArrivalTrace:
    """Fill runs of zeros of at least `values[0]` s: a straight line between the means of the minute on either side."""
    counts = _counts(trace).copy()
    near = max(1, round(_FILL_LEVEL_S / trace.bin_s))
    for first, last in gaps(trace, values[0]):
        before, after = counts[max(first - near, 0) : first], counts[last : last + near]
        levels = [float(side.mean()) for side in (before, after) if len(side)] or [0.0]
        line = np.linspace(levels[0], levels[-1], last - first)
        counts[first:last] = np.diff(np.floor(np.cumsum(line) + 0.5), prepend=0.0).astype(np.int64)
    return with_counts(trace, counts)


def gaps(trace: ArrivalTrace, at_least_s: float) -> list[tuple[int, int]]:
    """Runs of empty bins that last at least so long, as [first, last) bins."""
    empty = np.concatenate(([False], _counts(trace) == 0, [False]))
    edges = np.flatnonzero(empty[1:] != empty[:-1]).reshape(-1, 2)
    long = (edges[:, 1] - edges[:, 0]) * trace.bin_s >= at_least_s - 1e-9
    return [(int(first), int(last)) for first, last in edges[long]]


def with_counts(trace: ArrivalTrace, counts: Ints) -> ArrivalTrace:
    """The same trace with other counts."""
    return replace(trace, counts=counts, end_s=len(counts) * trace.bin_s)


def _counts(trace: ArrivalTrace) -> Ints:
    if trace.counts is None:
        raise UsageError(f"{trace.name}: holds single requests, not counts; put 'resample 1' before this transform")
    return trace.counts


def _instants(trace: ArrivalTrace) -> Floats:
    return np.asarray(trace.times_s)


def _bin(trace: ArrivalTrace, at_s: float) -> int:
    place = round(at_s / trace.bin_s)
    if abs(place * trace.bin_s - at_s) > 1e-6:
        raise UsageError(
            f"{trace.name}: slice at {at_s:g} s; must be a multiple of the trace's bin of {trace.bin_s:g} s"
        )
    return place


def _windows(trace: Trace, edges_s: Sequence[float]) -> list[tuple[float, float]]:
    windows = list(zip(edges_s[::2], edges_s[1::2], strict=True))
    for start_s, end_s in windows:
        if not 0.0 <= start_s < end_s <= trace.end_s + 1e-9:
            raise UsageError(f"{trace.name}: slice {start_s:g} {end_s:g}; must lie in 0 to {trace.end_s:g} s, in order")
    return [(start_s, min(end_s, trace.end_s)) for start_s, end_s in windows]


def _grid(end_s: float, step_s: float) -> Floats:
    edges = np.arange(math.ceil(end_s / step_s - 1e-9) + 1) * step_s
    edges[-1] = end_s
    return np.asarray(edges)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One kind of transform: what it does to either kind of trace, which numbers fit, and how it is written."""

    bandwidth: Callable[..., Trace] | None
    arrivals: Callable[..., Trace] | None
    fits: Callable[[Sequence[float]], bool]
    form: str


def _one_positive(values: Sequence[float]) -> bool:
    return len(values) == 1 and values[0] > 0.0


def _one_whole(values: Sequence[float]) -> bool:
    return _one_positive(values) and values[0] == int(values[0])


def _pairs(values: Sequence[float]) -> bool:
    return len(values) % 2 == 0


def _one(values: Sequence[float]) -> bool:
    return len(values) == 1


_RULES: Mapping[str, _Rule] = {
    "slice": _Rule(slice_bandwidth, slice_arrivals, _pairs, "'slice FROM TO [FROM TO ...]' in s"),
    "offset": _Rule(offset_bandwidth, offset_arrivals, _one, "'offset S' with S >= 0 s"),
    "scale-mean": _Rule(scale_mean_bandwidth, scale_mean_arrivals, _one_positive, "'scale-mean X' with X > 0"),
    "scale-peak": _Rule(scale_peak_bandwidth, scale_peak_arrivals, _one_positive, "'scale-peak X' with X > 0"),
    "compress": _Rule(compress_bandwidth, compress_arrivals, _one_positive, "'compress F' with F > 0"),
    "loop": _Rule(loop_bandwidth, loop_arrivals, _one_whole, "'loop N' with a whole N >= 1"),
    "resample": _Rule(resample_bandwidth, resample_arrivals, _one_positive, "'resample S' with S > 0 s"),
    "divide": _Rule(None, divide_counts, _one_positive, "'divide K' with K > 0"),
    "gaps cut": _Rule(None, cut_gaps, _one_positive, "'gaps cut S' with S > 0 s"),
    "gaps fill": _Rule(None, fill_gaps, _one_positive, "'gaps fill S' with S > 0 s"),
}
