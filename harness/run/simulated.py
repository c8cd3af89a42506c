"""Runs in virtual time: the same folder, files and manifest as a real run, from the twin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harness.backends.owner import this_process
from harness.kernel import kernel_in_use
from harness.load.events import Progress
from harness.plan.columns import Column
from harness.record import decision_row, usage_row, write_manifest
from harness.run.bench import Prepared, session_of
from harness.run.foresight import Known
from harness.run.plans import PlannedSeed, plan_seed
from harness.run.session import Session, Status, Watch, utc_now
from harness.run.side_by_side import side_by_side
from harness.run.twin_model import TwinModel
from harness.scenario import ProfileSpec
from harness.sim.loop import Sinks
from harness.sim.simulation import Outcome, Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, PLAN, REQUESTS, USAGE, ParquetStream, table_of
from harness.traces import Trace
from harness.types import Applied, Decision, Observation, Usage

ANY_CELL = (1, 1.0)  # the twin takes the ratios of the nearest cell; one cell is the nearest to all
ROWS_AT_ONCE = 20_000
PLAN_ROWS_AT_ONCE = 200_000
WORTH_PROCESSES = 200_000  # requests; fewer are done before another process has started


@dataclass(frozen=True, slots=True)
class Task:
    """One system on one plan, complete, so that another process can take it."""

    prepared: Prepared
    system: str
    plan: PlannedSeed
    model: TwinModel


def run_simulated(
    prepared: Prepared, traces: Mapping[str, Trace], model: TwinModel, watch: Watch, jobs: int = 1
) -> list[dict[str, Any]]:
    """Every system on every seed's plan, `jobs` at a time; the manifests, by seed, then system.

    More than one job runs in processes of their own. Raises BenchError when one of them breaks.
    """
    request = prepared.request
    model = calibrated(model, request.scenario.profile)
    tasks = []
    for seed in request.seeds:
        plan = plan_seed(prepared.folder, request.scenario.plan, traces, seed)
        tasks += [Task(prepared, system, plan, model) for system in request.systems]
    if jobs > 1 and sum(task.plan.totals["planned"] for task in tasks) > WORTH_PROCESSES:
        return in_processes(tasks, watch, jobs)
    return [run_task(task) for task in watched(tasks, watch)]


def watched(tasks: list[Task], watch: Watch) -> Iterator[Task]:
    """The tasks, each announced."""
    for task in tasks:
        watch(Status(task.system, task.plan.seed, "simulating"))
        yield task


def in_processes(tasks: list[Task], watch: Watch, jobs: int) -> list[dict[str, Any]]:
    """All tasks, side by side, each process started fresh."""
    manifests = {}
    for task, manifest in side_by_side(run_task, tasks, jobs):
        watch(finished(task, manifest))
        manifests[(task.plan.seed, task.system)] = manifest
    return [manifests[(task.plan.seed, task.system)] for task in tasks]


def calibrated(model: TwinModel, profile: ProfileSpec) -> TwinModel:
    """The model, with service times in the scenario's ratios to the published ones, when it states any."""
    if not profile.service_ratios:
        return model
    source = {**model.source, "service_ratios": list(profile.service_ratios)}
    return replace(model, source=source, ratios={ANY_CELL: profile.service_ratios})


def finished(task: Task, manifest: Mapping[str, Any]) -> Status:
    """What the display shows of a task that is done."""
    counts, duration_s = manifest["counts"], task.prepared.request.scenario.plan.duration_s
    progress = Progress(
        t_s=duration_s,
        planned=counts["planned"],
        sent=counts["sent"],
        served=counts["served"],
        dropped=counts["dropped"],
        failed=0,
        violations=manifest["violations"],
    )
    return Status(task.system, task.plan.seed, "simulated", duration_s, duration_s, progress)


