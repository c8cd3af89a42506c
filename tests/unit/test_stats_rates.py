"""Rates of one run: seconds add up to the run, groups to all requests."""

import numpy as np
import pandas as pd
import pytest

from harness.results import CoreSeries
from harness.stats.rates import (
    attainment_by_budget,
    attainment_by_client,
    core_s_per_1000_on_time,
    goodput_rps,
    mean_cores,
    per_second,
    violation_rate,
)

CORES = CoreSeries(np.array([0.0, 150.5, 300.0]), np.array([2.0, 4.0]))


def requests(count=3000, seed=1):
    """Ten requests per second, a fifth of them violated, some created before the plan begins."""
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(count),
            "client": np.arange(count) % 3,
            "created_s": np.arange(count) / 10.0 - 0.55,
            "budget_s": generator.uniform(0.0, 1.0, count),
            "violated": generator.random(count) < 0.2,
        }
    )


def test_every_request_is_in_some_second():
    assert per_second(requests(), CORES).requests.sum() == 3000


def test_every_violation_is_in_some_second():
    assert per_second(requests(), CORES).violations.sum() == requests()["violated"].sum()


def test_core_seconds_of_the_seconds_are_those_of_the_run():
    assert per_second(requests(), CORES).core_s.sum() == pytest.approx(CORES.core_s)


def test_the_violation_rate_is_that_of_the_run():
    assert violation_rate(per_second(requests(), CORES)).value == pytest.approx(requests()["violated"].mean())


def test_goodput_is_on_time_per_second():
    assert goodput_rps(per_second(requests(), CORES)).value == pytest.approx((~requests()["violated"]).sum() / 300)


def test_mean_cores_are_core_seconds_per_second():
    assert mean_cores(per_second(requests(), CORES)).value == pytest.approx(CORES.core_s / 300)


def test_cost_is_core_seconds_per_thousand_on_time():
    on_time = (~requests()["violated"]).sum()
    found = core_s_per_1000_on_time(per_second(requests(), CORES)).value
    assert found == pytest.approx(CORES.core_s / on_time * 1000)


def test_every_client_has_its_attainment():
    assert [(a.name, a.planned) for a in attainment_by_client(requests())] == [(f"client {k}", 1000) for k in range(3)]


def test_budget_classes_are_of_equal_count_and_least_first():
    classes = attainment_by_budget(requests())
    assert [c.planned for c in classes] == [750] * 4
    assert [float(c.name.split()[1]) for c in classes] == sorted(float(c.name.split()[1]) for c in classes)


def test_the_least_budget_class_holds_those_with_the_least_budget():
    frame = requests().assign(violated=lambda f: f["budget_s"] < f["budget_s"].quantile(0.25))
    assert [c.share for c in attainment_by_budget(frame)] == pytest.approx([0.0, 1.0, 1.0, 1.0], abs=0.002)


def test_classes_of_too_few_requests_may_be_empty():
    shares = [c.share for c in attainment_by_budget(requests(2))]
    assert np.isnan(shares[2:]).all()
