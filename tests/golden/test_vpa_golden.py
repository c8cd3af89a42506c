"""Kubernetes' vertical autoscaler: golden values and bucket geometry (baselines section 5 of the specification)."""

import math

import pytest

from harness.policy.vpa import (
    BUCKETS,
    Histogram,
    History,
    UpdateRule,
    bucket_of,
    bucket_start_cores,
    needs_update,
    recommend,
)

DAY_S = 86_400.0
RULE = UpdateRule(settled_s=12 * 3600.0, least_change=0.1)


def history(*usages_cores, every_s=60.0, weight=1.0):
    made = History(Histogram(DAY_S))
    for k, cores in enumerate(usages_cores):
        made = made.with_sample(cores, weight, k * every_s)
    return made


def test_there_are_176_buckets():
    assert BUCKETS == 176


def test_the_first_bucket_is_a_hundredth_of_a_core_wide_and_each_next_one_a_twentieth_wider():
    widths = [bucket_start_cores(k + 1) - bucket_start_cores(k) for k in range(4)]
    assert widths == pytest.approx([0.01, 0.0105, 0.011025, 0.01157625])


def test_the_last_bucket_begins_at_or_beyond_1000_cores():
    assert bucket_start_cores(BUCKETS - 2) < 1000 <= bucket_start_cores(BUCKETS - 1)


@pytest.mark.parametrize("bucket", range(BUCKETS - 1))
def test_what_lies_between_two_starts_falls_into_the_bucket_between(bucket):
    middle = (bucket_start_cores(bucket) + bucket_start_cores(bucket + 1)) / 2
    assert bucket_of(middle) == bucket


@pytest.mark.parametrize(("cores", "bucket"), [(0.0, 0), (0.0099, 0), (0.01, 1), (1e6, BUCKETS - 1)])
def test_the_ends_of_the_range_have_their_buckets(cores, bucket):
    assert bucket_of(cores) == bucket


@pytest.mark.parametrize(
    ("used", "percentile", "target"), [(0.5, 0.5111, 0.5878), (1.0, 1.0163, 1.1687), (2.0, 2.0935, 2.4075)]
)
def test_usage_gives_the_golden_percentile_and_target(used, percentile, target):
    seen = history(*[used] * 10)
    assert seen.histogram.percentile_cores(0.9) == pytest.approx(percentile, abs=5e-5)
    assert recommend(seen, confidence=1.0).target_cores == pytest.approx(target, abs=1e-4)


def test_a_percentile_is_the_end_of_the_first_bucket_that_reaches_it():
    seen = history(*[0.5] * 89, *[2.0] * 11).histogram
    assert seen.percentile_cores(0.85) == pytest.approx(0.5111, abs=5e-5)
    assert seen.percentile_cores(0.9) == pytest.approx(2.0935, abs=5e-5)


def test_an_empty_histogram_has_percentiles_of_0():
    assert Histogram(DAY_S).percentile_cores(0.9) == 0


def test_the_last_bucket_has_no_end_so_its_start_stands():
    assert Histogram(DAY_S).with_sample(1e9, 1.0, 0.0).percentile_cores(0.5) == bucket_start_cores(BUCKETS - 1)


def test_a_sample_of_a_half_life_ago_weighs_half():
    seen = Histogram(DAY_S).with_sample(1.0, 1.0, 0.0).with_sample(2.0, 1.0, DAY_S)
    assert [w for w in seen.weights if w] == pytest.approx([1.0, 2.0])


def test_weights_stay_finite_over_ten_thousand_half_lives_and_keep_their_ratios():
    seen = Histogram(1.0)
    for t_s in range(10_000):
        seen = seen.with_sample(1.0 + t_s % 2, 1.0, float(t_s))
    even, odd = (w for w in seen.weights if w)
    assert math.isfinite(odd)
    assert odd / even == pytest.approx(2.0)


def test_with_one_day_of_history_the_range_is_p50_to_twice_p95_with_their_margins():
    found = recommend(history(*[1.0] * 10), confidence=1.0)
    base = 1.01634 * 1.15
    assert found.lower_cores == pytest.approx(base * 1.001**-2, rel=1e-4)
    assert found.upper_cores == pytest.approx(base * 2, rel=1e-4)


def test_with_no_confidence_every_request_is_within_the_range_above_the_floor():
    found = recommend(history(1.0), confidence=0.0)
    assert (found.lower_cores, found.upper_cores) == (0.025, math.inf)


def test_nothing_below_25_millicores_is_recommended():
    assert recommend(history(0.0), confidence=1.0).target_cores == 0.025


@pytest.mark.parametrize(("samples", "every_s", "expected"), [(61, 60.0, 60 / 1440), (721, 120.0, 721 / 1440)])
def test_confidence_is_the_lesser_of_span_and_count_in_days(samples, every_s, expected):
    seen = history(*[1.0] * samples, every_s=every_s)
    assert seen.confidence(DAY_S, sample_s=60.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("request_cores", "age_h", "acts"),
    [(0.4, 0, True), (9.0, 0, True), (2.0, 0, False), (2.0, 11.9, False), (2.0, 12, True), (1.2, 24, False)],
)
def test_the_updater_acts_outside_the_range_or_on_an_old_service_that_is_off_enough(request_cores, age_h, acts):
    found = recommend(history(*[1.0] * 10), confidence=0.5)
    assert needs_update(request_cores, found, age_h * 3600, RULE) == acts


def test_saturated_from_half_of_one_core_the_first_update_comes_after_58_minutes():
    """One sample a minute; the first at all of the core is that of minute 60."""
    seen = history(*[0.5] * 60)
    for minute in range(60, 60 + 90):
        seen = seen.with_sample(1.0, 1.0, minute * 60.0)
        found = recommend(seen, seen.confidence(DAY_S, 60.0))
        if needs_update(1.0, found, minute * 60.0, RULE):
            break
    assert minute - 60 == 58


@pytest.mark.parametrize("cores", [0.5, 1.0, 2.0, 7.0, 16.0])
def test_under_saturation_each_step_grows_1_15_to_1_21_times(cores):
    grown = recommend(history(*[cores] * 10), confidence=1.0).target_cores / cores
    assert 1.15 <= grown <= 1.21
