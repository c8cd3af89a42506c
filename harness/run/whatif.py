"""What if one thing had been different: the same run again in the twin, one change at a time.

The unchanged replay is the yardstick: of a simulated run it is that run, request by request; of a real run it is its
twin, fed with the times the requests were really sent. A change is said to save a violation when the request violates
in the unchanged replay and not in the changed one.
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

from harness.cache import cache_dir
from harness.latency import LatencyModel
from harness.plan.columns import Column
from harness.profile.store import load_profile
from harness.replica.models import ModelFile
from harness.run.bench import build_system, conditions_of, gateway_config
from harness.run.plans import plan_path
from harness.run.twin_model import measured_model
from harness.scenario import Scenario
from harness.seams import Policy
from harness.settings import from_mapping
from harness.sim.loop import Sinks
from harness.sim.service import Cell
from harness.sim.simulation import Simulation, simulate
from harness.tables import PLAN, REQUESTS, read_parquet
from harness.types import Allocation, Decision, EngineSettings, Observation

Bools = npt.NDArray[np.bool_]
Columns = Mapping[str, Column]
OTHER_LUCK_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that can be simulated again. plan: its columns, due_s being when the request was really sent.

    planned_due_s: when it should have been sent. notes: what is not as it was in the run, in words.
    """

    simulation: Simulation
    plan: Columns
    planned_due_s: npt.NDArray[np.float64]
    step_cores: float
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
    """Whether each request violated, in order of id: unchanged, and under every change. agrees: share of requests
    for which the unchanged replay says the same as the run itself."""

    unchanged: Bools
    changed: Sequence[tuple[Change, Bools]]
    agrees: float
    is_real: bool
    notes: tuple[str, ...] = field(default=())


def replay_folder(folder: Path, manifest: Mapping[str, Any]) -> Replayed:
    """Simulate one system on one seed again, unchanged and with every change. Raises UsageError when that cannot be."""
    requests = read_parquet(folder / "requests.parquet", REQUESTS).sort_by("id")
    replay = replay_of(folder, manifest, requests)
    unchanged = violated(replay)
    truth = _violated(requests)
    agrees = float(np.mean(unchanged == truth)) if len(truth) == len(unchanged) else 0.0
    found = [(change, violated(change.apply(replay))) for change in changes_for(replay)]
    return Replayed(unchanged, found, agrees, replay.is_real, replay.notes)


def replay_of(folder: Path, manifest: Mapping[str, Any], requests: pa.Table) -> Replay:
    """The run of a folder as a simulation. requests: its rows, ordered by id."""
    place = str(folder / "manifest.json")
    scenario = from_mapping(Scenario, manifest["scenario"], f"{place}: scenario")
    latency = LatencyModel.from_dict(manifest["latency"])
    ratios, notes = measured_ratios(latency)
    is_real = manifest["backend"]["backend"] != "simulated"
    spec = scenario.twin if ratios else replace(scenario.twin, service="mean")
    conditions = conditions_of(scenario, latency)
    policy, _ = build_system(manifest["system"]["name"], conditions, scenario)
    engine = from_mapping(EngineSettings, manifest["system"]["resolved_engine"], f"{place}: system: engine")
    model = ModelFile(Path(), manifest["model"]["name"], manifest["model"]["sha256"], 0, 0)  # nobody opens it
    gateway = gateway_config(scenario, model, latency, engine)
    seed = int(manifest["seed"])
    start = from_mapping(Allocation, manifest["start"], f"{place}: start")
    simulation = Simulation(gateway, policy, start, scenario.tick_s, spec, seed, ratios)
    columns = _plan(folder, seed)
    sent = _sent(columns, requests) if is_real else columns
    return Replay(simulation, sent, columns["due_s"], scenario.cores.step_cores, is_real, notes)


def changes_for(replay: Replay) -> list[Change]:
    """The changes that make sense for a run, smallest first, and chance last."""
    step = replay.step_cores
    changes = [Change("no client lag", "every request sent when it was due", _no_lag)] if replay.is_real else []
    changes.append(Change("instant resize", "no delay of resizes, starts and settings", _instant))
    if step < 1.0:
        what = f"{step:g} more cores than the policy asks for, at all times"
        changes.append(Change(f"+{step:g} cores", what, lambda r: _more_cores(r, step)))
    changes.append(
        Change("+1 core", "one more core than the policy asks for, at all times", lambda r: _more_cores(r, 1.0))
    )
    changes.append(Change("infinite bandwidth", "every request reaches the server when it is created", _no_network))
    if replay.simulation.spec.service == "sampled":
        what = "nothing changed, other draws of the service times: the noise floor"
        changes.append(Change("chance", what, _other_luck, is_chance=True))
    return changes


def violated(replay: Replay) -> Bools:
    """Simulate; per request in order of id whether it violated."""
    tables: list[pa.Table] = []
    simulate(replay.simulation, _pieces(replay.plan), tables.append, Sinks(_ignore, _ignore))
    return _violated(pa.concat_tables(tables).sort_by("id")) if tables else np.zeros(0, dtype=bool)


def measured_ratios(latency: LatencyModel) -> tuple[Mapping[Cell, Sequence[float]], tuple[str, ...]]:
    """The measured spread of service times that belongs to a model; empty, with a note, when it is not at hand."""
    if not latency.grid:
        return {}, ()
    folder = cache_dir() / "profiles"
    for path in sorted(folder.glob(f"{latency.name}-*.json")):
        profile = load_profile(path)
        if profile is not None and profile.latency == latency:
            return measured_model(profile).ratios, ()
    return {}, (f"the latency profile {latency.name} of this run is no longer cached: mean service times instead",)


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
    return _simulated(replay, policy=MoreCores(simulation.policy, cores), start=plus(simulation.start, cores))


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
    yield {name: column[order] for name, column in plan.items()}


def _violated(requests: pa.Table) -> Bools:
    served = np.asarray(pc.equal(requests["status"], "served"))
    late: Bools = requests["received_s"].to_numpy(zero_copy_only=False) > requests["deadline_s"].to_numpy()
    return ~served | late


def _ignore(*_: object) -> None:
    """Nothing but the requests is wanted."""
