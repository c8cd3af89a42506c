"""Series over the time of a run, and intervals over units, from values made by hand."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.results import CoreSeries
from harness.stored.measures import Measures, by_unit
from harness.stored.series import bin_edges_s, mean_cores, moving_mean, violation_percent
from harness.stored.spread import mean_difference_of, mean_of, mean_of_share, ratio_of, unit_values
from harness.tables import REQUESTS, table_of


def requests(*rows):
    """Served requests as (created_s, received_s), each due a second after its creation."""
    return table_of(
        [{"created_s": c, "received_s": r, "deadline_s": c + 1.0, "status": "served"} for c, r in rows], REQUESTS
    )


def test_violations_belong_to_the_second_of_creation():
    percent = violation_percent(requests((0.1, 0.5), (0.9, 2.0), (2.5, 4.0)), 3.0)
    np.testing.assert_array_equal(percent, [50.0, np.nan, 100.0])


def test_a_request_created_before_the_start_is_in_the_first_second():
    np.testing.assert_array_equal(violation_percent(requests((-0.3, 0.9)), 1.0), [100.0])


def test_mean_cores_are_weighted_by_time():
    series = CoreSeries(np.array([0.0, 0.5, 2.5]), np.array([4.0, 8.0]))
    np.testing.assert_allclose(mean_cores(series, bin_edges_s(2.5)), [6.0, 8.0, 8.0])


def test_a_moving_mean_leaves_gaps_out():
    np.testing.assert_array_equal(moving_mean(np.array([1.0, np.nan, 3.0]), 3), [1.0, 2.0, 3.0])


def test_on_one_route_the_seed_is_the_unit():
    assert mean_of({("a", 1): 1.0, ("a", 2): 3.0}).n == 2


def test_on_several_routes_the_route_is_the_unit():
    values = {("a", 1): 0.0, ("a", 2): 2.0, ("b", 1): 5.0}
    assert unit_values(values) == {("a", 0): 1.0, ("b", 0): 5.0}
    assert mean_of(values).value == 3.0


def test_a_share_has_no_interval_below_zero():
    found = mean_of_share({("a", 1): 0.0, ("a", 2): 0.0, ("a", 3): 1.0})
    assert found.low == 0.0
    assert found.high > found.value


def test_differences_are_paired_over_what_both_have():
    found = mean_difference_of({("a", 1): 3.0, ("a", 2): 4.0}, {("a", 1): 1.0, ("a", 2): 2.0, ("a", 3): 99.0})
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def per_seed(*values):
    """One value per seed of one route."""
    return {("a", seed): value for seed, value in enumerate(values, 1)}


def test_a_ratio_is_of_means_and_its_interval_is_students_on_its_logarithm():
    found = ratio_of(per_seed(1.0, 3.0), per_seed(1.0, 1.0))
    assert found.value == pytest.approx(2.0)
    half = 12.7062 * 0.5  # t of one degree of freedom; 1/2 and 3/2 of the mean have the standard error 1/2
    assert (np.log(found.low / 2.0), np.log(found.high / 2.0)) == (
        pytest.approx(-half, rel=1e-4),
        pytest.approx(half, rel=1e-4),
    )


def test_the_interval_of_a_ratio_of_five_units_takes_t_of_four_degrees_of_freedom():
    found = ratio_of(per_seed(30.0, 10.0, 20.0, 15.0, 25.0), per_seed(1.0, 1.2, 0.8, 1.1, 0.9))
    assert (found.low, found.high) == (pytest.approx(10.67, abs=0.01), pytest.approx(37.50, abs=0.01))


def test_a_ratio_with_a_zero_and_few_units_has_no_interval():
    found = ratio_of(per_seed(2.0, 2.0, 2.0), per_seed(0.0, 0.0, 0.1))
    assert found.value == pytest.approx(60.0)
    assert np.isnan(found.low)
    assert found.refused == "a value is 0, and fewer than 20 units"


def test_a_ratio_with_a_zero_and_many_units_has_the_interval_of_resampled_means():
    found = ratio_of(per_seed(*[2.0] * 20), per_seed(*[0.0, 1.0] * 10))
    assert found.value == pytest.approx(4.0)
    assert found.low < found.value < found.high


def test_a_unit_that_comes_twice_is_refused():
    one = Measures("sponge", "bus", 1, 0.0, 0.0, 8.0)
    with pytest.raises(UsageError, match="sponge: route 'bus' and seed 1 come twice"):
        by_unit([one, one], "sponge", "mean_cores")


@pytest.mark.parametrize(("above", "below", "ratio"), [(1.0, 0.0, float("inf")), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)])
def test_a_ratio_over_nothing_is_infinite_and_of_nothings_is_one(above, below, ratio):
    assert ratio_of({("a", 1): above}, {("a", 1): below}).value == ratio
