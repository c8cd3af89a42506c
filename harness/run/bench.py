"""A whole run: a scenario, some systems, some seeds, one backend."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import unknown_name
from harness.latency import LatencyModel
from harness.load.selftest import cached_selftest
from harness.oracle.foresight import Foresight
from harness.plan import describe_traces
from harness.policy.bounded import Bounded
from harness.policy.conditions import Conditions
from harness.policy.system import SystemFile
from harness.published import published_model
from harness.replica.models import ModelFile, model_file
from harness.run.foresight import Known, foresight_of
from harness.run.host import code_facts, host_facts, package_versions
from harness.run.plans import PlannedSeed, plan_seed
from harness.run.session import Session, Watch, run_session
from harness.scenario import Scenario
from harness.seams import Backend, Policy
from harness.settings import from_mapping, read_toml
from harness.traces import Trace, load_trace
from harness.types import Allocation, EngineSettings, Observation, Service
from systems import SYSTEMS

ORDER_STREAM = 20260103  # apart from the streams plans are drawn from
ANY_PROFILE = "yolov5s-nonnegative"  # to see whether a system can be built, any latency model does


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for. mirror: folder with the traces' files; None looks in the usual places.

    asked: the scenario as it was asked for, a name or the path of its file; empty when nobody says.
    """

    scenario: Scenario
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    mirror: Path | None = None
    model: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is the same for all systems and seeds of a run."""

    request: RunRequest
    run_id: str
    folder: Path
    model: ModelFile
    latency: LatencyModel
    common: dict[str, Any]


def new_run_id() -> str:
    """A name for a run: when, and a few random letters."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def load_traces(scenario: Scenario, mirror: Path | None) -> dict[str, Trace]:
    """The traces a scenario names."""
    return {name: load_trace(name, mirror) for name in scenario.plan.trace_names()}


def service_of(scenario: Scenario, model: ModelFile, latency: LatencyModel, run_id: str) -> Service:
    """What a backend has to run, with the engine settings every system shares."""
    return Service(
        model_name=model.name,
        model_path=str(model.path),
        image_shape=scenario.service.image_shape,
        max_cores=scenario.cores.values()[-1],
        gateway=gateway_config(scenario, model, latency, scenario.engine.settings({}, "engine")),
        run_id=run_id,
    )


def gateway_config(
    scenario: Scenario, model: ModelFile, latency: LatencyModel, engine: EngineSettings
) -> dict[str, Any]:
    """The gateway's configuration (docs/protocol.md)."""
    return {
        "model_name": model.name,
        "image_shape": list(scenario.service.image_shape),
        "engine": asdict(engine),
        "latency": latency.to_dict(),
        "window_s": scenario.window_s,
        "default_budget_s": scenario.plan.slo_s,
    }


def conditions_of(scenario: Scenario, latency: LatencyModel) -> Conditions:
    """What every system of a scenario knows beforehand."""
    return Conditions(
        scenario.cores,
        scenario.engine.max_batch,
        scenario.plan.slo_s,
        scenario.tick_s,
        latency,
        scenario.plan.arrivals.rate_rps,
    )


def build_system(
    name: str, conditions: Conditions, scenario: Scenario | None = None, foresight: Foresight | None = None
) -> tuple[Policy, SystemFile]:
    """The policy of a system, kept within bounds, and what its file says (the scenario overrides its settings).

    foresight: the whole plan, for the one that may know it. Raises UsageError.
    """
    if name not in SYSTEMS:
        raise unknown_name("systems", "system", name, SYSTEMS)
    system = SYSTEMS[name]
    place = f"systems/{system.file.parent.name}/{system.file.name}"
    file = from_mapping(SystemFile, read_toml(system.file), place)
    if scenario is not None:
        file = replace(file, settings=scenario.settings_of(name, file.settings))
        place = f"{place}, or overrides: {name}: settings of scenario {scenario.name}" if file.settings else place
    settings = file.settings
    if system.foresee is not None and foresight is not None:
        settings = system.foresee(foresight, settings, place)
    return Bounded(system.build(conditions, settings, place), conditions), file


