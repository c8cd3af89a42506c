"""Each kind of arrivals has the statistics it is named after."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.plan import ArrivalsSpec, PlanSpec, build_plan
from harness.traces.model import ArrivalTrace, Floats

MINUTE = ArrivalTrace("minutes", 180.0, counts=np.array([120, 0, 60]), bin_s=60.0)


def created_by(duration_s: float = 600.0, seed: int = 3, **arrivals) -> Floats:
    spec = PlanSpec(duration_s=duration_s, arrivals=ArrivalsSpec(**arrivals))
    return np.sort(build_plan(spec, {}, seed).columns["created_s"])


def test_poisson_gaps_vary_as_much_as_their_mean():
    gaps = np.diff(created_by(kind="poisson", rate_rps=50.0))
    assert gaps.mean() == pytest.approx(1 / 50.0, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)


def test_uniform_arrivals_have_the_same_number_for_every_seed():
    assert {len(created_by(kind="uniform", rate_rps=7.3, seed=seed)) for seed in range(5)} == {4380}


def test_uniform_arrivals_are_spread_over_the_whole_run():
    halves = np.histogram(created_by(kind="uniform", rate_rps=50.0), bins=10, range=(0.0, 600.0))[0]
    np.testing.assert_allclose(halves, 3000.0, rtol=0.08)


def test_constant_arrivals_of_a_broken_rate_never_pass_the_end():
    created = created_by(10.0, kind="constant", rate_rps=0.3)
    np.testing.assert_allclose(created, [0.0, 1 / 0.3, 2 / 0.3])


def test_bursts_have_the_prototypes_defect():
    """Independent exponential delays without a running sum: most of a second's 20 come in its first 100 ms, and the
    gaps vary several times as much as their mean (load generators: 84 %, 3.6)."""
    created = created_by(kind="burst-per-second", rate_rps=20.0)
    gaps = np.diff(created)
    assert len(created) == 12_000
    assert np.mean(created % 1.0 < 0.1) == pytest.approx(0.865, abs=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(3.6, abs=0.3)


def test_minute_counts_are_spread_inside_their_minute():
    assert np.histogram(_minutes("poisson"), bins=3, range=(0.0, 180.0))[0].tolist() == [120, 0, 60]


def test_even_spreading_leaves_equal_distances():
    created = _minutes("even")
    np.testing.assert_allclose(np.diff(created[:120]), 0.5)


def _minutes(spread: str) -> Floats:
    spec = PlanSpec(duration_s=180.0, arrivals=ArrivalsSpec("trace", trace="minutes", spread=spread))
    return np.sort(build_plan(spec, {"minutes": MINUTE}, 3).columns["created_s"])


def test_a_run_longer_than_its_arrivals_is_refused():
    spec = PlanSpec(duration_s=200.0, arrivals=ArrivalsSpec("trace", trace="minutes"))
    with pytest.raises(UsageError, match="minutes: lasts 180 s; the run needs it from 0 to 200 s"):
        build_plan(spec, {"minutes": MINUTE}, 0)


def test_a_start_inside_a_bin_is_refused():
    spec = PlanSpec(duration_s=60.0, arrivals=ArrivalsSpec("trace", trace="minutes", start_s=30.0))
    with pytest.raises(UsageError, match="start_s = 30; must be a multiple of the trace's bin of 60 s"):
        build_plan(spec, {"minutes": MINUTE}, 0)
