"""Intervals from one series: they cover the truth as often as they say, and are refused where they would not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from harness.results import CoreSeries
from harness.stats import blocks
from harness.stats.blocks import block_length, block_sums, ratio_interval
from harness.stats.quantiles import quantile_of_series, quantile_value
from harness.stats.rates import per_second

TRIALS = 500


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """Coverage is that of the method; 299 resamples show it, and are quick."""
    monkeypatch.setattr(blocks, "RESAMPLES", 299)


def autoregressive(generator, count, memory):
    """An AR(1) series of mean 0 and variance 1."""
    noise = generator.normal(size=count + 100) * np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise)[100:]


def bursts(generator, count, share, dwell_s, rate_rps=20.0):
    """Requests and violations per second of a two-state Markov chain, and the true violation rate.

    In the bad state, `share` of all time and `dwell_s` long on average, 80 % violate; in the good one 0.2 %.
    """
    leave, enter = 1.0 / dwell_s, share / (1 - share) / dwell_s
    draws, bad, states = generator.random(count), generator.random() < share, []
    for draw in draws:
        bad = draw >= leave if bad else draw < enter
        states.append(bad)
    requests = generator.poisson(rate_rps, count)
    return generator.binomial(requests, np.where(states, 0.8, 0.002)), requests, 0.8 * share + 0.002 * (1 - share)


def coverage(make, monkeypatch, trials=TRIALS):
    """Share of intervals that hold the truth, of those given. make: generator -> top, bottom, truth.

    Every trial draws its own blocks: with those of one seed all trials would share one error of the resampling.
    """
    generator = np.random.default_rng(7)
    held = []
    for trial in range(trials):
        monkeypatch.setattr(blocks, "SEED", trial)
        top, bottom, truth = make(generator)
        found = ratio_interval(top, bottom)
        if not found.refused:
            held.append(found.low <= truth <= found.high)
    assert len(held) > 0.9 * trials
    return np.mean(held)


@pytest.mark.parametrize(("memory", "count"), [(0.0, 300), (0.5, 300), (0.8, 1200)])
def test_95_per_cent_intervals_cover_the_mean_of_an_autoregressive_series(memory, count, monkeypatch):
    share = coverage(lambda g: (5.0 + autoregressive(g, count, memory), np.ones(count), 5.0), monkeypatch)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("bad", "dwell_s", "count"), [(0.05, 5, 900), (0.02, 3, 1500)])
def test_95_per_cent_intervals_cover_the_violation_rate_of_bursts(bad, dwell_s, count, monkeypatch):
    share = coverage(lambda g: bursts(g, count, bad, dwell_s), monkeypatch)
    assert 0.93 <= share <= 0.97


def test_95_per_cent_intervals_cover_a_quantile_of_autocorrelated_latencies(monkeypatch):
    generator, held = np.random.default_rng(3), []
    bins, truth = np.repeat(np.arange(600), 10), np.exp(0.5 * stats.norm.ppf(0.95))
    for trial in range(400):
        monkeypatch.setattr(blocks, "SEED", trial)
        slow = autoregressive(generator, 600, 0.5)[bins] * np.sqrt(0.5)
        latency_s = np.exp(0.5 * (slow + generator.normal(size=6000) * np.sqrt(0.5)))
        found = quantile_of_series(latency_s, bins, 0.95)
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97


def on_time(generator, count, bad, dwell_s, rate=20):
    """On time per second: in the bad state a fifth of the requests."""
    states = bursts(generator, count, bad, dwell_s)[0] > 0.2 * rate
    return generator.binomial(rate, np.where(states, 0.2, 1.0)).astype(float)


def test_95_per_cent_intervals_cover_the_ratio_of_two_goodputs(monkeypatch):
    generator, held = np.random.default_rng(11), []
    truth = on_time(generator, 400_000, 0.2, 5).sum() / on_time(generator, 400_000, 0.6, 10).sum()
    for trial in range(300):
        monkeypatch.setattr(blocks, "SEED", trial)
        found = ratio_interval(on_time(generator, 600, 0.2, 5), on_time(generator, 600, 0.6, 10), positive=True)
        held.append(found.low <= truth <= found.high)
    assert 0.915 <= np.mean(held) <= 0.985


def test_the_interval_of_a_ratio_of_amounts_is_positive_however_noisy_the_bottom_is():
    generator = np.random.default_rng(3)
    top, bottom = on_time(generator, 300, 0.3, 5), on_time(generator, 300, 0.3, 5) * on_time(generator, 300, 0.9, 20)
    found = ratio_interval(top, bottom, positive=True)
    assert 0.0 < found.low < found.value < found.high


def test_rounding_in_quiet_resamples_is_no_standard_error():
    ours = np.full(200, 2.0)
    ours[[101, 160, 167, 168, 181]] = [4, 1, 1, 3, 3]
    found = ratio_interval(ours, np.full(200, 4.7), granted=True, positive=True)
    assert found.refused or 0.3 < found.low < found.value < found.high < 0.6


def test_a_ratio_is_refused_where_what_it_is_divided_by_may_be_nothing():
    generator = np.random.default_rng(1)
    bottom = np.where(generator.random(300) < 0.03, generator.lognormal(1.0, 1.5, 300), 0.0).round()
    found = ratio_interval(np.full(300, 20.0), bottom, positive=True)
    assert "what it is divided by may be 0" in found.refused


def test_a_ratio_of_nothing_is_refused():
    bottom = np.random.default_rng(1).poisson(20.0, 300)
    assert ratio_interval(np.zeros(300), bottom, positive=True).refused == "it is 0"


def test_what_rounding_left_of_granted_cores_is_no_variation():
    ours = CoreSeries(np.array([0.0, 600.0]), np.array([16.0]))
    theirs = CoreSeries(np.array([0.0, 5.01237, 600.0]), np.array([8.0, 16.0]))
    none = pd.DataFrame({"created_s": [0.5], "violated": [False]})
    gap = per_second(none, theirs).core_s - per_second(none, ours).core_s
    assert "varies in only 1 of" in ratio_interval(gap, np.ones(600), granted=True).refused


def test_the_value_is_the_ratio_of_the_sums():
    assert ratio_interval([1.0, 2.0, 0.0], [10.0, 10.0, 20.0]).value == pytest.approx(3 / 40)


def test_the_same_series_has_the_same_interval():
    series = autoregressive(np.random.default_rng(1), 300, 0.5)
    assert ratio_interval(series, np.ones(300)) == ratio_interval(series, np.ones(300))


def test_a_scaled_series_has_a_scaled_interval():
    series = 3.0 + autoregressive(np.random.default_rng(1), 300, 0.5)
    one, ten = (ratio_interval(series * factor, np.ones(300)) for factor in (1.0, 10.0))
    assert (ten.low, ten.high) == pytest.approx((10 * one.low, 10 * one.high))


def test_blocks_grow_with_the_memory_of_a_series():
    lengths = [block_length(autoregressive(np.random.default_rng(1), 1200, memory)) for memory in (0.0, 0.5, 0.9)]
    assert lengths == sorted(set(lengths))


def test_a_constant_series_needs_no_blocks():
    assert block_length(np.ones(50)) == 1


def test_block_sums_are_those_of_every_window():
    assert block_sums(np.array([1.0, 2.0, 3.0, 4.0]), 3).tolist() == [6.0, 9.0]


def test_a_short_series_is_refused():
    assert ratio_interval(np.arange(45.0), np.ones(45)).refused == "too short: 45 s, at least 200 are needed"


def test_a_series_too_short_for_its_memory_is_refused():
    drift = np.cumsum(np.random.default_rng(1).normal(size=240))
    assert "of them are needed" in ratio_interval(drift, np.ones(240)).refused


def test_violations_in_one_burst_alone_are_refused_an_interval():
    burst = np.zeros(600)
    burst[100:103] = 5.0
    assert ratio_interval(burst, np.full(600, 20.0)).refused.startswith("it varies in only 1 of")


def test_a_rate_without_violations_has_no_interval_from_one_run():
    found = ratio_interval(np.zeros(600), np.full(600, 20.0))
    assert (found.value, found.refused) == (0.0, "it varies in only 0 of 600 blocks of 1 s")


@pytest.mark.parametrize("seconds", [3, 600])
def test_a_rate_of_100_per_cent_is_refused_as_one_of_0_is(seconds):
    requests = np.random.default_rng(1).poisson(20.0, seconds)
    none, every = (ratio_interval(requests * share, requests) for share in (0.0, 1.0))
    assert none.refused
    assert every.refused == none.refused


def test_cores_that_were_granted_and_never_varied_are_known_exactly():
    found = ratio_interval(np.full(3, 2.0), np.full(3, 4.0), granted=True)
    assert (found.low, found.high) == (0.5, 0.5)


def test_what_happened_to_requests_is_not_known_exactly_because_it_never_varied():
    assert ratio_interval(np.full(300, 2.0), np.full(300, 4.0)).refused


def test_a_rate_of_no_requests_is_refused():
    assert ratio_interval(np.zeros(600), np.zeros(600)).refused == "nothing to divide by"


@pytest.mark.parametrize(("count", "level", "shown"), [(399, 0.95, False), (400, 0.95, True), (1999, 0.99, False)])
def test_a_quantile_is_shown_when_20_lie_beyond_it(count, level, shown):
    assert np.isfinite(quantile_value(np.arange(count), level)) == shown


def test_the_quantile_is_numpys():
    values = np.random.default_rng(1).normal(size=500)
    assert quantile_value(values, 0.95) == pytest.approx(np.quantile(values, 0.95))


def test_a_quantile_among_the_never_answered_is_infinite():
    assert quantile_value([*range(900), *[np.inf] * 100], 0.95) == np.inf


def test_a_quantile_with_too_little_beyond_it_says_how_much():
    found = quantile_of_series(np.arange(100.0), np.arange(100), 0.99)
    assert found.refused == "1 of 100 lie beyond it, at least 20 are needed"
