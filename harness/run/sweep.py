"""A sweep in the twin: every point, system and seed is one job; each that is finished is on disk for good.

A finished job is a small JSON file under results/<scenario>/points/, named after a digest of all that decides it: the
resolved scenario, the latency model, the traces, the code. Whoever needs it again, this sweep or another, finds it
there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.plan import describe_traces, stream_plan
from harness.run.bench import Prepared, check_systems, load_traces
from harness.run.code import DECIDING, PRESENTING, code_digest
from harness.run.plans import plan_seed
from harness.run.side_by_side import side_by_side
from harness.run.simulated import Task, calibrated, run_task
from harness.run.sweep_spec import PointSpec
from harness.run.twin_model import TwinModel

Measure = Callable[[Path], dict[str, Any]]  # the folder of a finished run -> the columns of its row


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario of a sweep, with what runs in it. key: a digest of all that decides its runs, next to system and
    seed."""

    spec: PointSpec
    base: Prepared
    model: TwinModel
    key: str


@dataclass(frozen=True, slots=True)
class Job:
    """One system on one seed of one point, complete, so that another process can take it.

    file: where the result goes. scratch: where it is made. rows: the folder of the run that keeps the rows; None
    throws them away.
    """

    point: Point
    system: str
    seed: int
    file: Path
    scratch: Path
    rows: Path | None
    measure: Measure

    def describe(self) -> str:
        """For progress."""
        return f"{self.point.spec.describe()}: {self.system} seed {self.seed}"


def point_of(spec: PointSpec, base: Prepared, model: TwinModel) -> Point:
    """A point, checked: systems built, traces long enough. base: what all points share. Raises UsageError."""
    scenario = spec.scenario
    traces = load_traces(scenario, base.request.mirror)
    request = replace(base.request, scenario=scenario, systems=spec.systems)
    check_systems(request)
    stream_plan(scenario.plan, traces, 1)
    described = describe_traces(scenario.plan, traces)
    common = {**base.common, "scenario": scenario.resolved(), "scenario_sha256": scenario.sha256}
    common |= {"traces": described, "latency": model.latency.to_dict()}
    made_of = [scenario.sha256, dict(model.source), base.model.sha256, [trace["source_sha256"] for trace in described]]
    made_of.append(code_digest(PRESENTING, DECIDING))
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    prepared = replace(base, request=request, latency=model.latency, common=common)
    return Point(spec, prepared, calibrated(model, scenario.profile), key)


def jobs_of(points: Sequence[Point], seeds: Sequence[int], measure: Measure, *, keep_rows: bool) -> list[Job]:
    """All jobs, point by point, seed by seed."""
    jobs = []
    for point in points:
        base = point.base
        above = base.folder.parent
        rows = base.folder / "rows" / point.key[:8] if keep_rows else None  # too deep to pass as a run of the scenario
        for seed, system in itertools.product(seeds, point.spec.systems):
            file = above / "points" / point.key / f"{system}.seed-{seed}.json"
            jobs.append(Job(point, system, seed, file, base.folder, rows, measure))
    return jobs


def is_finished(job: Job) -> bool:
    """Whether the job's result, and its rows if they are wanted, are on disk."""
    kept = job.rows is None or (job.rows / job.system / f"seed-{job.seed}" / "manifest.json").is_file()
    return job.file.is_file() and kept


def run_jobs(jobs: Sequence[Job], processes: int) -> Iterator[Job]:
    """Do the jobs, side by side; each is yielded once its result is on disk. Interrupted, nothing half is left."""
    if not jobs:
        return
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=jobs[0].scratch) as scratch:
        here = [replace(job, scratch=Path(scratch)) for job in jobs]
        if processes == 1:
            for job in here:
                run_job(job)
                yield job
        else:
            for job, _ in side_by_side(run_job, here, processes):
                yield job


def run_job(job: Job) -> None:
    """Simulate, measure from the rows, and put the result in its place."""
    base = job.point.base
    scenario = base.request.scenario
    with tempfile.TemporaryDirectory(dir=job.scratch) as work:
        prepared = replace(base, folder=Path(work))
        plan = plan_seed(Path(work), scenario.plan, load_traces(scenario, base.request.mirror), job.seed)
        manifest = run_task(Task(prepared, job.system, plan, job.point.model))
        folder = Path(work) / job.system / f"seed-{job.seed}"
        found = {**identity(manifest), **job.measure(folder)}
        if job.rows:
            keep(Path(work), folder, job.rows)
        write_whole(job.file, found)


def identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a row is of."""
    names = ("scenario_sha256", "plan_sha256", "git_commit", "git_dirty")
    synthetic = any(trace.get("synthetic_because") for trace in manifest["traces"])
    return {**{name: manifest[name] for name in names}, "synthetic_trace": synthetic}


def keep(work: Path, folder: Path, rows: Path) -> None:
    """Move a run's folder and its plan to where they stay."""
    for source in (folder, *sorted((work / "plans").iterdir())):
        target = rows / source.relative_to(work)
        if source.parent.name == "plans" and target.exists():
            continue
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)


def write_whole(path: Path, values: Mapping[str, Any]) -> None:
    """JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def rows_of(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """One row per job that is finished, in order: case, axes, system, seed, then what was measured."""
    rows = []
    for job in jobs:
        if job.file.is_file():
            found = json.loads(job.file.read_text(encoding="utf-8"))
            spec = job.point.spec
            rows.append({"case": spec.case, **spec.values, "system": job.system, "seed": job.seed, **found})
    return rows
