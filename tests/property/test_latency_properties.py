"""Properties of the latency model and its fit that hold for any terms."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.fit import fit_nnls, quality, residual_quantiles
from harness.latency import GridCell, LatencyModel

terms = st.floats(0, 10, allow_subnormal=False).map(lambda x: round(x, 6))
models = st.builds(LatencyModel, terms, terms, terms, terms)
batches, cores = st.integers(1, 64), st.floats(0.1, 64)
GRID = [(b, c) for b in (1, 2, 4, 8) for c in (0.2, 0.4, 0.8, 1.6)]


@given(models, batches, cores)
def test_a_larger_batch_never_takes_less_time(model, batch, cores):
    assert model.predict_s(batch + 1, cores) >= model.predict_s(batch, cores)


@given(models, batches, cores)
def test_more_cores_never_take_more_time(model, batch, cores):
    assert model.predict_s(batch, cores * 1.5) <= model.predict_s(batch, cores)


@given(models)
def test_any_model_survives_its_dictionary(model):
    assert LatencyModel.from_dict(model.to_dict()) == model


@given(st.tuples(*[st.floats(-500, 500).map(lambda x: round(x, 4))] * 4))
def test_milliseconds_with_four_decimals_come_back_exactly(terms_ms):
    assert LatencyModel.from_ms(*terms_ms).terms_ms == terms_ms


@given(st.tuples(*[st.integers(0, 400)] * 4), batches, st.sampled_from([1, 2, 4, 8, 16]))
def test_whole_milliseconds_are_predicted_without_rounding_error(terms_ms, batch, cores):
    gamma, delta, epsilon, eta = terms_ms
    exact = (gamma * batch + epsilon) / cores + delta * batch + eta
    assert LatencyModel.from_ms(*terms_ms).predict_ms(batch, cores) == exact


@given(st.tuples(*[st.floats(0.001, 1)] * 4))
def test_the_fit_recovers_the_model_that_made_the_grid(values):
    truth = LatencyModel(*values)
    fitted = fit_nnls([GridCell(b, c, truth.predict_s(b, c)) for b, c in GRID])
    assert quality(fitted, [GridCell(b, c, truth.predict_s(b, c)) for b, c in GRID]).worst_relative < 1e-6


@given(models.filter(lambda m: m.predict_s(1, 1) > 1e-3), st.lists(st.floats(0.5, 3), min_size=1, max_size=40))
def test_residual_quantiles_lie_within_the_samples(model, ratios):
    samples = {(1, 1.0): [model.predict_s(1, 1) * r for r in ratios]}
    _, found = residual_quantiles(model, samples)
    assert np.min(ratios) - 1e-9 <= found[0] <= found[-1] <= np.max(ratios) + 1e-9
