"""A line per replica: who gets which request, and what becomes of the waiting when a replica leaves."""

from itertools import islice

import numpy as np
import pytest

from harness.engine.configured import engine_of
from harness.engine.core import Batch, Core, Ticket
from harness.engine.routing import RoutedCore, chooser
from harness.latency import LatencyModel
from harness.types import EngineSettings

FOREVER_S = 1e9
CONFIG = {"engine": {"batch_size": 1}, "latency": LatencyModel(1.0, 0.0, 0.0, 0.0).to_dict()}


def one_second(*_):
    return 1.0


def half_a_second(*_):
    return 0.5


def seeded(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def routed():
    """Makes a core of replicas with a line each; a batch takes 1 s."""

    def make(routing, replicas=3, seed=0, **settings):
        choose = chooser(routing, seeded(seed))
        core = RoutedCore(EngineSettings(**settings), one_second, half_a_second, 5.0, choose)
        for index in range(replicas):
            core.set_replica(0.0, f"replica-{index}", 1.0, 1)
        return core

    return make


def arrive(core, now_s, *ids):
    """(id, replica) of what starts when these arrive, in order."""
    return started(act for id_ in ids for act in core.arrive(now_s, Ticket(id_, now_s, FOREVER_S)))


def started(acts):
    return [(ticket.id, act.place.name) for act in acts if isinstance(act, Batch) for ticket in act.tickets]


def finish(core, now_s, replica):
    """The batch this replica serves is done; (id, replica) of what starts then."""
    (batch_id,) = [batch.id for batch in core.batches.values() if batch.place.name == replica]
    return started(core.finish(now_s, batch_id))


def lines(waiting):
    """Lines of one replica each, in which so many wait."""
    made = []
    for count in waiting:
        line = Core(EngineSettings(), one_second, half_a_second, 5.0)
        for id_ in range(count):
            line.arrive(0.0, Ticket(id_, 0.0, FOREVER_S))
        made.append(line)
    return made


def test_round_robin_takes_the_replicas_in_turn():
    choose, some = chooser("round-robin", seeded()), lines([0, 9, 0])
    assert [choose(some) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_round_robin_stays_within_the_replicas_that_are_left():
    choose = chooser("round-robin", seeded())
    assert [choose(lines([0, 0, 0])) for _ in range(3)] == [0, 1, 2]
    assert [choose(lines([0, 0])) for _ in range(3)] == [1, 0, 1]


def test_random_makes_the_same_choices_for_the_same_seed():
    some = lines([0, 0, 0])
    one, other = chooser("random", seeded(5)), chooser("random", seeded(5))
    assert [one(some) for _ in range(50)] == [other(some) for _ in range(50)]


def test_random_makes_other_choices_for_another_seed():
    some = lines([0, 0, 0])
    one, other = chooser("random", seeded(5)), chooser("random", seeded(6))
    assert [one(some) for _ in range(50)] != [other(some) for _ in range(50)]


def test_random_chooses_every_replica_about_as_often():
    choose, some = chooser("random", seeded()), lines([0, 0, 0])
    counts = np.bincount([choose(some) for _ in range(3000)], minlength=3)
    assert counts.min() > 900


def test_least_loaded_takes_the_replica_with_the_fewest_requests():
    assert chooser("least-loaded", seeded())(lines([3, 1, 2])) == 1


def test_least_loaded_takes_the_first_of_equals():
    assert chooser("least-loaded", seeded())(lines([3, 1, 1])) == 1


def test_least_loaded_counts_the_requests_in_service(routed):
    core = routed("least-loaded", replicas=2, batch_size=4)
    assert arrive(core, 0.0, 0, 1) == [(0, "replica-0"), (1, "replica-1")]
    finish(core, 1.0, "replica-1")
    assert arrive(core, 1.0, 2) == [(2, "replica-1")]


def test_a_request_stays_with_its_replica_although_another_is_free(routed):
    core = routed("round-robin", replicas=2)
    arrive(core, 0.0, 0, 1, 2)
    assert finish(core, 1.0, "replica-1") == []
    assert finish(core, 1.0, "replica-0") == [(2, "replica-0")]


def test_the_whole_core_makes_the_same_choices_for_the_same_seed(routed):
    one, other = (routed("random", seed=3, batches_in_flight=100) for _ in range(2))
    assert arrive(one, 0.0, *range(40)) == arrive(other, 0.0, *range(40))


def test_who_waits_at_a_draining_replica_is_given_to_others(routed):
    core = routed("round-robin", replicas=2)
    arrive(core, 0.0, 0, 1, 2, 3)  # 2 waits at replica-0, 3 at replica-1
    finish(core, 0.5, "replica-1")
    finish(core, 1.0, "replica-1")
    assert started(core.leave(1.0, "replica-0")) == [(2, "replica-1")]


def test_those_handed_over_keep_their_order(routed):
    core = routed("round-robin", replicas=2)
    arrive(core, 0.0, *range(6))  # 2 and 4 wait at replica-0, 3 and 5 at replica-1
    core.leave(0.0, "replica-0")
    served = [id_ for t_s in (1.0, 2.0, 3.0, 4.0) for id_, _ in finish(core, t_s, "replica-1")]
    assert served.index(2) < served.index(4)
    assert sorted(served) == [2, 3, 4, 5]


def test_a_draining_replica_keeps_what_it_serves(routed):
    core = routed("round-robin", replicas=2)
    arrive(core, 0.0, 0, 1)
    core.leave(0.5, "replica-0")
    assert "replica-0" in core.places
    assert finish(core, 1.0, "replica-0") == []
    assert "replica-0" not in core.places


def test_a_draining_replica_is_given_nothing(routed):
    core = routed("round-robin", replicas=2, batches_in_flight=10)
    arrive(core, 0.0, 0)
    core.leave(0.0, "replica-0")
    assert {name for _, name in arrive(core, 0.0, 1, 2, 3)} == {"replica-1"}


def test_who_comes_when_no_replica_is_there_goes_to_the_first_that_joins(routed):
    core = routed("least-loaded", replicas=0)
    assert arrive(core, 0.0, 0) == []
    assert core.waiting_many() == 1
    assert started(core.set_replica(1.0, "replica-0", 1.0, 1)) == [(0, "replica-0")]


def test_the_waiting_are_seen_as_one_line(routed):
    core = routed("round-robin", replicas=2, order="fifo")
    arrive(core, 0.0, *range(6))
    assert [ticket.id for ticket in core.waiting()] == [2, 3, 4, 5]
    assert core.waiting_many() == 4


def test_a_shared_line_gives_the_next_request_to_whoever_is_free():
    core = engine_of(CONFIG).core
    for name in ("replica-0", "replica-1"):
        core.set_replica(0.0, name, 1.0, 1)
    arrive(core, 0.0, 0, 1, 2)
    assert finish(core, 1.0, "replica-1") == [(2, "replica-1")]


def test_a_shared_line_is_not_routed():
    assert not isinstance(engine_of(CONFIG).core, RoutedCore)


def test_one_replica_serves_alike_under_any_routing(routed):
    orders = []
    for core in (engine_of(CONFIG).core, *(routed(kind, replicas=0) for kind in ("round-robin", "random"))):
        core.set_replica(0.0, "replica-0", 1.0, 1)
        first = arrive(core, 0.0, *range(5))
        orders.append([first, *(finish(core, t_s, "replica-0") for t_s in islice(range(1, 9), 5))])
    assert orders[0] == orders[1] == orders[2]
