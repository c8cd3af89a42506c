"""What if one thing had been different: the same run again in the twin, one change at a time.

The unchanged replay is the yardstick: of a simulated run it is that run, request by request, or there is no replay;
of a real run it is its twin, fed with the times the requests were really sent. A change is said to save a violation
when the request violates in the unchanged replay and not in the changed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import UsageError
from harness.outcome import violated
from harness.plan.columns import Column
from harness.run.fidelity_calibration import calibration_for
from harness.run.plans import plan_path
from harness.run.rebuilt import is_simulated, rebuilt
from harness.run.simulated import PLAN_ROWS_AT_ONCE
from harness.seams import Policy
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.tables import DECISIONS, PLAN, REQUESTS, read_parquet
from harness.types import Allocation, Decision, Observation

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Columns = Mapping[str, Column]
OTHER_LUCK_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that can be simulated again. plan: its columns, due_s being when the request was really sent.

    planned_due_s: when it should have been sent. replicas: the most the run had. notes: what is not as it was in the
    run, in words.
    """

    simulation: Simulation
    plan: Columns
    planned_due_s: npt.NDArray[np.float64]
    step_cores: float
    replicas: int
    is_real: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different. name: for a table. size: what is changed, in words. Smallest changes first."""

    name: str
    size: str
    apply: Callable[[Replay], Replay]
    is_chance: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """Whether each planned request violated, in order of id: unchanged, and under every change. ids: of them.

    agrees: share of requests for which the unchanged replay says the same as the run itself; 1 of a simulated run.
    """

    ids: Ints
    unchanged: Bools
    changed: Sequence[tuple[Change, Bools]]
    agrees: float
    is_real: bool
    notes: tuple[str, ...] = field(default=())


def replay_folder(folder: Path, manifest: Mapping[str, Any]) -> Replayed:
    """Simulate one system on one seed again, unchanged and with every change.

    Raises UsageError when that cannot be, or a simulated run does not come out as it was.
    """
    requests = read_parquet(folder / "requests.parquet", REQUESTS).sort_by("id")
    replay = replay_of(folder, manifest, requests)
    ids = np.asarray(replay.plan["id"], dtype=np.int64)
    unchanged = violations_in(replay)
    same = unchanged == violations_of(requests, ids)
    if not replay.is_real and not same.all():
        raise UsageError(
            f"{folder}: simulated again, {np.count_nonzero(~same)} of {len(ids)} requests come out otherwise; must be "
            f"none: the code or a system has changed since commit {manifest.get('git_commit')}"
        )
    found = [(change, violations_in(change.apply(replay))) for change in changes_for(replay)]
    return Replayed(ids, unchanged, found, float(np.mean(same)), replay.is_real, replay.notes)


def violations_of(requests: pa.Table, ids: Ints) -> Bools:
    """Whether each of these requests violated, ascending by id; one without a row did."""
    flags = np.ones(len(ids), dtype=bool)
    flags[np.searchsorted(ids, requests["id"].to_numpy())] = violated(requests)
    return flags


def replay_of(folder: Path, manifest: Mapping[str, Any], requests: pa.Table) -> Replay:
    """The run of a folder as a simulation. requests: its rows, ordered by id."""
    is_real = not is_simulated(manifest)
    calibration = calibration_for(folder.resolve().parents[1].name, manifest) if is_real else None
    found = rebuilt(folder, manifest, calibration)
    columns = _plan(folder, found.simulation.seed)
    sent = _sent(columns, requests) if is_real else columns
    notes = found.model.notes if is_real else ()
    replicas = most_replicas(folder, found.simulation.start.replicas)
    return Replay(found.simulation, sent, columns["due_s"], found.scenario.cores.step_cores, replicas, is_real, notes)


def most_replicas(folder: Path, start: int) -> int:
    """The most replicas a run had at a time."""
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    return max(start, pc.max(decisions["effective_replicas"]).as_py() or start)


def changes_for(replay: Replay) -> list[Change]:
    """The changes that make sense for a run, smallest first, and chance last."""
    step, each = replay.step_cores, " per replica" if replay.replicas > 1 else ""
    asked = f"than the policy asks for{each and f', on each of up to {replay.replicas} replicas'}, at all times"
    changes = [Change("no client lag", "every request sent when it was due", _no_lag)] if replay.is_real else []
    changes.append(Change("instant resize", "no delay of resizes, starts and settings", _instant))
    if step < 1.0:
        name = f"+{step:g} cores{each}"
        changes.append(Change(name, f"{step:g} more cores {asked}", lambda r: _more_cores(r, step)))
    changes.append(Change(f"+1 core{each}", f"one more core {asked}", lambda r: _more_cores(r, 1.0)))
    changes.append(Change("infinite bandwidth", "every request reaches the server when it is created", _no_network))
    if is_drawn(replay.simulation):
        what = "nothing changed, other draws (service times, routing): the noise floor"
        changes.append(Change("chance", what, _other_luck, is_chance=True))
    return changes


def violations_in(replay: Replay) -> Bools:
    """Simulate; per request in order of id whether it violated."""
    tables: list[pa.Table] = []
    simulate(replay.simulation, _pieces(replay.plan), tables.append, Sinks(_ignore, _ignore))
    return violated(pa.concat_tables(tables).sort_by("id")) if tables else np.zeros(0, dtype=bool)


def is_drawn(simulation: Simulation) -> bool:
    """Whether another seed gives other service times or another routing."""
    spread = any(len(ratios) > 1 for ratios in simulation.ratios.values())
    return (spread and simulation.spec.service == "sampled") or simulation.spec.routing == "random"


class MoreCores:
    """A policy that gets more cores than it asks for and does not know it."""

    def __init__(self, policy: Policy, extra_cores: float) -> None:
        self._policy = policy
        self._extra_cores = extra_cores

    def decide(self, observation: Observation) -> Decision:
        """The inner policy's decision on what it would see without the extra cores, with the extra cores."""
        without = replace(
            observation,
            allocation=plus(observation.allocation, -self._extra_cores),
            replicas=tuple(replace(r, cores=r.cores - self._extra_cores) for r in observation.replicas),
        )
        decision = self._policy.decide(without)
        return replace(decision, target=plus(decision.target, self._extra_cores))


