"""What a real run says about the components of the twin's model: service times, delays of actuators, the way in and
out of the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.columns import floats
from harness.control import next_tick_s, plan_actions, replica_name
from harness.outcome import used_core_s
from harness.tables import DECISIONS, REQUESTS, USAGE, read_parquet
from harness.types import Action, AddReplica, Allocation, Resize, SetBatch, SetThreads

Floats = npt.NDArray[np.float64]
Cell = tuple[int, float]  # batch size, cores
_DIGITS = 6  # cores are read back in whole microseconds of quota


@dataclass(frozen=True, slots=True)
class Served:
    """One batch as it was served. service_s: dispatch to answer, at the gateway."""

    batch: int
    cores: float
    service_s: float

    @property
    def cell(self) -> Cell:
        """Batch size and cores."""
        return self.batch, self.cores


@dataclass(frozen=True, slots=True)
class Changes:
    """How long changes took, s: of cores in place, of settings through the gateway, of starting a replica."""

    resize_s: tuple[float, ...] = ()
    control_s: tuple[float, ...] = ()
    cold_start_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticks:
    """How late the control loop was, per tick, s: with what its policy saw, and from there with its request."""

    observe_s: tuple[float, ...] = ()
    decide_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """One system on one seed, as it was. batches: in the order they began. inbound_s: due to queued, per request;
    outbound_s: end of service to client, per served request. used_core_s: CPU time of all replicas, s."""

    batches: tuple[Served, ...]
    ticks: Ticks
    changes: Changes
    inbound_s: tuple[float, ...]
    outbound_s: tuple[float, ...]
    used_core_s: float


def observed(folder: Path, manifest: Mapping[str, Any]) -> Observed:
    """What the folder of one system and seed says. Raises UsageError when a file is missing or of another schema."""
    requests = read_parquet(folder / "requests.parquet", REQUESTS)
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    usage = read_parquet(folder / "usage.parquet", USAGE)
    tick_s = float(manifest["scenario"]["tick_s"])
    return observed_in(requests, decisions, usage, Allocation(**manifest["start"]), tick_s)


def observed_in(requests: pa.Table, decisions: pa.Table, usage: pa.Table, start: Allocation, tick_s: float) -> Observed:
    """What the three tables of a run say. start: what was in force before the first decision."""
    return Observed(
        batches_of(requests),
        ticks_of(decisions, tick_s),
        changes_of(decisions, start),
        _finite(floats(requests, "queued_s") - floats(requests, "due_s")),
        _finite(floats(requests, "received_s") - floats(requests, "finished_s")),
        used_core_s(usage),
    )


def batches_of(requests: pa.Table) -> tuple[Served, ...]:
    """The batches that were answered, in the order they began."""
    names = ("batch_id", "batch_size", "cores", "started_s", "finished_s")
    columns = [floats(requests, name) for name in names]
    answered = np.all([np.isfinite(column) for column in columns], axis=0)
    ids, sizes, cores, started_s, finished_s = (column[answered] for column in columns)
    _, first = np.unique(ids, return_index=True)
    order = first[np.lexsort((ids[first], started_s[first]))]
    return tuple(
        Served(int(sizes[k]), round(float(cores[k]), _DIGITS), float(finished_s[k] - started_s[k])) for k in order
    )


def ticks_of(decisions: pa.Table, tick_s: float) -> Ticks:
    """How late every tick was. One that was late by a whole interval counts for the tick after: that one it skipped."""
    saw_s, asked_s = floats(decisions, "tick_s"), floats(decisions, "requested_at_s")
    due_s = np.array([next_tick_s(at_s, tick_s) - tick_s for at_s in saw_s])
    return Ticks(_finite(saw_s - due_s), _finite(asked_s - saw_s))


def changes_of(decisions: pa.Table, start: Allocation) -> Changes:
    """How long each kind of change took, from the decisions that came into force.

    A row says when the last change of cores was in force. Calls to the gateway that went before it are taken off, at
    the median of the decisions that were nothing but such a call.
    """
    steps = [(tuple(actions), took_s) for actions, took_s in _steps(decisions, start)]
    control_s = [took_s for actions, took_s in steps if actions and _has_only(actions, SetBatch | SetThreads)]
    each_s = float(np.median(control_s)) if control_s else 0.0
    resize_s, cold_start_s = [], []
    for actions, took_s in steps:
        last = max((k for k, a in enumerate(actions) if isinstance(a, Resize | AddReplica)), default=-1)
        before = actions[: last + 1]
        calls = sum(isinstance(a, SetBatch | SetThreads) for a in before)
        left_s = max(0.0, took_s - calls * each_s)
        if last >= 0 and _has_only(before, Resize | SetBatch | SetThreads):
            resize_s.append(left_s / sum(isinstance(a, Resize) for a in before))
        elif sum(isinstance(a, AddReplica) for a in before) == 1 and not any(isinstance(a, Resize) for a in before):
            cold_start_s.append(left_s)
    return Changes(tuple(resize_s), tuple(control_s), tuple(cold_start_s))


def _has_only(actions: tuple[Action, ...], kinds: Any) -> bool:
    return all(isinstance(action, kinds) for action in actions)


def _steps(decisions: pa.Table, start: Allocation) -> Iterator[tuple[tuple[Action, ...], float]]:
    """The actions of every decision that changed something and succeeded, and from request to effect, s."""
    before = start
    for row in decisions.to_pylist():
        names = [replica_name(k) for k in range(before.replicas)]
        target = replace(
            start,
            cores=row["target_cores"],
            replicas=row["target_replicas"],
            batch_size=row["target_batch_size"],
        )
        if row["outcome"] == "ok":
            if actions := plan_actions(before, target, names):
                yield actions, max(0.0, row["effective_s"] - row["requested_at_s"])
            before = target
        else:  # what is in force then; the batch bound is not on record
            before = replace(before, cores=row["effective_cores"], replicas=row["effective_replicas"])


def _finite(values: Floats) -> tuple[float, ...]:
    return tuple(np.maximum(values[np.isfinite(values)], 0.0).tolist())
