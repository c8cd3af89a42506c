"""Verdicts on synthetic runs of known truth: what is there is found, what is not is not."""

import dataclasses
import math

import numpy as np
import pytest

from harness.compare import with_margins
from harness.compare.metrics import METRICS, Margin
from harness.compare.verdict import Pairing, compare_pairs, needed
from harness.errors import UsageError
from harness.stats.paired import smallest_effect

BY_NAME = {metric.name: metric for metric in METRICS}
COST = BY_NAME["granted_core_s"]
GOODPUT = BY_NAME["goodput_rps"]
STRICT = dataclasses.replace(COST, margin=Margin(1e-9, relative=False))  # nothing is equivalent


def pairing(ours, theirs, metric=STRICT):
    return Pairing(metric, "ours", "theirs", np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float))


def one(ours, theirs, metric=STRICT):
    return compare_pairs([pairing(ours, theirs, metric)])[0]


def simulated(generator, runs, gap):
    """Two systems on the same plans: plans differ by 1, the difference varies by 1 around `gap`."""
    plans = 100.0 + generator.normal(size=runs)
    return plans + gap + generator.normal(size=runs), plans


def test_a_lower_cost_is_better():
    assert one(np.arange(8.0) + 1, np.arange(8.0) + 5).verdict == "better"


def test_a_higher_cost_is_worse():
    assert one(np.arange(8.0) + 5, np.arange(8.0) + 1).verdict == "worse"


def test_a_higher_goodput_is_better():
    assert one(np.arange(8.0) + 5, np.arange(8.0) + 1, GOODPUT).verdict == "better"


def test_identical_systems_are_identical():
    assert one(np.arange(8.0), np.arange(8.0)).verdict == "identical"


def test_five_runs_are_not_enough_for_the_test_and_six_are():
    verdicts = [one(np.arange(n) + 1.0, np.arange(n) + 5.0).verdict for n in (5, 6)]
    assert verdicts == ["not enough runs", "better"]


def test_where_the_test_cannot_reject_there_is_no_p():
    assert math.isnan(one(np.arange(5.0), np.arange(5.0) + 1).p_holm)


def test_more_comparisons_need_more_runs_than_one():
    found = compare_pairs([pairing(np.arange(6) + 1.0, np.arange(6) + 5.0)] * 2)[0]
    assert (found.verdict, needed(found)) == ("not enough runs", 7)


def test_the_p_of_several_comparisons_is_corrected():
    generator = np.random.default_rng(1)
    found = compare_pairs([pairing(*simulated(generator, 10, gap)) for gap in (3.0, 3.0)])
    assert [c.p_holm for c in found] == pytest.approx([2 * c.p for c in found])


def test_primary_and_other_metrics_are_corrected_apart():
    found = compare_pairs([pairing(*simulated(np.random.default_rng(1), 10, 0.0), m) for m in (COST, GOODPUT)])
    assert [c.family for c in found] == [1, 1]


def test_close_systems_are_equivalent_within_the_margin():
    ours, theirs = simulated(np.random.default_rng(1), 12, 0.0)
    assert one(ours, theirs, COST).verdict == "equivalent"


def test_a_difference_beyond_the_margin_is_not_equivalent():
    ours, theirs = simulated(np.random.default_rng(1), 12, 8.0)
    assert one(ours, theirs, COST).equivalence_p > 0.5


def test_a_difference_smaller_than_the_margin_is_found_and_said_to_be_small():
    ours, theirs = simulated(np.random.default_rng(1), 12, 2.0)
    found = one(ours, theirs, COST)
    assert (found.verdict, found.equivalence_p < 0.05) == ("worse", True)


def test_a_run_without_a_value_leaves_the_metric_without_a_verdict():
    found = one([1.0, math.nan, 2.0], [1.0, 1.0, 1.0], BY_NAME["latency_p99_s"])
    assert (found.verdict, found.note) == ("no value", "fewer than 20 requests lie beyond it in 1 of 3 runs")


@pytest.mark.parametrize(
    ("metric", "value", "reason"),
    [
        ("latency_p99_s", math.inf, "ours: too many requests were never answered in 1 of 2 runs"),
        ("core_s_per_1000_on_time", math.inf, "ours: no request was on time in 1 of 2 runs"),
        ("attainment_worst_client", math.nan, "there is no client in 1 of 2 runs"),
        ("violation_rate", math.nan, "no request was planned in 1 of 2 runs"),
    ],
)
def test_the_reason_for_no_value_is_that_of_the_metric(metric, value, reason):
    assert one([1.0, value], [1.0, 1.0], BY_NAME[metric]).note == reason


def test_what_is_corrected_for_is_what_was_asked_whatever_came_out():
    found = compare_pairs([pairing([1.0] * 8, [math.inf] * 8), pairing(*simulated(np.random.default_rng(1), 8, 3.0))])
    assert found[1].family == 2
    assert found[1].p_holm == pytest.approx(2 * found[1].p)


def test_identical_systems_are_told_apart_in_at_most_5_per_cent_of_trials():
    generator = np.random.default_rng(1)
    verdicts = [one(*simulated(generator, 7, 0.0)).verdict for _ in range(300)]
    assert 0.93 <= verdicts.count("no difference") / 300 <= 0.98


def test_four_comparisons_of_identical_systems_find_something_in_at_most_5_per_cent_of_trials():
    generator, clean = np.random.default_rng(2), 0
    for _ in range(40):
        found = compare_pairs([pairing(*simulated(generator, 8, 0.0)) for _ in range(4)])
        clean += all(c.verdict == "no difference" for c in found)
    assert clean / 40 >= 0.93


def test_a_known_effect_is_found_and_covered_by_its_interval():
    generator = np.random.default_rng(3)
    found = [one(*simulated(generator, 8, 2.0)) for _ in range(60)]
    assert sum(c.verdict == "worse" for c in found) >= 58
    assert 0.92 <= np.mean([c.difference.low <= 2.0 <= c.difference.high for c in found]) <= 0.98


def test_the_effect_said_to_be_detectable_is_detected_in_about_80_per_cent_of_trials():
    generator = np.random.default_rng(4)
    gap = smallest_effect(10, 0.05)  # the differences vary by 1
    verdicts = [one(*simulated(generator, 10, gap)).verdict for _ in range(150)]
    assert 0.74 <= verdicts.count("worse") / 150 <= 0.86


def test_a_margin_is_given_in_the_unit_people_read():
    chosen = {m.name: m for m in with_margins(METRICS, ["violation_rate=0.5", "granted_core_s=3%"])}
    assert chosen["violation_rate"].margin == Margin(0.005, relative=False)
    assert chosen["granted_core_s"].margin == Margin(0.03, relative=True)


@pytest.mark.parametrize("text", ["violation_rate", "violation_rate=-1", "violation_rate=x", "violation_rate=inf"])
def test_a_margin_that_is_no_positive_number_is_refused(text):
    with pytest.raises(UsageError, match="must be METRIC=VALUE"):
        with_margins(METRICS, [text])


def test_a_margin_of_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'goodput_rps'"):
        with_margins(METRICS, ["goodput=1"])
