"""What the client saw, as a row."""

import json
from typing import Any

import pytest

from harness.load.rows import Attempt, Tally, row_of
from harness.load.schedule import Schedule
from harness.tables import REQUESTS, table_of

SCHEDULE = Schedule((7,), (2,), (0.5,), (0.6,), (1.5,), 1.0)
EPOCH_S = 1000.0
PARAMETERS = {
    "queued_monotonic_s": 1000.625, "started_monotonic_s": 1000.75, "finished_monotonic_s": 1000.875,
    "batch_id": 3, "batch_size": 4, "replica": "r0", "cores": 1.5, "stage": "main", "variant": "default",
}  # fmt: skip


def attempt(status: int, body: Any, error: str | None = None) -> Attempt:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Attempt(0, 0.60, 0.61, 1.0, status, text, error)


def row(status: int, body: Any, error: str | None = None) -> dict[str, Any]:
    return row_of(SCHEDULE, attempt(status, body, error), EPOCH_S)


def test_a_200_is_served_with_the_gateways_stamps_on_the_run_clock() -> None:
    served = row(200, {"parameters": PARAMETERS})
    assert [served[name] for name in ("status", "queued_s", "started_s", "finished_s", "received_s")] == [
        "served", 0.625, 0.75, 0.875, 1.0,
    ]  # fmt: skip


def test_a_served_row_names_batch_replica_and_cores() -> None:
    served = row(200, {"parameters": PARAMETERS})
    assert [served[name] for name in ("batch_id", "batch_size", "replica", "cores")] == [3, 4, "r0", 1.5]


def test_a_server_that_tells_nothing_of_its_service_leaves_nulls() -> None:
    assert row(200, {})["queued_s"] is None


@pytest.mark.parametrize("value", ["soon", True, [1], {"a": 1}])
def test_a_stamp_of_the_wrong_type_becomes_null_and_loses_no_row(value: object) -> None:
    odd = row(200, {"parameters": dict.fromkeys(PARAMETERS, value)})
    assert table_of([odd], REQUESTS)["queued_s"].to_pylist() == [None]


def test_a_503_with_a_reason_is_dropped() -> None:
    dropped = row(503, {"error": "no time", "reason": "hopeless", "queued_monotonic_s": 1000.625})
    assert (dropped["status"], dropped["drop_reason"], dropped["queued_s"]) == ("dropped", "hopeless", 0.625)


def test_a_503_without_a_reason_is_a_failure() -> None:
    failed = row(503, {"error": "not ready"})
    assert (failed["status"], failed["error"]) == ("failed", "HTTP 503: not ready")


def test_any_other_status_is_a_failure_with_the_servers_text() -> None:
    assert row(502, {"error": "replica r0 went away"})["error"] == "HTTP 502: replica r0 went away"


def test_an_answer_that_is_not_json_is_a_failure() -> None:
    assert row(200, b"<html>")["status"] == "failed"


def test_a_request_without_an_answer_keeps_what_is_known_of_it() -> None:
    lost = row_of(SCHEDULE, Attempt(0, 0.6, None, None, error="no connection"), EPOCH_S)
    assert (lost["id"], lost["sent_s"], lost["status"], lost["error"]) == (7, None, "failed", "no connection")


def test_each_row_is_counted_once() -> None:
    tally = Tally(planned=3)
    for one in (row(200, {"parameters": PARAMETERS}), row(503, {"reason": "late"}), row(500, {})):
        tally.add(one)
    assert (tally.served, tally.dropped, tally.failed, tally.accounted) == (1, 1, 1, 3)


def test_served_in_time_is_no_violation() -> None:
    tally = Tally(planned=1)
    tally.add(row(200, {}))
    assert tally.violations == 0


def test_served_after_the_deadline_is_a_violation() -> None:
    tally = Tally(planned=1)
    tally.add({**row(200, {}), "received_s": 1.5001})
    assert tally.violations == 1


def test_dropped_is_a_violation() -> None:
    tally = Tally(planned=1)
    tally.add(row(503, {"reason": "late"}))
    assert tally.violations == 1
