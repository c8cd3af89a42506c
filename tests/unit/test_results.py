"""Cost, violations and what a run says, from rows made by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.record import write_manifest
from harness.results import (
    core_series,
    granted_core_s,
    per_request,
    series_of,
    summarise,
    used_core_s,
    violations,
)
from harness.tables import DECISIONS, REQUESTS, USAGE, table_of, write_parquet


def decisions(*rows):
    names = ("requested_at_s", "effective_s", "effective_cores", "effective_replicas")
    return table_of([dict(zip(names, row, strict=True)) for row in rows], DECISIONS)


def test_without_decisions_the_start_is_charged_throughout():
    assert granted_core_s(decisions(), (2.0, 3), 10.0) == 60.0


def test_more_cores_are_charged_from_the_request_for_them():
    assert granted_core_s(decisions((4.0, 5.0, 3.0, 1)), (1.0, 1), 10.0) == pytest.approx(4 * 1 + 6 * 3)


def test_fewer_cores_are_charged_until_they_are_in_force():
    assert granted_core_s(decisions((4.0, 5.0, 1.0, 1)), (3.0, 1), 10.0) == pytest.approx(5 * 3 + 5 * 1)


def test_what_was_wanted_and_not_granted_costs_nothing():
    assert granted_core_s(decisions((4.0, 5.0, 1.0, 1)), (1.0, 1), 10.0) == 10.0


def test_old_and_new_are_both_charged_while_both_exist():
    assert granted_core_s(decisions((2.0, 6.0, 2.0, 2)), (4.0, 1), 10.0) == pytest.approx(2 * 4 + 4 * 8 + 4 * 4)


def test_nothing_is_charged_beyond_the_plan():
    assert granted_core_s(decisions((9.0, 12.0, 5.0, 1)), (1.0, 1), 10.0) == pytest.approx(9 * 1 + 1 * 5)


def test_used_cores_count_within_the_plan_only():
    rows = [
        {"t_s": t_s, "replica": "replica-0", "used_cores": used} for t_s, used in ((0.0, 9.0), (1.0, 0.5), (3.0, 1.0))
    ]
    assert used_core_s(table_of(rows, USAGE), 2.0) == pytest.approx(0.5 + 1.0)


def test_a_dropped_a_failed_and_a_late_request_are_violations():
    rows = [
        {"id": 0, "status": "served", "received_s": 1.0, "deadline_s": 1.0},
        {"id": 1, "status": "served", "received_s": 1.1, "deadline_s": 1.0},
        {"id": 2, "status": "dropped", "deadline_s": 1.0},
        {"id": 3, "status": "failed", "deadline_s": 1.0, "received_s": 0.5},
    ]
    assert violations(table_of(rows, REQUESTS)) == 3


def test_a_run_that_did_not_end_is_refused_by_name(tmp_path):
    write_manifest(tmp_path, {"state": "running", "seed": 1})
    with pytest.raises(UsageError, match=r"manifest\.json: has no scenario, system, .*; the run did not end"):
        summarise(tmp_path)


def test_used_cores_of_a_whole_run_have_no_end():
    rows = [{"t_s": t_s, "replica": "a", "used_cores": 1.0} for t_s in (0.0, 5.0)]
    assert used_core_s(table_of(rows, USAGE), math.inf) == 5.0


def test_a_series_of_cores_shows_old_and_new_together():
    series = series_of(decisions((2.0, 6.0, 2.0, 2)), (4.0, 1), 10.0)
    assert (series.edges_s.tolist(), series.cores.tolist()) == ([0.0, 2.0, 6.0, 10.0], [4.0, 8.0, 4.0])


def test_a_series_of_cores_has_no_empty_steps():
    assert series_of(decisions((2.0, 2.0, 2.0, 1)), (4.0, 1), 10.0).edges_s.tolist() == [0.0, 2.0, 10.0]


def test_cores_can_be_asked_at_any_time():
    series = series_of(decisions((2.0, 2.0, 2.0, 1)), (4.0, 1), 10.0)
    assert series.at([-1.0, 0.0, 1.9, 2.0, 10.0, 99.0]).tolist() == [4.0, 4.0, 4.0, 2.0, 2.0, 2.0]


def test_core_seconds_of_bins_add_up_to_the_whole():
    series = series_of(decisions((2.5, 3.25, 2.0, 1), (7.0, 7.5, 6.0, 1)), (4.0, 1), 10.0)
    assert series.core_s_between(range(11)).sum() == pytest.approx(series.core_s)


def slow_granted_core_s(rows, start, duration_s):
    """The rule written out step by step."""
    (cores, replicas), since_s, total = start, 0.0, 0.0
    for requested_s, effective_s, new_cores, new_replicas in rows:
        if (new_cores, new_replicas) == (cores, replicas):
            continue
        from_s = min(max(requested_s, since_s), duration_s)
        until_s = min(max(effective_s, from_s), duration_s)
        total += cores * replicas * (from_s - since_s)
        total += max(cores, new_cores) * max(replicas, new_replicas) * (until_s - from_s)
        cores, replicas, since_s = new_cores, new_replicas, until_s
    return total + cores * replicas * (duration_s - since_s)


@given(
    rows=st.lists(
        st.tuples(st.floats(0, 12), st.floats(0, 4), st.sampled_from([1.0, 2.0, 2.5]), st.integers(1, 3)), max_size=12
    )
)
def test_the_cost_is_the_rule_of_overlap_taken_step_by_step(rows):
    rows = [(at_s, at_s + delay_s, cores, replicas) for at_s, delay_s, cores, replicas in sorted(rows)]
    assert granted_core_s(decisions(*rows), (2.0, 1), 10.0) == pytest.approx(slow_granted_core_s(rows, (2.0, 1), 10.0))


def folder_with(path, rows):
    write_manifest(path, MANIFEST)
    write_parquet(path / "requests.parquet", table_of(rows, REQUESTS))
    write_parquet(path / "decisions.parquet", decisions((2.0, 3.0, 2.0, 1)))
    write_parquet(path / "usage.parquet", USAGE.empty_table())
    return path


MANIFEST = {
    "scenario": {"plan": {"duration_s": 10.0}},
    "system": {"name": "sponge"},
    "seed": 1,
    "start": {"cores": 4.0, "replicas": 1},
    "counts": {"planned": 4},
    "send_lag": {},
    "valid": True,
    "invalid_reasons": [],
}
OUTCOMES = [
    {"id": 0, "created_s": 0.0, "due_s": 0.25, "deadline_s": 1.0, "status": "served", "received_s": 0.5},
    {"id": 1, "created_s": 0.0, "due_s": 0.5, "deadline_s": 1.0, "status": "served", "received_s": 1.5},
    {"id": 2, "created_s": 0.0, "due_s": 0.75, "deadline_s": 1.0, "status": "dropped", "received_s": 0.9},
]


@pytest.fixture
def folder(tmp_path):
    return folder_with(tmp_path, OUTCOMES)


def test_a_request_has_its_latency_when_it_was_served(folder):
    assert per_request(folder)["latency_s"].tolist() == pytest.approx([0.5, 1.5, math.nan], nan_ok=True)


def test_a_request_is_early_or_late_by_its_deadline(folder):
    assert per_request(folder)["lateness_s"].tolist() == pytest.approx([-0.5, 0.5, math.nan], nan_ok=True)


def test_the_budget_at_the_server_is_what_the_way_there_left(folder):
    assert per_request(folder)["budget_s"].tolist() == [0.75, 0.5, 0.25]


def test_a_late_and_a_dropped_request_are_violated(folder):
    assert per_request(folder)["violated"].tolist() == [False, True, True]


def test_other_columns_of_the_requests_come_when_asked_for(folder):
    assert "batch_size" in per_request(folder, also=["batch_size"]).columns


def test_the_cores_of_a_folder_are_a_series(folder):
    assert core_series(folder).core_s == pytest.approx(3 * 4 + 7 * 2)


def test_a_planned_request_that_left_no_row_is_a_violation(folder):
    assert summarise(folder).violations == 3
