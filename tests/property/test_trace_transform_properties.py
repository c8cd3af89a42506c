"""What transforms must keep, for any trace."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.traces.model import ArrivalTrace, BandwidthTrace
from harness.traces.statistics import statistics_of
from harness.traces.transforms import (
    compress_bandwidth,
    loop_bandwidth,
    offset_bandwidth,
    resample_arrivals,
    resample_bandwidth,
    scale_mean_arrivals,
    scale_mean_bandwidth,
    slice_bandwidth,
)

rates = st.one_of(st.just(0.0), st.floats(1e3, 1e9))
networks = st.lists(st.tuples(st.floats(0.05, 9.0), rates), min_size=1, max_size=30).map(
    lambda pairs: BandwidthTrace(
        "made-up",
        np.concatenate(([0.0], np.cumsum([step for step, _ in pairs])))[:-1],
        np.array([rate for _, rate in pairs]),
        float(np.sum([step for step, _ in pairs])),
    )
)
counts = st.lists(st.integers(0, 500), min_size=1, max_size=60).filter(any)


def bits(trace: BandwidthTrace) -> float:
    return float(trace.steps_s() @ trace.bits_per_s)


@given(networks.filter(lambda trace: bool(trace.bits_per_s.any())), st.floats(0.1, 1000.0))
def test_scaling_reaches_the_mean_and_keeps_the_shape(trace, mbps):
    scaled = scale_mean_bandwidth(trace, [mbps])
    np.testing.assert_allclose(scaled.mean_bits_per_s(), mbps * 1e6, rtol=1e-9)
    ratio = scaled.bits_per_s[trace.bits_per_s > 0.0] / trace.bits_per_s[trace.bits_per_s > 0.0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    np.testing.assert_array_equal(scaled.bits_per_s == 0.0, trace.bits_per_s == 0.0)


@given(counts, st.floats(0.1, 100.0))
def test_scaled_counts_keep_their_total_and_never_stray_a_request_from_their_shape(values, rps):
    trace = ArrivalTrace("made-up", float(len(values)), counts=np.array(values))
    scaled = scale_mean_arrivals(trace, [rps])
    exact = np.cumsum(values) * rps * len(values) / np.sum(values)
    assert np.all(np.abs(np.cumsum(scaled.counts) - exact) <= 0.5 + 1e-6)


@given(networks, st.floats(0.1, 5.0))
def test_resampling_carries_the_same_bits(trace, step_s):
    np.testing.assert_allclose(bits(resample_bandwidth(trace, [step_s])), bits(trace), rtol=1e-9, atol=1.0)


@given(networks, st.floats(0.0, 500.0))
def test_an_offset_carries_the_same_bits_in_the_same_time(trace, offset_s):
    moved = offset_bandwidth(trace, [offset_s])
    np.testing.assert_allclose(bits(moved), bits(trace), rtol=1e-9, atol=1.0)
    np.testing.assert_allclose(moved.end_s, trace.end_s, rtol=1e-12)


@given(networks, st.integers(1, 4), st.floats(0.2, 5.0))
def test_loops_and_compression_multiply_time_and_bits(trace, times, factor):
    changed = compress_bandwidth(loop_bandwidth(trace, [times]), [factor])
    np.testing.assert_allclose(changed.end_s, trace.end_s * times / factor, rtol=1e-9)
    np.testing.assert_allclose(bits(changed), bits(trace) * times / factor, rtol=1e-9, atol=1.0)


@given(networks, st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(1, 1_000_000))
def test_a_transfer_in_a_slice_takes_as_long_as_in_the_whole(trace, one, other, size_bytes):
    start_s, end_s = sorted((one * trace.end_s, other * trace.end_s))
    if end_s - start_s < 1e-3:
        return
    inside = float(slice_bandwidth(trace, [start_s, end_s]).transfer_s(0.0, size_bytes))
    whole = float(trace.transfer_s(start_s, size_bytes))
    assert (inside == np.inf and whole > (end_s - start_s) * (1 - 1e-6)) or np.isclose(inside, whole, 1e-6, 1e-6)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50), st.floats(0.3, 20.0))
def test_no_request_is_lost_when_instants_become_counts(times, bin_s):
    trace = ArrivalTrace("made-up", 101.0, times_s=np.sort(times))
    assert resample_arrivals(trace, [bin_s]).requests == len(times)


@given(networks)
def test_statistics_agree_with_a_fine_grid(trace):
    grid = (np.arange(40_000) + 0.5) * trace.end_s / 40_000
    mbps = trace.bits_per_s[np.searchsorted(trace.times_s, grid, side="right") - 1] / 1e6
    found = statistics_of(trace)
    np.testing.assert_allclose(found.mean, mbps.mean(), rtol=0.02, atol=1e-3 * (mbps.max() + 1e-9))
    np.testing.assert_allclose(found.zero_share, np.mean(mbps == 0.0), atol=2e-3)
    for share, quantile in ((0.05, found.p5), (0.5, found.p50), (0.95, found.p95)):
        assert np.mean(mbps < quantile) <= share + 2e-3
        assert np.mean(mbps <= quantile) >= share - 2e-3
