"""The one calibrated number of `paper-eval`: fitted on the published series of static 8, checked on static 16."""

import runpy
from pathlib import Path

import pytest

from harness.published import published_model
from harness.scenario import load_scenario
from systems import SYSTEMS

FIT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "fit_service_ratio.py"))
RATIO, LIMIT_S = 0.87, 2.0


@pytest.fixture(scope="module")
def series():
    return FIT["published_series"]()


def test_the_scenario_uses_the_fitted_ratio():
    assert load_scenario("paper-eval", SYSTEMS).profile.service_ratios == (RATIO,)


def test_the_ratio_is_the_best_one_to_a_hundredth(series):
    assert FIT["best_ratio"](LIMIT_S, series) == pytest.approx(RATIO, abs=0.005)


def test_with_a_limit_of_2_s_the_published_collapse_is_met_within_two_points(series):
    assert FIT["misfit"](RATIO, LIMIT_S, series) < 2.0


def test_with_the_prototype_s_own_limit_of_1_s_no_ratio_comes_near(series):
    assert FIT["misfit"](FIT["best_ratio"](1.0, series), 1.0, series) > 5.0


def test_the_same_ratio_keeps_static_16_below_a_second_throughout(series):
    service_s = RATIO * published_model("yolov5s").predict_s(1, 16)
    assert max(FIT["times_at_server_s"](service_s, len(series), seed)[1].max() for seed in (1, 2, 3)) < 1.0


def test_without_it_static_16_would_collapse_which_it_did_not(series):
    service_s = published_model("yolov5s").predict_s(1, 16)
    assert FIT["violated_percent"](service_s, len(series), 1.0).mean() > 90
