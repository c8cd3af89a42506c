"""Kubernetes' horizontal autoscaler, step by step: the metric, the windows, the rate limits."""

import pytest

from harness.policy.hpa import Behavior, Pod, Stamped, desired_replicas, rate_limited, stabilized


def pods(*percents):
    """Pods of one core at these utilisations."""
    return [Pod(1000, percent * 10) for percent in percents]


UNREADY, MISSING = Pod(1000, None, unready=True), Pod(1000, None)


# What the metric asks for


@pytest.mark.parametrize(
    ("percents", "desired"),
    [((100, 100), 4), ((90, 60, 75), 5), ((20,) * 4, 2), ((0, 0), 0), ((76,), 2), ((100,) * 3, 6)],
)
def test_the_count_is_the_ratio_of_usage_to_target_rounded_up(percents, desired):
    assert desired_replicas(len(percents), pods(*percents), 50) == desired


@pytest.mark.parametrize("percent", [45, 50, 55])
def test_within_a_tenth_of_the_target_nothing_changes(percent):
    assert desired_replicas(10, pods(*[percent] * 10), 50) == 10


@pytest.mark.parametrize(("percent", "desired"), [(44, 9), (56, 12)])
def test_beyond_a_tenth_of_the_target_the_count_follows(percent, desired):
    assert desired_replicas(10, pods(*[percent] * 10), 50) == desired


def test_within_the_tolerance_the_current_count_stays_and_not_that_of_the_ready_ones():
    assert desired_replicas(7, pods(50, 50), 50) == 7


def test_utilisation_is_cut_to_whole_percent():
    assert desired_replicas(10, [Pod(1000, 559)] * 10, 50) == 10


def test_utilisation_is_of_all_that_is_requested_together():
    assert desired_replicas(2, [Pod(1000, 1000), Pod(3000, 600)], 20) == 4


def test_no_metrics_of_ready_pods_ask_for_nothing():
    assert desired_replicas(2, [UNREADY, MISSING], 50) is None


def test_unready_pods_count_as_idle_when_scaling_up():
    assert desired_replicas(3, [*pods(200, 200), UNREADY], 50) == 8


def test_unready_pods_that_turn_the_direction_change_nothing():
    assert desired_replicas(4, [*pods(80), UNREADY, UNREADY, UNREADY], 50) == 4


def test_unready_pods_that_bring_the_ratio_within_the_tolerance_change_nothing():
    assert desired_replicas(2, [*pods(100), UNREADY], 50) == 2


def test_unready_pods_are_left_out_when_scaling_down():
    assert desired_replicas(4, [*pods(10, 10, 10), UNREADY], 50) == 1


def test_pods_without_metrics_count_as_idle_when_scaling_up():
    assert desired_replicas(3, [*pods(200, 200), MISSING], 50) == 8


def test_pods_without_metrics_count_as_fully_used_when_scaling_down():
    assert desired_replicas(5, [*pods(10, 10, 10, 10), MISSING], 50) == 3


def test_pods_without_metrics_that_turn_the_direction_change_nothing():
    assert desired_replicas(2, [*pods(40), MISSING], 50) == 2


def test_pods_without_metrics_count_the_target_when_that_is_above_all_that_is_requested():
    assert desired_replicas(4, [*pods(30, 30, 30), MISSING], 150) == 2


def test_a_count_that_would_turn_the_direction_changes_nothing():
    assert desired_replicas(2, [*pods(300), UNREADY], 50) == 6
    assert desired_replicas(8, [*pods(300), UNREADY], 50) == 8


# Stabilisation


def test_down_goes_only_to_the_highest_recommendation_of_the_last_300_s():
    before = [Stamped(0, 9), Stamped(100, 6), Stamped(200, 4)]
    assert stabilized(9, 2, before, 310, Behavior()) == 6


def test_a_recommendation_as_old_as_the_window_is_outside_it():
    before = [Stamped(10, 9), Stamped(100, 6)]
    assert stabilized(9, 2, before, 310, Behavior()) == 6


def test_up_is_not_stabilised_by_default():
    assert stabilized(2, 9, [Stamped(100, 2)], 110, Behavior()) == 9


def test_an_up_window_lets_only_its_lowest_recommendation_through():
    before = [Stamped(60, 5), Stamped(80, 7)]
    assert stabilized(2, 9, before, 100, Behavior(stabilize_up_s=60)) == 5


def test_between_the_two_windows_the_count_stays():
    assert stabilized(4, 3, [Stamped(90, 6)], 100, Behavior(stabilize_up_s=60)) == 4


# Rate limits


@pytest.mark.parametrize(("current", "most"), [(1, 5), (4, 8), (5, 10), (9, 18)])
def test_up_goes_by_100_percent_or_4_replicas_whichever_is_more(current, most):
    assert rate_limited(current, 100, [], 100, Behavior()) == most


def test_percent_up_is_rounded_up():
    behavior = Behavior(up_percent=10, up_replicas=0)
    assert rate_limited(11, 100, [], 100, behavior) == 13


def test_percent_up_is_not_rounded_up_by_rounding_errors():
    behavior = Behavior(up_percent=10, up_replicas=0)
    assert [rate_limited(n, 100, [], 100, behavior) for n in (10, 20, 30, 70)] == [11, 22, 33, 77]


def test_percent_down_is_cut():
    assert rate_limited(9, 0, [], 100, Behavior(down_percent=30)) == 6


def test_down_may_go_all_the_way_by_default():
    assert rate_limited(9, 1, [], 100, Behavior()) == 1


def test_the_limit_up_counts_from_the_start_of_the_period():
    changes = [Stamped(80, 3), Stamped(90, 4)]
    assert rate_limited(9, 100, changes, 100, Behavior()) == 10


def test_a_change_as_old_as_the_period_no_longer_counts():
    assert rate_limited(9, 100, [Stamped(85, 4)], 100, Behavior()) == 18


def test_what_was_removed_in_the_period_counts_as_still_there():
    assert rate_limited(4, 100, [Stamped(95, -6)], 100, Behavior()) == 20


def test_the_limit_down_counts_from_the_start_of_the_period():
    behavior = Behavior(down_percent=50)
    assert rate_limited(6, 1, [Stamped(95, -4)], 100, behavior) == 5


def test_a_used_up_limit_never_moves_the_count_the_other_way():
    behavior = Behavior(down_percent=10)
    assert rate_limited(6, 1, [Stamped(95, -4)], 100, behavior) == 6
    assert rate_limited(20, 30, [Stamped(95, 16)], 100, Behavior()) == 20


def test_what_is_within_the_limits_passes():
    assert rate_limited(4, 6, [], 100, Behavior()) == 6
