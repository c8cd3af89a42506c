"""The conformance vectors of FA2 as the Sponge authors have it: YOLOv5s, 20 requests/s, headroom 0.9, at most 16."""

import pytest

from harness.policy.conditions import Conditions, CoreGrid
from harness.policy.fa2 import Fa2Choice, Fa2Problem, solve_prototype
from harness.published import published_model
from harness.types import Allocation, Counts, Observation, Queued
from systems.fa2_prototype.policy import build

# highest remaining SLO, lowest, replicas
VECTORS = [(1000, 917, 4), (916, 781, 5), (780, 645, 7), (644, 509, 10)]
EXPECTED: dict[int, int | None] = {
    remaining_ms: replicas for high, low, replicas in VECTORS for remaining_ms in range(low, high + 1)
} | dict.fromkeys(range(-50, 509))
PROBLEM = Fa2Problem(published_model("yolov5s"), replica_cores=1.0, max_replicas=16, max_batch=8, rate_rps=20)


@pytest.fixture
def system():
    grid = CoreGrid(1.0, 16.0, 1.0)
    return build(Conditions(grid, 8, 1.0, 1.0, published_model("yolov5s"), 20.0), {"start_replicas": 1}, "here")


def seen(remaining_ms: int) -> Observation:
    last = Queued(7, 3.0, 3.0 + remaining_ms / 1e3)
    return Observation(4.0, 5.0, Allocation(1.0, 3, 6), recent=(last,), counts=Counts(arrived=1))


@pytest.mark.parametrize("remaining_ms", EXPECTED)
def test_the_rule_chooses_the_published_count_with_batch_1(remaining_ms):
    replicas = EXPECTED[remaining_ms]
    expected = None if replicas is None else Fa2Choice(replicas, 1)
    assert solve_prototype(PROBLEM, remaining_ms, 1000) == expected


@pytest.mark.parametrize("remaining_ms", sorted({ms for high, low, _ in VECTORS for ms in (high, low)}))
def test_the_system_wants_the_published_count_of_one_core_replicas(system, remaining_ms):
    assert system.decide(seen(remaining_ms)).target == Allocation(1.0, 1, EXPECTED[remaining_ms])


@pytest.mark.parametrize("remaining_ms", [508, 0, -300])
def test_the_system_holds_when_the_rule_chooses_nothing(system, remaining_ms):
    assert system.decide(seen(remaining_ms)).target == Allocation(1.0, 3, 6)
