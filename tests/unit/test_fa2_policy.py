"""What `fa2` measures, and what it does with it."""

import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.policy.fa2 import Fa2Choice, Fa2Problem, solve_single_stage
from harness.types import Allocation, Counts, Observation, Queued
from systems.fa2.policy import build

LATENCY = LatencyModel(0.05, 0.0, 0.0, 0.05)  # on one core 100 ms alone, 150 ms for two, 250 ms for four
WHOLE, TENTHS = CoreGrid(1.0, 8.0, 1.0), CoreGrid(0.1, 0.8, 0.1)


@pytest.fixture
def policy():
    """Makes the policy on a grid of cores; no reserve of the SLO unless asked for."""

    def make(grid=WHOLE, latency=LATENCY, **settings):
        return build(Conditions(grid, 8, 1.0, 1.0, latency), {"headroom": 1.0, **settings}, "systems/fa2/system.toml")

    return make


def seen(rate_rps, budget_s=1.0, now_s=10.0, window_s=5.0, odd_budgets_s=()):
    """A window of evenly spaced requests; some of them with budgets of their own."""
    budgets_s = [budget_s] * round(rate_rps * min(window_s, now_s))
    budgets_s[: len(odd_budgets_s)] = odd_budgets_s
    recent = tuple(Queued(k, now_s - 0.001, now_s - 0.001 + b) for k, b in enumerate(budgets_s))
    return Observation(now_s, window_s, Allocation(1.0, 2, 5), recent, counts=Counts(arrived=max(1, len(recent))))


def problem(rate_rps, max_replicas=8):
    return Fa2Problem(LATENCY, 1.0, max_replicas, 8, rate_rps)


def test_one_replica_does_while_it_keeps_up():
    assert solve_single_stage(problem(10), 1.0) == Fa2Choice(1, 1)


def test_a_larger_batch_comes_before_another_replica():
    assert solve_single_stage(problem(13), 1.0) == Fa2Choice(1, 2)


def test_a_batch_must_fill_and_be_served_within_the_budget():
    assert solve_single_stage(problem(13), 0.15 + 1 / 13 - 0.001) == Fa2Choice(2, 1)


def test_no_count_that_keeps_up_is_no_choice():
    assert solve_single_stage(problem(1000), 1.0) is None


def test_without_arrivals_one_replica_without_batching_does():
    assert solve_single_stage(problem(0.0), 0.1) == Fa2Choice(1, 1)


def test_the_rate_is_measured_over_the_window(policy):
    assert policy().decide(seen(60)).target == Allocation(1.0, 3, 4)


def test_in_the_first_seconds_the_rate_is_measured_since_the_start(policy):
    assert policy().decide(seen(60, now_s=2.0)).target == policy().decide(seen(60)).target


def test_the_tightest_budget_decides_the_batch(policy):
    assert policy().decide(seen(13, odd_budgets_s=(0.12,))).target == Allocation(1.0, 1, 2)


def test_a_budget_no_replica_could_meet_does_not_count(policy):
    assert policy().decide(seen(13, odd_budgets_s=(0.09, -3.0))).target == Allocation(1.0, 2, 1)


def test_the_reserve_of_the_slo_is_taken_from_every_budget(policy):
    assert policy(headroom=0.9).decide(seen(13, odd_budgets_s=(0.19,))).target == Allocation(1.0, 2, 1)
    assert policy(headroom=0.9).decide(seen(13, odd_budgets_s=(0.21,))).target == Allocation(1.0, 1, 2)


def test_when_no_budget_can_be_met_it_holds(policy):
    assert policy().decide(seen(13, budget_s=0.05)).target == Allocation(1.0, 2, 5)


def test_when_no_count_keeps_up_it_takes_all(policy):
    assert policy().decide(seen(1000)).target == Allocation(1.0, 2, 8)


def test_after_a_quiet_window_one_replica_is_enough(policy):
    assert policy().decide(seen(0)).target == Allocation(1.0, 1, 1)


def test_before_the_first_request_it_wants_all_replicas(policy):
    assert policy().decide(Observation(0.0, 5.0, Allocation(8.0, 1))).target == Allocation(1.0, 1, 8)


def test_or_as_many_as_its_settings_say(policy):
    assert policy(start_replicas=1).decide(Observation(0.0, 5.0, Allocation(8.0, 1))).target == Allocation(1.0, 1, 1)


def test_on_a_grid_of_tenths_a_replica_has_a_tenth_of_a_core(policy):
    tenth = LatencyModel(0.005, 0.0, 0.0, 0.05)
    assert policy(TENTHS, tenth).decide(seen(13)).target == Allocation(0.1, 2, 1)


def test_a_replica_may_be_larger_when_the_settings_say_so(policy):
    assert policy(TENTHS, replica_cores=0.4).decide(seen(1000)).target == Allocation(0.4, 2, 2)


def test_a_replica_that_is_not_on_the_grid_is_refused(policy):
    with pytest.raises(UsageError, match=r"fa2/system.toml: replica_cores = 1.0; must be on .* 0.1 .. 0.8 in steps"):
        policy(TENTHS, replica_cores=1.0)


def test_more_starting_replicas_than_there_is_room_for_are_refused(policy):
    with pytest.raises(UsageError, match=r"start_replicas = 9; must be 1 \.\. 8"):
        policy(start_replicas=9)
