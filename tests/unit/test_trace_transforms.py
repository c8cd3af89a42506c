"""Transforms on small traces whose answer is known."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.traces.model import ArrivalTrace, BandwidthTrace, Trace
from harness.traces.transforms import apply_transforms, gaps, parse

NET = BandwidthTrace("net", np.array([0.0, 1.0, 3.0]), np.array([8e6, 0.0, 4e6]), 4.0)
COUNTS = ArrivalTrace("counts", 8.0, counts=np.array([4, 0, 0, 0, 8, 3, 0, 1]))
INSTANTS = ArrivalTrace("instants", 4.0, times_s=np.array([0.5, 1.0, 3.25]))

BANDWIDTH = [
    ("slice 0.5 3.5", [0.5, 2.0, 0.5], [8.0, 0.0, 4.0]),
    ("slice 3 4 0 1", [1.0, 1.0], [4.0, 8.0]),
    ("offset 1", [2.0, 1.0, 1.0], [0.0, 4.0, 8.0]),
    ("offset 4", [1.0, 2.0, 1.0], [8.0, 0.0, 4.0]),
    ("scale-mean 6", [1.0, 2.0, 1.0], [16.0, 0.0, 8.0]),
    ("scale-peak 4", [1.0, 2.0, 1.0], [4.0, 0.0, 2.0]),
    ("compress 2", [0.5, 1.0, 0.5], [8.0, 0.0, 4.0]),
    ("loop 2", [1.0, 2.0, 1.0, 1.0, 2.0, 1.0], [8.0, 0.0, 4.0, 8.0, 0.0, 4.0]),
    ("resample 2", [2.0, 2.0], [4.0, 2.0]),
    ("resample 3", [3.0, 1.0], [8.0 / 3.0, 4.0]),
]
ARRIVALS = [
    ("slice 4 6", [8, 3]),
    ("slice 4 6 0 1", [8, 3, 4]),
    ("offset 4", [8, 3, 0, 1, 4, 0, 0, 0]),
    ("scale-mean 4", [8, 0, 0, 0, 16, 6, 0, 2]),
    ("scale-peak 4", [2, 0, 0, 0, 4, 2, 0, 0]),
    ("divide 3", [1, 0, 0, 0, 2, 1, 0, 0]),
    ("loop 2", [4, 0, 0, 0, 8, 3, 0, 1] * 2),
    ("resample 4", [4, 12]),
    ("gaps cut 3", [4, 8, 3, 0, 1]),
    ("gaps fill 3", [4, 4, 4, 3, 8, 3, 0, 1]),
]


def changed(trace: Trace, *lines: str) -> Trace:
    return apply_transforms(trace, lines, "here")


@pytest.mark.parametrize(("line", "steps", "mbps"), BANDWIDTH)
def test_a_bandwidth_trace_after_a_transform(line, steps, mbps):
    trace = changed(NET, line)
    assert isinstance(trace, BandwidthTrace)
    np.testing.assert_allclose(trace.steps_s(), steps)
    np.testing.assert_allclose(trace.bits_per_s / 1e6, mbps)


@pytest.mark.parametrize(("line", "counts"), ARRIVALS)
def test_counts_after_a_transform(line, counts):
    trace = changed(COUNTS, line)
    assert isinstance(trace, ArrivalTrace)
    np.testing.assert_array_equal(trace.counts, counts)
    assert trace.end_s == len(counts) * trace.bin_s


@pytest.mark.parametrize(
    ("line", "times", "end_s"),
    [("slice 1 4", [0.0, 2.25], 3.0), ("offset 3", [0.25, 1.5, 2.0], 4.0), ("compress 2", [0.25, 0.5, 1.625], 2.0),
     ("loop 2", [0.5, 1.0, 3.25, 4.5, 5.0, 7.25], 8.0)],
)  # fmt: skip
def test_instants_after_a_transform(line, times, end_s):
    trace = changed(INSTANTS, line)
    assert isinstance(trace, ArrivalTrace)
    np.testing.assert_allclose(trace.times_s, times)
    assert trace.end_s == end_s


def test_instants_become_counts_when_resampled():
    trace = changed(INSTANTS, "resample 1")
    assert isinstance(trace, ArrivalTrace)
    np.testing.assert_array_equal(trace.counts, [1, 1, 0, 1])


def test_transforms_compose_in_order_and_are_written_down():
    trace = changed(COUNTS, "slice 4 8", "divide 2")
    assert isinstance(trace, ArrivalTrace)
    np.testing.assert_array_equal(trace.counts, [4, 1, 0, 0])
    assert trace.provenance.transforms == ("slice 4 8", "divide 2")


def test_long_numbers_are_written_down_whole():
    long = ArrivalTrace("long", 2e6, counts=np.ones(2_000_000, np.int64))
    assert changed(long, "slice 1301160 1302360").provenance.transforms == ("slice 1301160 1302360",)


def test_gaps_are_runs_of_empty_bins_of_at_least_the_length():
    assert gaps(COUNTS, 3.0) == [(1, 4)]
    assert gaps(COUNTS, 1.0) == [(1, 4), (6, 7)]


@pytest.mark.parametrize(
    ("trace", "line", "message"),
    [
        (NET, "slyce 1 2", "here: unknown transform 'slyce'; did you mean 'slice'?"),
        (NET, "", "here: unknown transform ''"),
        (NET, "slice 1", "here: transform 'slice 1'; must be 'slice FROM TO [FROM TO ...]' in s"),
        (NET, "slice 1 x", "here: transform 'slice 1 x'; must be"),
        (NET, "scale-mean -1", "here: transform 'scale-mean -1'; must be 'scale-mean X' with X > 0"),
        (NET, "scale-mean nan", "here: transform 'scale-mean nan'; must be"),
        (NET, "loop 1.5", "here: transform 'loop 1.5'; must be 'loop N' with a whole N >= 1"),
        (NET, "slice 1 9", "net: slice 1 9; must lie in 0 to 4 s, in order"),
        (NET, "slice 2 1", "net: slice 2 1; must lie in 0 to 4 s, in order"),
        (NET, "divide 8", "here: transform 'divide 8' does not apply to a bandwidth, which net is"),
        (COUNTS, "slice 0.5 2", "counts: slice at 0.5 s; must be a multiple of the trace's bin of 1 s"),
        (COUNTS, "resample 1.5", "counts: resample 1.5; must be a multiple of the trace's bin of 1 s"),
        (INSTANTS, "divide 8", "instants: holds single requests, not counts; put 'resample 1' before"),
        (INSTANTS, "slice 1.5 2", "instants: has no request in these windows"),
    ],
)
def test_a_transform_that_cannot_be_done_names_place_and_rule(trace, line, message):
    with pytest.raises(UsageError) as refused:
        changed(trace, line)
    assert str(refused.value).startswith(message)


def test_a_trace_without_bandwidth_cannot_be_scaled():
    dead = BandwidthTrace("dead", np.array([0.0]), np.array([0.0]), 4.0)
    with pytest.raises(UsageError, match="dead: is all outage; cannot be scaled"):
        parse("scale-mean 5", "here")(dead)
