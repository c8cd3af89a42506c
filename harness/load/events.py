"""The lines the load driver prints on standard output, as values. One place knows their spelling."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from harness.errors import BenchError
from harness.load.lag import Lag


@dataclass(frozen=True, slots=True)
class Ready:
    """Connections are open and warm; the driver waits for `go`."""

    pool: int
    timeout_s: float
    event: str = "ready"


@dataclass(frozen=True, slots=True)
class Started:
    """The replay's time zero, and how it keeps time."""

    epoch_monotonic_s: float
    timer: str
    scheduling: str
    lead_s: float
    event: str = "start"


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts at `t_s` on the run clock."""

    t_s: float
    planned: int
    sent: int
    served: int
    dropped: int
    failed: int
    violations: int
    event: str = "progress"


@dataclass(frozen=True, slots=True)
class Ended:
    """Final counts and how well the schedule was kept.

    stopped: ended before its plan did. client_core: share of one core used during the replay. reopened: connections
    replaced during the replay. clock_step_s: change of wall clock minus monotonic clock.
    """

    planned: int
    sent: int
    served: int
    dropped: int
    failed: int
    violations: int
    send_lag_s: Lag
    elapsed_s: float
    stopped: bool
    client_core: float
    pool: int
    peak_in_flight: int
    reopened: int
    clock_step_s: float
    event: str = "end"

    @property
    def accounted(self) -> int:
        """Requests that ended in a row."""
        return self.served + self.dropped + self.failed

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """From the decoded line."""
        lag = fields.pop("send_lag_s")
        quantiles = {f"{name}_s": lag[name] for name in ("p50", "p99", "p999", "max")}
        return cls(send_lag_s=Lag(count=lag["count"], early=lag["early"], **quantiles), **fields)


@dataclass(frozen=True, slots=True)
class Failed:
    """The replay cannot be done; `exit_code` follows harness.errors."""

    message: str
    exit_code: int
    event: str = "error"


Event = Ready | Started | Progress | Ended | Failed


def line_of(event: Event) -> str:
    """One line of JSON, without its newline."""
    fields = asdict(event)
    if isinstance(event, Ended):
        lag = fields["send_lag_s"]
        fields["send_lag_s"] = {name.removesuffix("_s"): value for name, value in lag.items()}
    return json.dumps({"event": fields.pop("event"), **fields})


def parse_event(line: str) -> Event:
    """The event of a line. Raises BenchError when it is not one."""
    try:
        fields = json.loads(line)
        kind = fields["event"]
        if kind == "end":
            return Ended.of(fields)
        classes: dict[str, type[Ready | Started | Progress | Failed]] = {
            "ready": Ready, "start": Started, "progress": Progress, "error": Failed,
        }  # fmt: skip
        return classes[kind](**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"load driver: not an event line: {line[:200]!r}") from error
