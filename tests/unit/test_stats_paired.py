"""Paired comparisons: golden numbers of scipy and statsmodels, power that is kept, and what cannot be asked."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from harness.stats import paired
from harness.stats.paired import POWER

OURS = np.array([4.1, 5.0, 3.2, 6.6, 4.9, 5.5, 4.4, 7.0])
THEIRS = np.array([3.9, 4.1, 3.3, 5.0, 4.0, 4.8, 4.5, 5.1])


def test_the_interval_of_a_difference_is_that_of_the_paired_t_test():
    low, high = stats.ttest_rel(OURS, THEIRS).confidence_interval(0.95)
    found = paired.difference(OURS, THEIRS)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_ratio_is_the_geometric_mean_of_the_ratios():
    assert paired.ratio(OURS, THEIRS).value == pytest.approx(stats.gmean(OURS / THEIRS))


def test_the_interval_of_a_ratio_is_that_of_the_mean_log_ratio():
    low, high = stats.ttest_rel(np.log(OURS), np.log(THEIRS)).confidence_interval(0.95)
    found = paired.ratio(OURS, THEIRS)
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))


def test_a_ratio_with_a_zero_is_refused():
    assert paired.ratio([1.0, 2.0], [0.0, 1.0]).refused == "a value is 0"


def test_one_pair_has_a_difference_and_no_interval():
    found = paired.difference([3.0], [1.0])
    assert (found.value, found.refused) == (2.0, "one run")


def test_differences_that_do_not_vary_have_an_interval_of_no_width():
    found = paired.difference([3.0, 4.0], [1.0, 2.0])
    assert (found.low, found.high) == (2.0, 2.0)


def test_cohens_d_is_the_mean_difference_in_its_standard_deviations():
    assert paired.cohens_d([1.0, 2.0, 6.0], [0.0, 0.0, 3.0]) == pytest.approx(2.0)


def test_cohens_d_of_differences_that_do_not_vary_is_not_a_number():
    assert math.isnan(paired.cohens_d([3.0, 4.0], [1.0, 2.0]))


@pytest.mark.parametrize(("ours", "delta"), [([5, 6], 1.0), ([-1, -2], -1.0), ([1, 2], 0.0), ([1, 9], 0.25)])
def test_cliffs_delta_counts_who_is_above_whom(ours, delta):
    assert paired.cliffs_delta(ours, [1, 2]) == pytest.approx(delta)


def test_the_sign_flip_p_is_the_share_of_sign_patterns_as_extreme():
    d = OURS - THEIRS
    signs = 1 - 2 * ((np.arange(2**8)[:, None] >> np.arange(8)) & 1)
    share = np.mean((signs * d).mean(axis=1) >= d.mean() - 1e-12)
    assert paired.sign_flip_p(OURS, THEIRS) == pytest.approx(2 * share)


def test_pairs_that_are_all_equal_have_p_1():
    assert paired.sign_flip_p([1.0, 2.0], [1.0, 2.0]) == 1.0


@pytest.mark.parametrize("pairs", [2, 5, 6, 9, 13])
def test_the_smallest_p_is_reached_when_all_differences_have_one_sign(pairs):
    d = np.arange(1.0, pairs + 1)
    assert paired.sign_flip_p(d, np.zeros(pairs)) == pytest.approx(paired.smallest_p(pairs))


@pytest.mark.parametrize(("comparisons", "runs"), [(1, 6), (2, 7), (4, 8), (12, 9)])
def test_more_comparisons_need_more_runs(comparisons, runs):
    assert paired.runs_needed(comparisons) == runs


def test_so_many_comparisons_that_no_number_of_runs_would_do_are_said_to_be():
    assert (paired.runs_needed(250), paired.runs_needed(251)) == (14, 0)


def test_holm_is_the_step_down_correction():
    assert paired.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_of_nothing_is_nothing():
    assert len(paired.holm([])) == 0


def test_equivalence_is_the_larger_of_two_one_sided_t_tests():
    d = OURS - THEIRS
    larger = max(
        stats.ttest_1samp(d, -2.0, alternative="greater").pvalue, stats.ttest_1samp(d, 2.0, alternative="less").pvalue
    )
    assert paired.equivalence_p(OURS, THEIRS, 2.0, relative=False) == pytest.approx(larger)


def test_relative_equivalence_is_asked_of_the_log_ratios():
    logs = np.log(OURS / THEIRS)
    larger = max(
        stats.ttest_1samp(logs, -math.log(1.5), alternative="greater").pvalue,
        stats.ttest_1samp(logs, math.log(1.5), alternative="less").pvalue,
    )
    assert paired.equivalence_p(OURS, THEIRS, 0.5, relative=True) == pytest.approx(larger)


@pytest.mark.parametrize(("gap", "p"), [(0.5, 0.0), (1.5, 1.0)])
def test_differences_that_do_not_vary_are_equivalent_or_not(gap, p):
    assert paired.equivalence_p([1.0 + gap, 2.0 + gap], [1.0, 2.0], 1.0, relative=False) == p


@pytest.mark.parametrize("pairs", [14, 20, 200])
def test_the_smallest_effect_of_many_runs_is_that_of_a_t_test(pairs):
    effect = paired.smallest_effect(pairs, 0.05)
    assert TTestPower().power(effect, pairs, 0.05) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("pairs", "comparisons"), [(6, 1), (7, 2), (8, 4), (9, 12), (12, 3)])
def test_the_smallest_effect_is_found_by_the_test_itself_in_80_per_cent_of_trials(pairs, comparisons):
    alpha, rng = 0.05 / comparisons, np.random.default_rng(pairs)
    effect = paired.smallest_effect(pairs, alpha)
    found = paired.sign_flip_power(effect + rng.standard_normal((pairs, 3000)), alpha)
    assert found == pytest.approx(0.8, abs=0.03)  # 3.5 standard errors of both simulations


def test_just_enough_runs_see_what_makes_all_of_them_agree():
    all_of_one_sign = stats.norm.ppf(POWER ** (1 / 6))
    assert paired.smallest_effect(6, 0.05) == pytest.approx(all_of_one_sign, rel=0.03)


@pytest.mark.parametrize("comparisons", [1, 3, 5, 12, 20, 60, 250])
def test_wherever_the_test_can_reject_there_is_a_smallest_effect(comparisons):
    needed = paired.runs_needed(comparisons)
    found = [paired.smallest_effect(pairs, 0.05 / comparisons) for pairs in (needed, *range(14, 40))]
    assert np.isfinite(found).all()
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(("pairs", "alpha"), [(1, 0.05), (5, 0.05), (8, 0.005), (20, 1e-4)])
def test_where_no_outcome_could_be_significant_no_effect_is_detectable(pairs, alpha):
    assert math.isnan(paired.smallest_effect(pairs, alpha))


def test_the_power_of_the_sign_flip_test_is_its_share_of_rejections():
    rng = np.random.default_rng(3)
    d = rng.standard_normal((8, 100)) + 0.8
    rejected = np.mean([paired.sign_flip_p(column, np.zeros(8)) <= 0.05 for column in d.T])
    assert paired.sign_flip_power(d, 0.05) == pytest.approx(rejected)


def test_lists_of_different_length_are_no_pairs():
    with pytest.raises(ValueError, match="must be two lists of the same length"):
        paired.difference([1.0, 2.0], [1.0])


def test_an_effect_over_the_spread_of_rounding_alone_is_no_number():
    assert math.isnan(paired.cohens_d([95.03, 95.03 + 1e-14], [0.0, 0.0]))
