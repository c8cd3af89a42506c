"""The meter of replicas: CPU time from launch to removal, each second once, under names that come again."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends.cgroup import Counters
from harness.backends.meter import Meter
from harness.outcome import used_core_s


def counters(cpu_s: float) -> Counters:
    return Counters(cpu_s, 0.0, 1000)


def table(rows) -> pa.Table:
    fields = [{"t_s": row.t_s, "replica": row.replica, "used_cores": row.used_cores} for row in rows]
    return pa.Table.from_pylist(fields)


def test_loading_is_in_the_rows():
    meter = Meter()
    meter.begin("a", 10.0)
    rows = [*meter.take_edges(), meter.read("a", 2.0, counters(3.0), 12.0)]
    assert [(row.t_s, row.granted_cores, row.used_cores) for row in rows] == [(10.0, 0.0, 0.0), (12.0, 2.0, 1.5)]


def test_the_last_stretch_before_removal_is_in_the_rows():
    meter = Meter()
    meter.begin("a", 10.0)
    meter.read("a", 2.0, counters(3.0), 12.0)
    meter.end("a", counters(3.5), 13.0)
    last = meter.take_edges()[-1]
    assert (last.t_s, last.granted_cores, last.used_cores) == (13.0, 0.0, 0.5)


def test_edges_are_told_once():
    meter = Meter()
    meter.begin("a", 10.0)
    assert (len(meter.take_edges()), len(meter.take_edges())) == (1, 0)


def test_without_a_beginning_the_first_reading_is_one():
    assert Meter().read("a", 1.0, counters(7.0), 3.0).used_cores == 0.0


lives = st.lists(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=5), min_size=1, max_size=4)


@settings(deadline=None)
@given(lives)
def test_the_rows_of_a_name_sum_to_all_that_was_used_under_it(lives):
    """Each life: the CPU time between its readings, 1 s apart; the last one is its end."""
    meter, rows, now_s = Meter(), [], 0.0
    for life in lives:
        meter.begin("a", now_s)
        total_s = 0.0
        for used_s in life[:-1]:
            now_s, total_s = now_s + 1.0, total_s + used_s
            rows += [*meter.take_edges(), meter.read("a", 1.0, counters(total_s), now_s)]
        now_s += 1.0
        meter.end("a", counters(total_s + life[-1]), now_s)
        now_s += 1.0
    rows += meter.take_edges()
    assert used_core_s(table(rows)) == pytest.approx(sum(map(sum, lives)), abs=1e-9)