def run_benchmark(prepared: Prepared, traces: dict[str, Trace], place: Backend, watch: Watch) -> list[Any]:
    """Run every system on every seed's plan, interleaved (`order_of`); the manifests, in the order of the runs."""
    manifests = []
    for seed in prepared.request.seeds:
        plan = plan_seed(prepared.folder, prepared.request.scenario.plan, traces, seed)
        for system in order_of(prepared.request.systems, seed):
            session = session_of(prepared, system, plan)
            manifests.append(run_session(session, place, watch))
    return manifests


def order_of(systems: Sequence[str], seed: int) -> list[str]:
    """The systems in the random order of this seed: whatever drifts while a run lasts favours none of them.

    Randomised blocks (Fisher 1935): seeds follow one another, so an interrupted run leaves whole pairs.
    """
    shuffled = np.random.default_rng([ORDER_STREAM, seed]).permutation(len(systems))
    return [systems[index] for index in shuffled]


def session_of(prepared: Prepared, system: str, plan: PlannedSeed, known: Known | None = None) -> Session:
    """One system on one plan. known: the twin it is to happen in, for the one that may know it."""
    scenario, model, latency = prepared.request.scenario, prepared.model, prepared.latency
    conditions = conditions_of(scenario, latency)
    foresight = foresight_of(scenario, system, conditions, plan.path, known) if SYSTEMS[system].foresee else None
    policy, file = build_system(system, conditions, scenario, foresight)
    engine = scenario.engine_of(system, file.engine, f"systems: {system}: engine")
    service = service_of(scenario, model, latency, prepared.run_id)
    facts = {
        **prepared.common,
        "seed": plan.seed,
        "plan": plan.totals,
        "plan_sha256": plan.plan_sha256,
        "system": {"name": system, **asdict(file), "resolved_engine": asdict(engine)},
    }
    return Session(
        system=system,
        seed=plan.seed,
        folder=prepared.folder / system / f"seed-{plan.seed}",
        plan_path=plan.path,
        duration_s=scenario.plan.duration_s,
        tick_s=scenario.tick_s,
        lag_bound_s=scenario.validity.send_lag_p99_s,
        policy=policy,
        service=replace(service, gateway=gateway_config(scenario, model, latency, engine)),
        start=starting_allocation(policy, scenario),
        facts=facts,
    )


def starting_allocation(policy: Policy, scenario: Scenario) -> Allocation:
    """What a policy wants before the first request: a static system its own size, one that knows nothing yet all."""
    nothing_seen = Observation(0.0, scenario.window_s, scenario.initial_allocation())
    return policy.decide(nothing_seen).target


def common_facts(
    request: RunRequest, model: ModelFile, latency: LatencyModel, traces: dict[str, Trace]
) -> dict[str, Any]:
    """What the manifests of one run share."""
    return {
        "scenario": request.scenario.resolved(),
        "scenario_sha256": request.scenario.sha256,
        "asked": {"scenario": asked_scenario(request), "systems": list(request.systems), "seeds": list(request.seeds)},
        "traces": describe_traces(request.scenario.plan, traces),
        "model": {"name": model.name, "sha256": model.sha256},
        "latency": latency.to_dict(),
        "host": host_facts(),
        **code_facts(),
        "packages": package_versions(),
        "selftest": cached_selftest(),
    }


def asked_scenario(request: RunRequest) -> str:
    """What `run` takes for this scenario anywhere on this machine: its name, or the whole path of its file; empty when
    nobody says."""
    return str(Path(request.asked).resolve()) if request.asked.endswith(".toml") else request.asked


def check_systems(request: RunRequest) -> None:
    """Build every system once, before anything slow begins. Raises UsageError for one that does not fit."""
    conditions = conditions_of(request.scenario, published_model(ANY_PROFILE))
    for system in request.systems:
        _, file = build_system(system, conditions, request.scenario)
        request.scenario.engine_of(system, file.engine, f"systems: {system}: engine")


def prepare(request: RunRequest, latency: LatencyModel, traces: dict[str, Trace], run_id: str) -> Prepared:
    """What all systems and seeds of a run share, and the folder it goes to."""
    scenario = request.scenario
    model = model_file(request.model or scenario.service.model)
    folder = request.out / scenario.name / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return Prepared(request, run_id, folder, model, latency, common_facts(request, model, latency, traces))


def seeds_of(count: int, first: int = 1) -> tuple[int, ...]:
    """So many seeds, one after the other."""
    return tuple(range(first, first + count))
