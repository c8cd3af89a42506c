"""A plan as the replayer needs it: columns sorted by the instant a request is due."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import bad_value
from harness.load.lag import peak_in_flight
from harness.tables import PLAN, read_parquet

GRACE_S = 5.0  # how long past the longest SLO an answer is still waited for


@dataclass(frozen=True, slots=True)
class Schedule:
    """Columns of equal length, ordered by `due_s` (ties in plan order). Times on the run clock, all finite."""

    ids: tuple[int, ...]
    clients: tuple[int, ...]
    created_s: tuple[float, ...]
    due_s: tuple[float, ...]
    deadline_s: tuple[float, ...]
    longest_slo_s: float

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def span_s(self) -> float:
        """From run start to the last request."""
        return self.due_s[-1]

    @property
    def rate_rps(self) -> float:
        """Mean rate over the span."""
        return len(self) / self.span_s if self.span_s > 0 else float(len(self))

    def peak_in_flight(self, timeout_s: float) -> int:
        """Most requests that can be open at once when each is given up after `timeout_s`."""
        return peak_in_flight(np.asarray(self.due_s), timeout_s)


def read_schedule(path: Path) -> Schedule:
    """Read plan.parquet. Raises UsageError naming the file, the row's id and the rule."""
    table = read_parquet(path, PLAN)
    columns = {name: table[name].to_numpy() for name in ("created_s", "due_s", "slo_s", "deadline_s")}
    ids = table["id"].to_pylist()
    if not ids:
        raise bad_value(str(path), "requests", 0, "a plan must have at least one")
    for name, values in columns.items():
        _require(path, ids, name, values, np.isfinite(values), "must be finite")
    due_s = columns["due_s"]
    _require(path, ids, "due_s", due_s, due_s >= 0, "must be >= 0")
    order = np.argsort(due_s, kind="stable")
    clients = table["client"].to_numpy()
    return Schedule(
        ids=tuple(ids[i] for i in order),
        clients=tuple(clients[order].tolist()),
        created_s=tuple(columns["created_s"][order].tolist()),
        due_s=tuple(due_s[order].tolist()),
        deadline_s=tuple(columns["deadline_s"][order].tolist()),
        longest_slo_s=float(columns["slo_s"].max()),
    )


def _require(
    path: Path, ids: list[int], name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]],
    good: np.ndarray[tuple[int], np.dtype[np.bool_]], rule: str,
) -> None:  # fmt: skip
    if not good.all():
        first = int(np.argmin(good))
        raise bad_value(f"{path}: request {ids[first]}", name, float(values[first]), rule)
