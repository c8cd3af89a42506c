"""The engine's queue order, closing rules and batch bounds."""

import pytest

from harness.types import EngineSettings, StartBatch, Wait


def batches(effects):
    return [[r.id for r in e.requests] for e in effects if isinstance(e, StartBatch)]


def waits(effects):
    return [e.until_s for e in effects if isinstance(e, Wait)]


def test_an_idle_replica_starts_the_first_request_at_once(engine, arrive):
    assert batches(arrive(engine(batch_size=4), 0.0, (1, 9.0))) == [[1]]


def test_requests_of_one_instant_are_not_waited_for_when_the_replica_is_idle(engine, arrive):
    assert batches(arrive(engine(batch_size=4), 0.0, (1, 9.0), (2, 9.0))) == [[1]]


def test_a_batch_takes_the_earliest_deadlines_under_edf(engine, arrive):
    line = engine(batch_size=2)
    arrive(line, 0.0, (0, 9.0), (1, 8.0), (2, 6.0), (3, 7.0))
    assert batches(line.finish(1.0, 0)) == [[2, 3]]


def test_a_batch_takes_the_first_arrivals_under_fifo(engine, arrive):
    line = engine(batch_size=2, order="fifo")
    arrive(line, 0.0, (0, 9.0), (1, 8.0), (2, 6.0), (3, 7.0))
    assert batches(line.finish(1.0, 0)) == [[1, 2]]


def test_equal_deadlines_leave_in_order_of_arrival(engine, arrive):
    line = engine(batch_size=3)
    arrive(line, 0.0, (0, 9.0), (5, 8.0), (4, 8.0), (3, 8.0))
    assert batches(line.finish(1.0, 0)) == [[5, 4, 3]]


def test_a_finish_is_dispatched_before_an_arrival_of_the_same_instant(engine, arrive):
    line = engine(batch_size=2)
    arrive(line, 0.0, (0, 9.0), (1, 9.0))
    assert batches(line.finish(1.0, 0)) == [[1]]
    assert batches(arrive(line, 1.0, (2, 2.0))) == []


def test_a_batch_never_exceeds_the_bound(engine, arrive):
    line = engine(batch_size=3)
    arrive(line, 0.0, *((k, 9.0) for k in range(8)))
    assert batches(line.finish(1.0, 0)) == [[1, 2, 3]]


def test_a_batch_carries_when_where_and_on_how_many_cores_it_started(engine, arrive):
    start = arrive(engine(), 2.5, (7, 9.0))[0]
    assert (start.batch_id, start.replica, start.started_s, start.cores) == (0, "replica-0", 2.5, 1.0)


# timeout


def test_timeout_waits_for_more_until_the_first_has_waited_long_enough(engine, arrive):
    assert waits(arrive(engine(batch_size=3, close="timeout", timeout_s=0.5), 1.0, (0, 9.0))) == [1.5]


def test_timeout_counts_from_the_oldest_arrival_not_from_the_head(engine, arrive):
    line = engine(batch_size=3, close="timeout", timeout_s=0.5)
    arrive(line, 1.0, (0, 9.0))
    assert waits(arrive(line, 1.2, (1, 2.0))) == [1.5]


def test_timeout_lets_a_batch_leave_that_is_not_full(engine, arrive):
    line = engine(batch_size=3, close="timeout", timeout_s=0.5)
    arrive(line, 1.0, (0, 9.0), (1, 9.0))
    assert batches(line.wake(1.5)) == [[0, 1]]


def test_timeout_lets_a_full_batch_leave_at_once(engine, arrive):
    assert batches(arrive(engine(batch_size=2, close="timeout"), 1.0, (0, 9.0), (1, 9.0))) == [[0, 1]]


def test_timeout_zero_is_as_good_as_idle(engine, arrive):
    assert batches(arrive(engine(batch_size=3, close="timeout", timeout_s=0.0), 1.0, (0, 9.0))) == [[0]]


# slack


def test_slack_waits_until_a_full_batch_would_just_make_the_head_s_deadline(engine, arrive):
    assert waits(arrive(engine(batch_size=3, close="slack"), 1.0, (0, 9.0))) == [6.0]


def test_slack_waits_less_when_an_earlier_deadline_arrives(engine, arrive):
    line = engine(batch_size=3, close="slack")
    arrive(line, 1.0, (0, 9.0))
    assert waits(arrive(line, 1.5, (1, 7.0))) == [4.0]


def test_slack_lets_a_batch_leave_at_the_promised_time(engine, arrive):
    line = engine(batch_size=3, close="slack")
    arrive(line, 1.0, (0, 9.0))
    assert batches(line.wake(6.0)) == [[0]]


def test_slack_lets_a_request_leave_at_once_that_has_no_slack_left(engine, arrive):
    assert batches(arrive(engine(batch_size=3, close="slack"), 1.0, (0, 2.0))) == [[0]]


def test_slack_lets_a_full_batch_leave_at_once(engine, arrive):
    assert batches(arrive(engine(batch_size=2, close="slack"), 1.0, (0, 99.0), (1, 99.0))) == [[0, 1]]


def test_waking_too_early_asks_for_the_same_time_again(engine, arrive):
    line = engine(batch_size=3, close="slack")
    arrive(line, 1.0, (0, 9.0))
    assert waits(line.wake(2.0)) == [6.0]


@pytest.mark.parametrize("close", ["idle", "timeout", "slack"])
def test_waking_an_empty_line_asks_for_nothing(engine, close):
    assert engine(close=close).wake(1.0) == []


@pytest.mark.parametrize("close", ["timeout", "slack"])
def test_nothing_is_waited_for_while_no_replica_is_free(engine, arrive, close):
    line = engine(batch_size=2, close=close)
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    assert arrive(line, 0.1, (2, 99.0)) == []


# settings that change while requests wait


def test_a_smaller_batch_bound_lets_a_waiting_batch_leave_at_once(engine, arrive):
    line = engine(batch_size=4, close="slack")
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    assert batches(line.configure(1.0, EngineSettings(batch_size=2, close="slack"))) == [[0, 1]]


def test_a_larger_batch_bound_applies_to_those_who_wait(engine, arrive):
    line = engine(batch_size=1)
    arrive(line, 0.0, *((k, 99.0) for k in range(5)))
    line.configure(0.5, EngineSettings(batch_size=4))
    assert batches(line.finish(1.0, 0)) == [[1, 2, 3, 4]]


def test_a_new_order_applies_to_those_who_wait(engine, arrive):
    line = engine(order="fifo")
    arrive(line, 0.0, (0, 99.0), (1, 50.0), (2, 40.0))
    line.configure(0.5, EngineSettings(order="edf"))
    assert batches(line.finish(1.0, 0)) == [[2]]


def test_changing_to_idle_lets_everybody_leave_who_was_made_to_wait(engine, arrive):
    line = engine(batch_size=8, close="timeout", timeout_s=60.0)
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    assert batches(line.configure(1.0, EngineSettings(batch_size=8))) == [[0, 1]]


def test_more_batches_in_flight_start_what_waits(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0), (1, 99.0), (2, 99.0))
    assert batches(line.configure(0.5, EngineSettings(batches_in_flight=2))) == [[1]]


def test_fewer_batches_in_flight_hold_back_until_enough_have_finished(engine, arrive):
    line = engine(batches_in_flight=2)
    arrive(line, 0.0, (0, 99.0), (1, 99.0), (2, 99.0))
    line.configure(0.5, EngineSettings(batches_in_flight=1))
    assert batches(line.finish(1.0, 0)) == []
    assert batches(line.finish(1.1, 1)) == [[2]]
