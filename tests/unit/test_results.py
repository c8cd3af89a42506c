"""Cost, violations and what a run says, from rows made by hand."""

import math

import pytest

from harness.errors import UsageError
from harness.record import write_manifest
from harness.results import granted_core_s, summarise, used_core_s, violations
from harness.tables import DECISIONS, REQUESTS, USAGE, table_of


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
