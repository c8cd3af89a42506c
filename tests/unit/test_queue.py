"""The waiting line serves in order of deadline or arrival, and keeps everyone's place."""

import pytest

from harness.engine.queue import WaitingLine
from harness.types import Queued


def line_of(order, *deadlines_s):
    """A line of requests 0, 1, ... that arrived one second apart."""
    line = WaitingLine(order)
    for k, deadline_s in enumerate(deadlines_s):
        line.push(Queued(k, float(k), deadline_s), deadline_s)
    return line


def drained(line):
    return [line.pop().id for _ in range(len(line))]


def test_edf_serves_the_earliest_deadline_first():
    assert drained(line_of("edf", 9.0, 7.0, 8.0)) == [1, 2, 0]


def test_edf_serves_equal_deadlines_in_order_of_arrival():
    assert drained(line_of("edf", 5.0, 5.0, 4.0, 5.0)) == [2, 0, 1, 3]


def test_fifo_ignores_deadlines():
    assert drained(line_of("fifo", 9.0, 7.0, 8.0)) == [0, 1, 2]


def test_requests_of_the_same_instant_keep_the_order_in_which_they_were_pushed():
    line = WaitingLine("fifo")
    for k in (3, 1, 2):
        line.push(Queued(k, 0.0, 1.0), 1.0)
    assert drained(line) == [3, 1, 2]


@pytest.mark.parametrize(("order", "ids"), [("edf", [1, 2, 0]), ("fifo", [0, 1, 2])])
def test_iterating_shows_the_order_of_service_and_takes_nothing_out(order, ids):
    line = line_of(order, 9.0, 7.0, 8.0)
    assert ([r.id for r in line], len(line)) == (ids, 3)


def test_the_head_is_what_is_popped_next():
    line = line_of("edf", 9.0, 7.0)
    assert line.head() == line.pop()


def test_the_oldest_arrival_is_found_behind_earlier_deadlines():
    assert line_of("edf", 9.0, 7.0, 8.0).oldest_arrival_s() == 0.0


def test_reordering_to_edf_and_back_loses_nobody_s_place():
    line = line_of("fifo", 9.0, 7.0, 8.0)
    line.reorder("edf")
    line.reorder("fifo")
    assert drained(line) == [0, 1, 2]


def test_reordering_serves_those_who_wait_in_the_new_order():
    line = line_of("fifo", 9.0, 7.0, 8.0)
    line.reorder("edf")
    assert drained(line) == [1, 2, 0]


def test_who_comes_after_a_reordering_stands_behind_equals_who_came_before():
    line = line_of("fifo", 5.0, 5.0)
    line.reorder("edf")
    line.push(Queued(2, 2.0, 5.0), 5.0)
    assert drained(line) == [0, 1, 2]