def plus(allocation: Allocation, cores: float) -> Allocation:
    """The allocation with so many more cores per replica; rounded, so that there and back is the same."""
    return replace(allocation, cores=round(allocation.cores + cores, 9))


def _no_lag(replay: Replay) -> Replay:
    return _due(replay, replay.planned_due_s)


def _instant(replay: Replay) -> Replay:
    spec = replace(replay.simulation.spec, resize_delay_s=(0.0,), control_delay_s=(0.0,), cold_start_s=(0.0,))
    return _simulated(replay, spec=spec)


def _more_cores(replay: Replay, cores: float) -> Replay:
    simulation = replay.simulation
    roomy = replace(simulation.spec, node_cores=0.0)  # else a policy at the node's limit is refused and stays small
    more = MoreCores(simulation.policy, cores)
    return _simulated(replay, policy=more, start=plus(simulation.start, cores), spec=roomy)


def _no_network(replay: Replay) -> Replay:
    lag_s = replay.plan["due_s"] - replay.planned_due_s
    free = _simulated(replay, spec=replace(replay.simulation.spec, inbound_s=(0.0,), outbound_s=(0.0,)))
    return _due(free, replay.plan["created_s"] + lag_s)


def _other_luck(replay: Replay) -> Replay:
    return _simulated(replay, seed=replay.simulation.seed + OTHER_LUCK_SEED)


def _simulated(replay: Replay, **differences: Any) -> Replay:
    return replace(replay, simulation=replace(replay.simulation, **differences))


def _due(replay: Replay, due_s: npt.NDArray[np.float64]) -> Replay:
    return replace(replay, plan={**replay.plan, "due_s": due_s})


def _plan(folder: Path, seed: int) -> dict[str, Column]:
    path = plan_path(folder.parents[1], seed)
    table = read_parquet(path, PLAN).sort_by("id")
    return {name: table[name].to_numpy() for name in PLAN.names}


def _sent(plan: Columns, requests: pa.Table) -> dict[str, Column]:
    """The plan with due_s as it was: when each request was sent, where that is known."""
    sent_s = np.full(len(plan["id"]), np.nan)
    sent_s[np.searchsorted(plan["id"], requests["id"].to_numpy())] = requests["sent_s"].to_numpy(zero_copy_only=False)
    return {**plan, "due_s": np.where(np.isnan(sent_s), plan["due_s"], sent_s)}


def _pieces(plan: Columns) -> Iterator[Columns]:
    order = np.argsort(plan["due_s"], kind="stable")
    for first in range(0, len(order), PLAN_ROWS_AT_ONCE):  # as the run itself took it: draws go by pieces
        piece = order[first : first + PLAN_ROWS_AT_ONCE]
        yield {name: column[piece] for name, column in plan.items()}


def _ignore(*_: object) -> None:
    """Nothing but the requests is wanted."""
