"""From an attempt (what the client saw) to its row of requests.parquet, and the counts over all rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.load.message import AnswerError, parse_json
from harness.load.schedule import Schedule
from harness.types import Status


@dataclass(slots=True)
class Attempt:
    """One request on its way. Times are on the run clock, None until they happen.

    dispatched_s is when the client turned to it, or the instant it was due when the client was waiting for that.
    `status` is the HTTP status, 0 without an answer; `body` the JSON part of the answer; `error` why there is none.
    """

    index: int
    dispatched_s: float | None = None
    sent_s: float | None = None
    received_s: float | None = None
    status: int = 0
    body: bytes = b""
    error: str | None = None


@dataclass(slots=True)
class Tally:
    """Counts so far. A violation is a request that was not served, or was served after its deadline."""

    planned: int
    sent: int = 0
    served: int = 0
    dropped: int = 0
    failed: int = 0
    violations: int = 0

    @property
    def accounted(self) -> int:
        """Requests that have their row."""
        return self.served + self.dropped + self.failed

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row."""
        status: Status = row["status"]
        setattr(self, status, getattr(self, status) + 1)
        self.violations += status != "served" or row["received_s"] > row["deadline_s"]


def row_of(schedule: Schedule, attempt: Attempt, epoch_s: float) -> dict[str, Any]:
    """The row of a finished attempt. 200 is served, 503 with a reason dropped, all else failed.

    epoch_s: the run clock's zero, which the server's own stamps (CLOCK_MONOTONIC) are moved by.
    """
    i = attempt.index
    return {
        "id": schedule.ids[i],
        "client": schedule.clients[i],
        "created_s": schedule.created_s[i],
        "due_s": schedule.due_s[i],
        "deadline_s": schedule.deadline_s[i],
        "dispatched_s": attempt.dispatched_s,
        "sent_s": attempt.sent_s,
        "received_s": attempt.received_s,
        **_outcome(attempt, epoch_s),
    }


def _outcome(attempt: Attempt, epoch_s: float) -> dict[str, Any]:
    if attempt.error is not None:
        return {"status": "failed", "error": attempt.error}
    try:
        answer = parse_json(attempt.body)
    except AnswerError as error:
        return {"status": "failed", "error": f"HTTP {attempt.status}: {error}"}
    if attempt.status == 200:
        parameters = answer.get("parameters")
        return {"status": "served", **_served(parameters if isinstance(parameters, dict) else {}, epoch_s)}
    if attempt.status == 503 and isinstance(answer.get("reason"), str):
        queued_s = _since(epoch_s, _number(answer.get("queued_monotonic_s")))
        return {"status": "dropped", "drop_reason": answer["reason"], "queued_s": queued_s}
    return {"status": "failed", "error": f"HTTP {attempt.status}: {answer.get('error', 'no error text')}"}


def _served(parameters: Mapping[str, Any], epoch_s: float) -> dict[str, Any]:
    """What the gateway tells about the service; a server that tells nothing leaves nulls, not guesses."""
    stamps = {
        f"{name}_s": _since(epoch_s, _number(parameters.get(f"{name}_monotonic_s")))
        for name in ("queued", "started", "finished")
    }
    whole = {name: _whole(parameters.get(name)) for name in ("batch_id", "batch_size")}
    texts = {name: _text(parameters.get(name)) for name in ("stage", "replica", "variant")}
    return {**stamps, **whole, **texts, "cores": _number(parameters.get("cores"))}


def _since(epoch_s: float, at_s: float | None) -> float | None:
    return None if at_s is None else at_s - epoch_s


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
