"""How a replay's lag is judged."""

from dataclasses import replace

import numpy as np
import pytest

from harness.load.lag import Lag, Replay, gaps_of, invalid_reasons, lag_of, p99_bound_s, p999_bound_s

GOOD = Replay(
    planned=5000,
    accounted=5000,
    lag=Lag(count=5000, early=0, p50_s=0.0001, p99_s=0.0008, p999_s=0.002, max_s=0.004),
    client_core=0.3,
    pool=100,
    peak_in_flight=20,
    clock_step_s=0.0001,
    elapsed_s=60.0,
    sent=5000,
    stopped=False,
)
BOUND_S = 0.001


def test_a_replay_that_kept_its_schedule_has_no_reason_against_it() -> None:
    assert invalid_reasons(GOOD, BOUND_S) == ()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"accounted": 4999}, "5000 planned but 4999 accounted for"),
        ({"sent": 4998}, "5000 planned but 4998 sent"),
        ({"stopped": True}, "the replay was stopped before its end"),
        ({"lag": replace(GOOD.lag, early=1)}, "1 requests were sent early; must be 0"),
        ({"lag": replace(GOOD.lag, p99_s=0.0011)}, "send lag p99 1.10 ms; must be <= 1.00 ms"),
        ({"lag": replace(GOOD.lag, p999_s=0.006)}, "send lag p99.9 6.00 ms; must be <= 5.00 ms"),
        ({"client_core": 0.7}, "the load driver used 70% of a core; must be < 70%"),
        ({"peak_in_flight": 100}, "100 requests in flight on 100 connections; must be fewer"),
        ({"clock_step_s": -0.2}, "the clock stepped by -200.00 ms during the replay; must be within 50.00 ms"),
    ],
)
def test_each_broken_rule_is_named_with_its_number_and_bound(change: dict, text: str) -> None:
    assert invalid_reasons(replace(GOOD, **change), BOUND_S) == (text,)


def test_p999_of_a_few_requests_is_not_held_against_a_replay() -> None:
    few = replace(GOOD, planned=120, accounted=120, sent=120, lag=replace(GOOD.lag, count=120, p999_s=0.008))
    assert invalid_reasons(few, BOUND_S) == ()


def test_a_replay_that_sent_nothing_is_not_blamed_for_its_lag() -> None:
    nothing = replace(GOOD, lag=lag_of(np.array([]), np.array([])))
    assert invalid_reasons(nothing, BOUND_S) == ()


def test_p99_bound_is_one_percent_of_the_budget_but_never_under_a_millisecond() -> None:
    assert (p99_bound_s(0.9), p99_bound_s(0.02)) == (pytest.approx(0.009), pytest.approx(0.001))


def test_p999_bound_never_lies_under_the_bound_on_p99() -> None:
    assert p999_bound_s(0.009) == pytest.approx(0.045)


def test_lag_counts_requests_that_left_before_they_were_due() -> None:
    assert lag_of(np.array([1.0, 2.0, 3.0]), np.array([0.9999, 2.0, 3.1])).early == 1


def test_constant_gaps_do_not_vary() -> None:
    assert gaps_of(np.arange(100) / 8).cv == 0.0


def test_poisson_gaps_vary_as_much_as_their_mean() -> None:
    times_s = np.cumsum(np.random.default_rng(1).exponential(0.01, 20_000))
    assert gaps_of(times_s).cv == pytest.approx(1.0, abs=0.03)


def test_gaps_that_alternate_are_anticorrelated() -> None:
    assert gaps_of(np.cumsum([1.0, 2.0] * 50)).autocorrelation == pytest.approx(-1.0, abs=0.05)


def test_two_requests_have_no_gap_statistics() -> None:
    assert np.isnan(gaps_of(np.array([1.0, 2.0])).cv)
