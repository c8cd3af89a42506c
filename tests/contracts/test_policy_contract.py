"""No system may fail, whatever it is shown: the extremes a control loop meets when everything goes wrong at once."""

import copy
from dataclasses import replace
from functools import cache

import pytest

from harness.latency import LatencyModel
from harness.policy.bounded import Bounded
from harness.policy.conditions import Conditions, CoreGrid
from harness.published import published_model
from harness.run.bench import build_system
from harness.types import (
    Allocation,
    Counts,
    Decision,
    InFlight,
    Observation,
    Queued,
    ReplicaState,
    ServiceSample,
    Usage,
)
from systems import SYSTEMS

CONDITIONS = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, published_model("yolov5s"), 20.0)
NOW_S = 500.0
START = Allocation(4.0, 2)


def waiting(count, budget_s, first_id=0):
    return tuple(Queued(first_id + k, NOW_S - 0.5, NOW_S + budget_s) for k in range(count))


def ordinary(allocation=START):
    """A tick of a run in which nothing is wrong."""
    recent = tuple(Queued(k, NOW_S - 5 + k / 20 + 0.01, NOW_S - 5 + k / 20 + 0.9) for k in range(100))
    names = [f"replica-{k}" for k in range(max(allocation.replicas, 1))]
    return Observation(
        now_s=NOW_S,
        window_s=5.0,
        allocation=allocation,
        recent=recent,
        arrivals_per_s=(20,) * 5,
        queue=waiting(3, 0.5, 1000),
        in_flight=(InFlight(7, names[0], 2, NOW_S - 0.05, NOW_S + 0.4),),
        replicas=tuple(ReplicaState(name, allocation.cores, 1, "ready", 1) for name in names),
        service=(ServiceSample(2, 4.0, 0.12),) * 5,
        usage=tuple(Usage(NOW_S, name, 4.0, 3.0, 2**30, 1.5) for name in names),
        counts=Counts(arrived=10_000, served=9_990),
    )


PLAIN = ordinary()
EXTREMES = {
    "nothing at all": Observation(0.0, 5.0, START),
    "nothing, and no replica": Observation(NOW_S, 5.0, Allocation(0.0, 1, 0)),
    "a backlog of thousands": replace(PLAIN, queue=waiting(2000, 0.5)),
    "a backlog of thousands past their deadline": replace(PLAIN, queue=waiting(2000, -60.0)),
    "a thousand arrivals in one instant": replace(PLAIN, recent=waiting(1000, 0.5)),
    "deadlines that never come": replace(PLAIN, queue=waiting(20, 1e9), recent=waiting(20, 1e9)),
    "deadlines long gone": replace(PLAIN, queue=waiting(20, -1e9), recent=waiting(20, -1e9)),
    "arrivals that stopped": replace(PLAIN, recent=(), arrivals_per_s=(0,) * 5, queue=()),
    "no replica while batches are in flight": replace(PLAIN, replicas=(), allocation=Allocation(0.0, 2, 0)),
    "only draining replicas": replace(PLAIN, replicas=(ReplicaState("replica-0", 4.0, 4, "draining", 1),)),
    "only starting replicas": replace(PLAIN, replicas=(ReplicaState("replica-0", 4.0, 4, "starting"),)),
    "a batch that hangs": replace(PLAIN, in_flight=(InFlight(7, "replica-0", 8, 0.0, 1.0),)),
    "hundreds of batches in flight": replace(
        PLAIN, in_flight=tuple(InFlight(k, "replica-0", 1, NOW_S - 0.01, NOW_S + 1) for k in range(500))
    ),
    "service a thousand times slower than the profile": replace(PLAIN, service=(ServiceSample(2, 4.0, 120.0),) * 9),
    "service in no time": replace(PLAIN, service=(ServiceSample(2, 4.0, 0.0),) * 9),
    "service on no cores": replace(PLAIN, service=(ServiceSample(2, 0.0, 0.1),) * 9),
    "no usage": replace(PLAIN, usage=()),
    "usage beyond what was granted": replace(PLAIN, usage=(Usage(NOW_S, "replica-0", 4.0, 400.0, 2**40, 1e6),)),
    "usage of an unknown replica": replace(PLAIN, usage=(Usage(NOW_S, "stranger", 1.0, 1.0, 0, 0.0),)),
    "an allocation off the grid": ordinary(Allocation(3.3, 5)),
    "an allocation beyond every bound": ordinary(Allocation(64.0, 99, 40)),
    "an allocation still pending": replace(PLAIN, pending=(Allocation(9.0, 1),)),
    "everything failed": replace(PLAIN, counts=Counts(arrived=10_000, failed=9_000, dropped=997)),
}


