"""One system on one seed, as far as its folder tells. Reading never changes anything and never waits.

A session writes journals while it runs and turns them into Parquet when it ends; a half-written journal is read up to
its last whole record batch. A simulated session writes its manifest when it begins, and rows when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import UsageError
from harness.results import violated
from harness.results.folders import manifest_if_any
from harness.tables import DECISIONS, REQUESTS, read_journal, read_parquet

State = Literal["starting", "running", "done", "invalid", "interrupted"]
IsAlive = Callable[[str], bool]
Floats = npt.NDArray[np.float64]


def _no_values() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class SessionState:
    """What is known of a session. t_s: how far the run clock is known to be. planned: 0 when nobody has said yet.

    answered, violations: of the requests that have ended. rate_rps: arrivals at the server as the last tick saw them.
    cores, replicas, batch_size: in force after the last decision; queue_length, min_budget_s: what it saw, NaN when the
    queue was empty. wall_s: seconds from start to end by the clock, NaN while unknown. Series: per decision.
    violation_times_s: when the violating requests were created.
    """

    system: str
    seed: int
    state: State
    t_s: float = 0.0
    duration_s: float = 0.0
    planned: int = 0
    answered: int = 0
    violations: int = 0
    rate_rps: float = float("nan")
    cores: float = float("nan")
    replicas: int = 0
    batch_size: int = 0
    queue_length: int = 0
    min_budget_s: float = float("nan")
    started_utc: str = ""
    ended_utc: str = ""
    reasons: tuple[str, ...] = ()
    tick_s: Floats = field(default_factory=_no_values)
    cores_series: Floats = field(default_factory=_no_values)
    queue_series: Floats = field(default_factory=_no_values)
    violation_times_s: Floats = field(default_factory=_no_values)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be written."""
        return self.state in ("done", "invalid", "interrupted")


def read_session(folder: Path, is_alive: IsAlive) -> SessionState:
    """The state of one folder. is_alive: whether the harness a manifest names as its owner still runs."""
    manifest = manifest_if_any(folder)
    requests = table_so_far(folder, "requests", REQUESTS)
    decisions = table_so_far(folder, "decisions", DECISIONS)
    state = state_of(manifest, is_alive)
    return SessionState(
        system=folder.parent.name,
        seed=int(folder.name.removeprefix("seed-")),
        state="running" if state == "starting" and (len(requests) or len(decisions)) else state,
        duration_s=float(manifest.get("scenario", {}).get("plan", {}).get("duration_s", 0.0)),
        planned=int(manifest.get("plan", {}).get("planned", 0)),
        t_s=_latest(requests["received_s"], decisions["tick_s"]),
        started_utc=manifest.get("started_utc", ""),
        ended_utc=manifest.get("ended_utc", ""),
        reasons=tuple(manifest.get("invalid_reasons", ())),
        **_outcomes(requests),
        **_last_decision(decisions, manifest.get("start", {})),
    )


def state_of(manifest: Mapping[str, Any], is_alive: IsAlive) -> State:
    """What a manifest says, checked against whether its harness lives."""
    state = manifest.get("state")
    if state == "done":
        return "done" if manifest.get("valid") else "invalid"
    if state == "interrupted":
        return "interrupted"
    if manifest.get("owner") and not is_alive(manifest["owner"]):
        return "interrupted"
    return "starting"


def table_so_far(folder: Path, name: str, schema: pa.Schema) -> pa.Table:
    """What has been written of a table: its journal's whole batches, or the finished Parquet."""
    try:
        return read_journal(folder / f"{name}.arrows", schema)
    except FileNotFoundError:
        pass
    try:  # the journal may have become Parquet just now
        return read_parquet(folder / f"{name}.parquet", schema)
    except UsageError:
        return schema.empty_table()


def _outcomes(requests: pa.Table) -> dict[str, Any]:
    missed = violated(requests)
    created_s = requests["created_s"].to_numpy(zero_copy_only=False).astype(float)
    return {
        "answered": len(requests),
        "violations": int(np.count_nonzero(missed)),
        "violation_times_s": np.sort(created_s[missed]),
    }


def _last_decision(decisions: pa.Table, start: Mapping[str, Any]) -> dict[str, Any]:
    if not len(decisions):
        return {
            "cores": float(start.get("cores", "nan")),
            "replicas": int(start.get("replicas", 0)),
            "batch_size": int(start.get("batch_size", 0)),
        }
    last = decisions.slice(len(decisions) - 1).to_pylist()[0]
    budget_s = last["min_budget_s"]
    return {
        "cores": last["effective_cores"],
        "replicas": last["effective_replicas"] or last["target_replicas"],
        "batch_size": last["target_batch_size"],
        "rate_rps": last["arrival_rate_rps"],
        "queue_length": last["queue_length"],
        "min_budget_s": float("nan") if budget_s is None else budget_s,
        "tick_s": _floats(decisions["tick_s"]),
        "cores_series": _floats(decisions["effective_cores"]) * _floats(decisions["effective_replicas"]),
        "queue_series": _floats(decisions["queue_length"]),
    }


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy(zero_copy_only=False).astype(float)
    return values


def _latest(*columns: pa.ChunkedArray) -> float:
    found = [pc.max(column).as_py() for column in columns]
    return max((value for value in found if value is not None), default=0.0)
