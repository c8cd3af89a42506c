"""The engine over several replicas: who gets a batch, joining, resizing, draining, and what is observed."""

import pytest

from harness.types import Allocation, InFlight, Queued, ReplicaState, ServiceSample, StartBatch


def places(effects):
    return [e.replica for e in effects if isinstance(e, StartBatch)]


def test_batches_go_to_the_replica_with_the_fewest(engine, arrive):
    line = engine(replicas=2, batches_in_flight=2)
    assert places(arrive(line, 0.0, *((k, 99.0) for k in range(4)))) == ["replica-0", "replica-1"] * 2


def test_no_replica_gets_more_batches_than_it_may_hold(engine, arrive):
    line = engine(replicas=2, batches_in_flight=2)
    assert len(places(arrive(line, 0.0, *((k, 99.0) for k in range(9))))) == 4


def test_requests_wait_while_there_is_no_replica(engine, arrive):
    line = engine(replicas=0)
    assert (arrive(line, 0.0, (0, 99.0)), line.queue_length()) == ([], 1)


def test_a_replica_that_joins_takes_what_waits(engine, arrive):
    line = engine(replicas=0)
    arrive(line, 0.0, (0, 99.0))
    assert places(line.set_replica(1.0, "late", 2.0)) == ["late"]


def test_a_resized_replica_keeps_its_batches(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0))
    line.set_replica(0.5, "replica-0", 4.0)
    assert line.replicas() == (ReplicaState("replica-0", 4.0, 4, batches_in_flight=1),)


def test_a_batch_is_charged_to_the_cores_it_started_with(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0))
    line.set_replica(0.5, "replica-0", 4.0)
    line.finish(1.0, 0)
    assert line.observe(1.0).service == (ServiceSample(1, 1.0, 1.0),)


@pytest.mark.parametrize(("cores", "threads"), [(0.1, 1), (1.0, 1), (1.1, 2), (2.0, 2)])
def test_threads_follow_the_cores_where_none_are_given(engine, cores, threads):
    line = engine(replicas=0)
    line.set_replica(0.0, "r", cores)
    assert line.replicas()[0].threads == threads


def test_threads_that_are_given_are_kept(engine):
    line = engine(replicas=0)
    line.set_replica(0.0, "r", 4.0, 3)
    assert line.replicas()[0].threads == 3


def test_an_idle_replica_that_drains_is_gone_at_once(engine):
    line = engine()
    assert (line.drain_replica("replica-0"), line.replicas()) == (True, ())


def test_a_busy_replica_drains_until_its_batches_are_answered(engine, arrive):
    line = engine(replicas=2)
    arrive(line, 0.0, (0, 99.0))
    assert line.drain_replica("replica-0") is False
    assert [r.phase for r in line.replicas()] == ["draining", "ready"]
    line.finish(1.0, 0)
    assert [r.name for r in line.replicas()] == ["replica-1"]


def test_a_replica_that_drains_stays_until_the_last_of_its_batches_is_answered(engine, arrive):
    line = engine(batches_in_flight=2)
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    line.drain_replica("replica-0")
    line.finish(1.0, 0)
    assert [(r.phase, r.batches_in_flight) for r in line.replicas()] == [("draining", 1)]
    line.finish(1.5, 1)
    assert line.replicas() == ()


def test_a_draining_replica_gets_no_more_work(engine, arrive):
    line = engine(batches_in_flight=2)
    arrive(line, 0.0, (0, 99.0))
    line.drain_replica("replica-0")
    assert (arrive(line, 0.5, (1, 99.0)), line.finish(1.0, 0), line.queue_length()) == ([], [], 1)


def test_what_waits_when_the_last_replica_drains_is_served_by_the_next(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    line.drain_replica("replica-0")
    line.finish(1.0, 0)
    assert places(line.set_replica(2.0, "replica-1", 1.0)) == ["replica-1"]


def test_observing_shows_queue_flight_replicas_and_arrivals(engine, arrive):
    line = engine(batch_size=4)
    arrive(line, 1.0, (0, 9.0), (1, 8.0), (2, 7.0))
    seen = line.observe(1.5)
    assert [r.id for r in seen.queue] == [2, 1]
    assert [r.id for r in seen.recent] == [0, 1, 2]
    assert seen.in_flight == (InFlight(0, "replica-0", 1, 1.0, 9.0),)
    assert seen.arrivals_per_s == (0, 0, 0, 0, 3)
    assert seen.allocation == Allocation(1.0, 4, 1)


def test_observing_changes_nothing(engine, arrive):
    line = engine(batch_size=4)
    arrive(line, 1.0, (0, 9.0), (1, 8.0))
    assert line.observe(1.5) == line.observe(1.5)


def test_a_flight_shows_the_earliest_deadline_in_its_batch(engine, arrive):
    line = engine(batch_size=2, order="fifo")
    arrive(line, 0.0, (0, 9.0), (1, 8.0), (2, 7.0))
    line.finish(1.0, 0)
    assert line.observe(1.0).in_flight[0].deadline_s == 7.0


def test_a_draining_replica_is_no_part_of_the_allocation(engine, arrive):
    line = engine(replicas=2)
    line.set_replica(0.0, "replica-0", 8.0)
    arrive(line, 0.0, (0, 9.0))
    line.drain_replica("replica-0")
    assert line.observe(0.5).allocation == Allocation(1.0, 1, 1)


def test_a_request_keeps_its_identity_through_the_engine(engine):
    request = Queued(7, 1.0, 9.0)
    start = engine().arrive(1.0, request)[0]
    assert start.requests == (request,)
