"""transfer_s against a brute-force walk over the steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.traces import BandwidthTrace

steps = st.lists(st.tuples(st.floats(0.01, 5.0), st.one_of(st.just(0.0), st.floats(1.0, 1e8))), min_size=1, max_size=12)


def trace_of(pairs: list[tuple[float, float]]) -> BandwidthTrace:
    edges = np.concatenate(([0.0], np.cumsum([duration for duration, _ in pairs])))
    return BandwidthTrace("made-up", edges[:-1], np.array([rate for _, rate in pairs]), float(edges[-1]))


def walk_s(trace: BandwidthTrace, start_s: float, size_bytes: float, *, loop: bool) -> float:
    """Carry the bits step by step from the step that holds start_s."""
    bits, edges, laps = 8.0 * size_bytes, [*trace.times_s, trace.end_s], 0
    if bits == 0.0:
        return 0.0
    lap_bits = float(trace.steps_s() @ trace.bits_per_s)
    if lap_bits == 0.0:
        return math.inf
    now = start_s
    if loop:
        laps = math.floor(start_s / trace.end_s)
        now = start_s - laps * trace.end_s
    while True:
        for k, rate in enumerate(trace.bits_per_s):
            begin, end = max(now, edges[k]), edges[k + 1]
            if begin >= end:
                continue
            if rate * (end - begin) >= bits:
                return laps * trace.end_s + begin + bits / rate - start_s
            bits -= rate * (end - begin)
        if not loop:
            return math.inf
        now, laps = 0.0, laps + 1


@given(steps, st.floats(0.0, 60.0), st.integers(0, 20_000_000))
def test_a_transfer_ends_where_a_walk_over_the_steps_ends_or_never(pairs, start_s, size_bytes):
    trace = trace_of(pairs)
    walked = walk_s(trace, start_s, size_bytes, loop=False)
    left_bits = sum(
        rate * max(0.0, end - max(start_s, begin))
        for begin, end, rate in zip(trace.times_s, [*trace.times_s[1:], trace.end_s], trace.bits_per_s, strict=True)
    )
    if math.isclose(left_bits, 8.0 * size_bytes, rel_tol=1e-9):
        return  # on the very edge either answer is right
    assert float(trace.transfer_s(start_s, size_bytes)) == pytest.approx(walked, rel=1e-6, abs=1e-6)


@given(steps, st.floats(0.0, 60.0), st.integers(0, 5_000))
def test_a_looping_transfer_goes_on_at_the_start_of_the_trace(pairs, start_s, size_bytes):
    trace = trace_of([(duration, rate if rate == 0.0 else max(rate, 1e3)) for duration, rate in pairs])
    walked = walk_s(trace, start_s, size_bytes, loop=True)
    found = float(trace.transfer_s(start_s, size_bytes, loop=True))
    arrived = start_s + found
    assert found == pytest.approx(walked, rel=1e-6, abs=1e-6) or _carried_alike(trace, start_s, arrived, size_bytes)


def _carried_alike(trace: BandwidthTrace, start_s: float, end_s: float, size_bytes: float) -> bool:
    """Rounding may put an end just before or after an outage; the bits carried until then must still be right."""
    grid = np.linspace(start_s, end_s, 200_001)
    middle = (grid[1:] + grid[:-1]) / 2.0 % trace.end_s
    rate = trace.bits_per_s[np.searchsorted(trace.times_s, middle, side="right") - 1]
    return math.isclose(float(np.sum(rate * np.diff(grid))), 8.0 * size_bytes, rel_tol=1e-3, abs_tol=10.0)


@given(steps, st.lists(st.floats(0.0, 20.0), min_size=1, max_size=20), st.integers(1, 100_000))
def test_queued_transfers_end_one_after_the_other(pairs, starts, size_bytes):
    trace = trace_of([(duration, max(rate, 1e3)) for duration, rate in pairs])
    starts_s = np.sort(starts)
    found = starts_s + trace.transfer_s(starts_s, size_bytes, loop=True, queued=True)
    free_s, expected = 0.0, []
    for start_s in starts_s:
        begin_s = max(float(start_s), free_s)
        free_s = begin_s + float(trace.transfer_s(begin_s, size_bytes, loop=True))
        expected.append(free_s)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