UNTOUCHED = copy.deepcopy(EXTREMES)


@cache
def built(name, _twin=0):
    """A system's policy. Policies are pure, so one may serve all tests; a twin was built apart from it."""
    return build_system(name, CONDITIONS)[0]


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("name", SYSTEMS)
def test_it_decides_something_allowed_and_leaves_what_it_is_shown_alone(name, extreme):
    decision = built(name).decide(EXTREMES[extreme])
    assert decision.target.cores in CONDITIONS.cores.values()
    assert 1 <= decision.target.batch_size <= CONDITIONS.max_batch
    assert decision.target.replicas >= 1
    assert decision.reason
    assert EXTREMES[extreme] == UNTOUCHED[extreme]


@pytest.mark.parametrize("extreme", [extreme for extreme in EXTREMES if "thousand" not in extreme])
@pytest.mark.parametrize("name", SYSTEMS)
def test_it_goes_on_after_it_as_if_it_were_a_tick_like_others(name, extreme):
    memory = built(name).decide(EXTREMES[extreme]).memory
    after = replace(PLAIN, now_s=NOW_S + 1, memory=memory)
    assert built(name).decide(after) == built(name, 1).decide(copy.deepcopy(after))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_profile_without_spread_or_with_negative_terms_is_no_obstacle(name):
    for latency in (LatencyModel(0.05, 0.0, 0.0, 0.0), LatencyModel.from_ms(140.4352, 25.2388, -50.8415, 22.1359)):
        policy, _ = build_system(name, replace(CONDITIONS, latency=latency))
        assert policy.decide(PLAIN).target.cores >= 1


class Wants:
    """A policy that always wants the same."""

    def __init__(self, target):
        self.target = target

    def decide(self, _observation):
        return Decision(self.target, "because", memory=42)


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        (Allocation(3.2, 2), Allocation(4.0, 2)),
        (Allocation(0.0, 2), Allocation(1.0, 2)),
        (Allocation(99.0, 2), Allocation(16.0, 2)),
        (Allocation(2.0, 0), Allocation(2.0, 1)),
        (Allocation(2.0, 99), Allocation(2.0, 8)),
        (Allocation(2.0, 2, 0), Allocation(2.0, 2, 1)),
    ],
)
def test_what_is_not_allowed_becomes_the_nearest_that_is_and_the_reason_says_so(wanted, allowed):
    decision = Bounded(Wants(wanted), CONDITIONS).decide(PLAIN)
    assert (decision.target, decision.memory) == (allowed, 42)
    assert decision.reason.startswith("because (bounded from ")


def test_what_is_allowed_passes_unchanged():
    decision = Bounded(Wants(START), CONDITIONS).decide(PLAIN)
    assert (decision.target, decision.reason) == (START, "because")


@pytest.mark.parametrize("cores", [0.1 * k for k in range(1, 17)])
def test_rounding_does_not_move_a_count_that_is_on_the_grid(cores):
    tenths = replace(CONDITIONS, cores=CoreGrid(0.1, 1.6, 0.1))
    decision = Bounded(Wants(Allocation(cores, 1)), tenths).decide(PLAIN)
    assert decision.target.cores == pytest.approx(cores)
    assert decision.target.cores in tenths.cores.values()
