"""The prototype's violation metric, from rows made by hand (spec of Sponge, section 4.6)."""

import numpy as np
import pytest

from harness.stored.prototype import (
    first_collapse_s,
    plotted_term_percent,
    prototype_violation_percent,
    quantile_by_group,
)
from harness.tables import REQUESTS, table_of


def rows(*times, status="served"):
    """Requests as (queued_s, router time s)."""
    return table_of(
        [{"queued_s": t, "due_s": t, "finished_s": t + spent, "status": status} for t, spent in times], REQUESTS
    )


def test_a_second_in_which_nothing_is_late_is_zero():
    np.testing.assert_array_equal(prototype_violation_percent(rows((0.1, 0.5), (1.2, 0.9)), 2.0), [0.0, 0.0])


def test_one_late_request_alone_counts_twice_over_forty():
    assert prototype_violation_percent(rows((0.1, 1.5)), 1.0).tolist() == [5.0]


def test_a_late_request_among_many_that_leaves_the_p99_low_counts_once():
    many = [(0.1, 0.1)] * 200
    assert prototype_violation_percent(rows(*many, (0.2, 1.5)), 1.0).tolist() == [2.5]


def test_exactly_the_limit_is_not_late():
    assert prototype_violation_percent(rows((0.0, 1.0)), 1.0).tolist() == [0.0]


def test_with_a_drop_limit_of_three_seconds_a_slow_second_counts_by_its_p99_only():
    slow = rows(*[(0.1, 2.0)] * 20)
    assert prototype_violation_percent(slow, 1.0, drop_limit_s=3.0).tolist() == [2.5]


def test_twenty_late_requests_are_52_5_percent_although_none_was_answered_in_time():
    assert prototype_violation_percent(rows(*[(0.1, 9.0)] * 20), 1.0).tolist() == [52.5]


def test_a_request_belongs_to_the_second_in_which_it_reached_the_server():
    assert prototype_violation_percent(rows((0.9, 1.5), (1.0, 0.1)), 2.0).tolist() == [5.0, 0.0]


def test_a_request_after_the_last_second_belongs_to_the_last():
    assert prototype_violation_percent(rows((0.5, 0.1), (1.3, 2.0)), 1.0)[0] == pytest.approx(5.0)


def test_a_request_that_was_not_served_counts_as_late():
    table = table_of([{"due_s": 0.2, "status": "dropped"}, {"due_s": 0.3, "status": "failed"}], REQUESTS)
    assert prototype_violation_percent(table, 1.0).tolist() == [7.5]


def test_the_deadline_plays_no_part():
    late = [{"queued_s": 0.9, "finished_s": 1.0, "received_s": 1.0, "deadline_s": 0.95, "status": "served"}]
    assert prototype_violation_percent(table_of(late, REQUESTS), 1.0).tolist() == [0.0]


def test_quantiles_by_group_are_numpys():
    generator = np.random.default_rng(3)
    values, group = generator.exponential(1.0, 500), generator.integers(0, 9, 500)
    found = quantile_by_group(values, group, 10, 0.99)
    np.testing.assert_allclose(found[:9], [np.quantile(values[group == k], 0.99) for k in range(9)])
    assert np.isnan(found[9])


def test_the_plotting_script_adds_points_only_where_replicas_rise():
    np.testing.assert_allclose(plotted_term_percent(np.array([1.0, 4.0, 4.0, 2.0, 4.0])), [0, 75, 0, 0, 50])


def test_a_collapse_begins_after_the_last_second_without_violations():
    assert first_collapse_s(np.array([0.0, 5.0, 0.0, 5.0, 5.0])) == 3.0
    assert first_collapse_s(np.array([5.0, 0.0])) is None