def pieces_of(path: Path) -> Iterator[dict[str, Column]]:
    """The columns of a plan on disk, piece by piece."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PLAN_ROWS_AT_ONCE):
            yield {name: batch.column(name).to_numpy() for name in PLAN.names}


def run_task(task: Task) -> dict[str, Any]:
    """Simulate one system on one plan; its manifest."""
    scenario, plan = task.prepared.request.scenario, task.plan
    spec = scenario.twin_of(task.system, f"scenario {scenario.name}: twin of {task.system}")
    spec = task.model.spec(spec)
    session = session_of(task.prepared, task.system, plan, Known(spec, plan.seed, task.model.ratios))
    manifest = {**session.facts, "start": asdict(session.start), "backend": backend_facts(task.model, spec)}
    manifest |= {"state": "running", "started_utc": utc_now(), "owner": this_process().text()}
    session.folder.mkdir(parents=True, exist_ok=True)
    write_manifest(session.folder, manifest)
    try:
        outcome = write_rows(session, simulation_of(session, spec, task.model), plan.path)
        manifest |= conclusion(plan.totals["planned"], outcome)
    except BaseException as error:
        why = "it was interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        manifest |= {"state": "interrupted", "valid": False, "invalid_reasons": [f"the simulation did not end: {why}"]}
        raise
    finally:
        write_manifest(session.folder, manifest)
    return manifest


def simulation_of(session: Session, spec: TwinSpec, model: TwinModel) -> Simulation:
    """The simulation of a session."""
    return Simulation(
        session.service.gateway, session.policy, session.start, session.tick_s, spec, session.seed, model.ratios
    )


def write_rows(session: Session, simulation: Simulation, plan_path: Path) -> Outcome:
    """Run it and write its three tables."""
    folder = session.folder
    with (
        ParquetStream(folder / "requests.parquet", REQUESTS) as requests,
        ParquetStream(folder / "decisions.parquet", DECISIONS) as decisions,
        ParquetStream(folder / "usage.parquet", USAGE) as usage,
    ):
        rows = RowSinks(decisions, usage)
        outcome = simulate(simulation, pieces_of(plan_path), requests.append, rows.sinks())
        rows.flush()
    return outcome


class RowSinks:
    """Gathers rows of decisions and usage and writes them many at a time."""

    def __init__(self, decisions: ParquetStream, usage: ParquetStream) -> None:
        self._streams = {"decisions": decisions, "usage": usage}
        self._rows: dict[str, list[dict[str, Any]]] = {"decisions": [], "usage": []}

    def sinks(self) -> Sinks:
        """Where a simulation reports."""
        return Sinks(self._decision, self._usage)

    def flush(self) -> None:
        """Write what was gathered."""
        for name, rows in self._rows.items():
            self._streams[name].append(table_of(rows, self._streams[name].schema))
            rows.clear()

    def _decision(self, observation: Observation, decision: Decision, applied: Applied) -> None:
        # How long deciding took here is not the twin's time, and would differ from run to run.
        self._rows["decisions"].append(decision_row(observation, decision, applied, None))
        if len(self._rows["decisions"]) >= ROWS_AT_ONCE:
            self.flush()

    def _usage(self, readings: list[Usage]) -> None:
        # Memory and throttling are not modelled: nulls, not zeros.
        self._rows["usage"] += [
            {**usage_row(reading), "memory_bytes": None, "throttled_s": None} for reading in readings
        ]


def backend_facts(model: TwinModel, spec: TwinSpec) -> dict[str, Any]:
    """What the manifest says about how this ran."""
    return {"backend": "simulated", "kernel": kernel_in_use(), "model": dict(model.source), "twin": asdict(spec)}


def conclusion(planned: int, outcome: Outcome) -> dict[str, Any]:
    """Counts, and whether the run may be used. A twin sends exactly on time."""
    ended = outcome.served + outcome.dropped
    reasons = [] if ended == planned else [f"{planned} planned but {ended} ended"]
    lag = {"count": planned, "early": 0, "p50_s": 0.0, "p99_s": 0.0, "p999_s": 0.0, "max_s": 0.0}
    counts = {"planned": planned, "sent": planned, "served": outcome.served, "dropped": outcome.dropped, "failed": 0}
    return {
        "state": "done",
        "ended_utc": utc_now(),
        "counts": counts,
        "violations": outcome.violations,
        "send_lag": lag,
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def default_jobs(tasks: int) -> int:
    """How many to run side by side."""
    return max(1, min(tasks, os.cpu_count() or 1))
