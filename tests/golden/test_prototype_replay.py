"""The published evaluation's decisions, from the published rule on the real trace (spec of Sponge, section 5)."""

from collections import Counter

import numpy as np
import pytest

from harness.plan import sponge_remaining_s
from harness.policy.conditions import Conditions, CoreGrid
from harness.published import published_model
from harness.traces import load_trace
from harness.traces.catalogue import find
from harness.traces.places import local_file, mirror_dir
from harness.types import Allocation, Counts, Observation, Queued
from systems.sponge_prototype.policy import build

TRACE = "ghent-4g/bus_0001"
SECONDS = 600
START = Allocation(16.0, 1)


@pytest.fixture(scope="module")
def remaining_s():
    """The remaining SLO of each second's requests, s."""
    if local_file(find(TRACE)[0], mirror_dir()) is None:
        pytest.skip(f"{TRACE}: the real trace is not on this machine")
    rows = np.arange(SECONDS)
    return sponge_remaining_s(load_trace(TRACE), rows, np.full(SECONDS, 303_600), 1.0)


@pytest.fixture(scope="module")
def decisions(remaining_s):
    """What `sponge-prototype` decides second by second, and whether the rule chose it."""
    conditions = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, published_model("yolov5s"), 20.0)
    policy = build(conditions, {}, "here")
    allocation, memory, made = START, None, []
    for second, left_s in enumerate(remaining_s.tolist()):
        last = Queued(second, second + 0.2, second + 0.2 + left_s)
        counts = Counts(arrived=20 * (second + 1))
        decision = policy.decide(Observation(second + 1.0, 5.0, allocation, (last,), counts=counts, memory=memory))
        made.append((decision.target, "hold" not in decision.reason))
        allocation, memory = decision.target, decision.memory
    return made


def test_the_mean_of_the_cores_is_12_745(decisions):
    assert np.mean([target.cores for target, _ in decisions]) == pytest.approx(12.745, abs=1e-9)


def test_the_seconds_at_each_core_count_are_the_published_ones(decisions):
    seconds = Counter(target.cores for target, _ in decisions)
    assert [seconds[cores] for cores in range(10, 17)] == [9, 149, 151, 108, 74, 78, 31]


def test_the_rule_chooses_batch_5_in_452_seconds_and_4_in_58(decisions):
    assert Counter(target.batch_size for target, chosen in decisions if chosen) == {5: 452, 4: 58}


def test_90_of_600_seconds_are_infeasible(decisions):
    assert sum(not chosen for _, chosen in decisions) == 90


def test_the_seconds_with_at_most_855_ms_left_are_the_infeasible_ones(decisions, remaining_s):
    assert [chosen for _, chosen in decisions] == [left_s > 0.855 for left_s in remaining_s]
