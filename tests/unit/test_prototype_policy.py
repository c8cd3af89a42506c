"""What `sponge-prototype` reads and keeps."""

import pytest

from harness.errors import UsageError
from harness.policy.conditions import Conditions, CoreGrid
from harness.published import published_model
from harness.types import Allocation, Counts, Observation, Queued
from systems.sponge_prototype.policy import build

HELD = Allocation(16.0, 1)


@pytest.fixture
def policy():
    """Makes the policy for a rate the scenario states."""

    def make(rate_rps=20.0):
        grid = CoreGrid(1.0, 16.0, 1.0)
        return build(Conditions(grid, 8, 1.0, 1.0, published_model("yolov5s"), rate_rps), {}, "here")

    return make


def seen(*remaining_ms: float, memory=None) -> Observation:
    recent = tuple(Queued(k, k / 10, k / 10 + ms / 1e3) for k, ms in enumerate(remaining_ms))
    return Observation(1.0, 5.0, HELD, recent=recent, counts=Counts(arrived=len(recent)), memory=memory)


def test_the_last_request_seen_decides_however_little_the_others_have(policy):
    assert policy().decide(seen(860, 870, 1000)).target == Allocation(9.0, 4)


def test_without_a_newer_request_the_old_reading_stays(policy):
    first = policy().decide(seen(1000))
    assert policy().decide(seen(memory=first.memory)).target == Allocation(9.0, 4)


def test_before_the_first_request_the_reading_is_0_and_the_allocation_is_held(policy):
    decision = policy().decide(seen())
    assert (decision.target, decision.memory) == (HELD, 0)


def test_an_infeasible_reading_holds_the_allocation(policy):
    assert policy().decide(seen(855)).target == HELD


def test_a_reading_is_cut_to_whole_milliseconds_and_not_by_rounding_errors(policy):
    assert policy().decide(seen(914.0000000001)).memory == policy().decide(seen(914)).memory == 914


def test_the_rate_is_the_one_the_scenario_states_not_the_one_that_arrives(policy):
    assert policy(rate_rps=5.0).decide(seen(*[1000] * 40)).target.cores < 9


def test_where_the_scenario_states_no_rate_the_settings_do(policy):
    assert policy(rate_rps=0.0).decide(seen(1000)).target == Allocation(9.0, 4)


@pytest.mark.parametrize(("name", "value"), [("headroom", 0.0), ("headroom", 1.1), ("rate_rps", 0.0)])
def test_a_setting_out_of_range_is_refused_by_name(name, value):
    conditions = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, published_model("yolov5s"))
    with pytest.raises(UsageError, match=f"here: {name} = {value}; must be"):
        build(conditions, {name: value}, "here")
