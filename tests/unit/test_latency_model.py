"""The latency model predicts, refuses nonsense, and survives the trip to the gateway."""

import json
import subprocess
import sys

import numpy as np
import pytest

from harness.errors import UsageError
from harness.latency import GridCell, LatencyModel

MODEL = LatencyModel(
    0.1, 0.02, 0.03, 0.004, "m", quantile_levels=(0.5, 0.9), quantile_ratios=(1.0, 1.5), grid=(GridCell(1, 0.5, 0.3),)
)


def test_prediction_is_the_sum_of_its_four_terms():
    assert MODEL.predict_s(4, 2) == pytest.approx(0.1 * 4 / 2 + 0.02 * 4 + 0.03 / 2 + 0.004)


def test_prediction_broadcasts_over_arrays():
    batches, cores = np.array([1.0, 2.0, 4.0])[:, None], np.array([0.5, 1.0])
    expected = [[MODEL.predict_s(b, c) for c in (0.5, 1.0)] for b in (1, 2, 4)]
    np.testing.assert_allclose(MODEL.predict_s(batches, cores), expected)


@pytest.mark.parametrize(("quantile", "ratio"), [(0.5, 1.0), (0.7, 1.25), (0.9, 1.5), (0.99, 1.5), (0.1, 1.0)])
def test_quantile_prediction_scales_the_mean_by_the_measured_ratio(quantile, ratio):
    assert MODEL.predict_quantile_s(2, 1, quantile) == pytest.approx(MODEL.predict_s(2, 1) * ratio)


def test_without_measured_spread_every_quantile_is_the_prediction():
    model = LatencyModel(0.1, 0.0, 0.0, 0.0)
    assert model.predict_quantile_s(1, 1, 0.99) == model.predict_s(1, 1)


def test_a_quantile_outside_zero_to_one_is_refused():
    with pytest.raises(UsageError, match=r"quantile = 99; must be within 0\.\.1"):
        MODEL.predict_quantile_s(1, 1, 99)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "3", None, True])
def test_a_term_that_is_not_a_finite_number_is_refused(value):
    with pytest.raises(UsageError, match=r"delta_s = .*must be a finite number"):
        LatencyModel(0.1, value, 0.0, 0.0)


def test_a_fitted_model_with_a_negative_term_is_refused():
    with pytest.raises(UsageError, match=r"epsilon_s = -0\.05; must be >= 0"):
        LatencyModel(0.1, 0.0, -0.05, 0.0)


@pytest.mark.parametrize(
    ("levels", "ratios"),
    [
        ((0.5, 0.9), (1.0,)),
        ((0.9, 0.5), (1.0, 1.1)),
        ((0.5, 1.5), (1.0, 1.1)),
        ((0.5, 0.9), (1.1, 1.0)),
        ((0.5,), (0,)),
    ],
)
def test_quantiles_that_do_not_increase_are_refused(levels, ratios):
    with pytest.raises(UsageError, match="quantile_"):
        LatencyModel(0.1, 0, 0, 0, quantile_levels=levels, quantile_ratios=ratios)


def test_a_model_survives_json():
    assert LatencyModel.from_dict(json.loads(json.dumps(MODEL.to_dict()))) == MODEL


def test_an_unknown_key_is_refused():
    with pytest.raises(UsageError, match=r"unknown keys \['gama_s'\]"):
        LatencyModel.from_dict({**MODEL.to_dict(), "gama_s": 1})


def test_a_missing_term_is_refused():
    with pytest.raises(UsageError, match=r"missing keys \['eta_s'\]"):
        LatencyModel.from_dict({"gamma_s": 1, "delta_s": 1, "epsilon_s": 0})


def test_terms_in_milliseconds_come_back_exactly():
    assert LatencyModel.from_ms(140.4352, 25.2388, -50.8415, 22.1359).terms_ms == (140.4352, 25.2388, -50.8415, 22.1359)


def test_the_model_imports_neither_scipy_nor_pyarrow():
    code = (
        "import sys, harness.latency, harness.published; print([m for m in ('scipy', 'pyarrow') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
