"""Running a matrix: every cell in the twin, in processes of their own; then the short run on Docker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.backends.containers import engine_reason
from harness.cli.again import sponge_bench
from harness.errors import BenchError, RunInvalid, bad_value
from harness.index import newest_run
from harness.nightly.matrix import Cell, Matrix, Real
from harness.nightly.numbers import Numbers, numbers_of
from harness.replica.models import model_file
from harness.results import run_folders
from harness.run.bench import RunRequest, check_systems, load_traces, new_run_id, prepare
from harness.run.host import profile_host
from harness.run.side_by_side import side_by_side
from harness.run.simulated import run_simulated
from harness.run.twin_model import twin_model
from harness.scenario import load_scenario
from harness.steps.pace import Pace
from systems import SYSTEMS

Say = Callable[[str], None]
FIRST, AGAIN, OTHER_SEEDS = "twin", "twin-again", "twin-other-seeds"


@dataclass(frozen=True, slots=True)
class Job:
    """One scenario with its systems and seeds, complete, so that another process can take it."""

    part: str
    cell: Cell
    path: str
    systems: tuple[str, ...]
    seed: int
    out: Path
    run_id: str
    mirror: Path | None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its numbers, or why it was not run."""

    job: Job
    numbers: tuple[Numbers, ...] = ()
    folder: Path | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Twin:
    """All that the twin ran. again: the same system on the same seeds once more. other: on seeds of its own. skipped:
    scenarios that could not be run, and why."""

    numbers: tuple[Numbers, ...]
    again: tuple[Numbers, ...]
    other: tuple[Numbers, ...]
    skipped: Mapping[str, str]
    folders: tuple[Path, ...]


def jobs_of(matrix: Matrix, out: Path, mirror: Path | None) -> list[Job]:
    """Every cell, seed by seed, and the two halves of the pair that is one system twice."""
    run_id = new_run_id()

    def jobs(part: str, cell: Cell, systems: tuple[str, ...], seeds: Sequence[int]) -> list[Job]:
        path = matrix.scenario_path(cell.scenario)
        return [Job(part, cell, path, systems, seed, out / part, run_id, mirror) for seed in seeds]

    found = []
    for cell in matrix.cells:
        found += jobs(FIRST, cell, cell.systems or tuple(SYSTEMS), matrix.seed_list())
        if cell.scenario == matrix.again.scenario:
            found += jobs(AGAIN, cell, (matrix.again.system,), matrix.seed_list())
            found += jobs(OTHER_SEEDS, cell, (matrix.again.system,), matrix.other_seeds())
    return found


def run_twin(matrix: Matrix, out: Path, mirror: Path | None, say: Say, processes: int) -> Twin:
    """Run the matrix in virtual time. Raises BenchError when a simulation breaks, UsageError for a bad scenario."""
    jobs = jobs_of(matrix, out, mirror)
    pace = Pace(sum(len(job.systems) for job in jobs))
    done: list[Done] = []
    before_s = time.monotonic()
    for one in ended(jobs, processes):
        done.append(one)
        pace.add(len(one.job.systems), time.monotonic() - before_s)
        before_s = time.monotonic()
        what = f"skipped: {one.skipped}" if one.skipped else f"{len(one.numbers)} system{'s' * (len(one.numbers) != 1)}"
        place = f"{one.job.part} {one.job.cell.name} seed {one.job.seed}"
        say(f"[{len(done)}/{len(jobs)}] {place}: {what}; {pace.text()}")
    return gathered(done)


def gathered(done: Sequence[Done]) -> Twin:
    """The numbers of all jobs, sorted by what they are for."""
    parts = {
        part: tuple(sorted((row for one in done if one.job.part == part for row in one.numbers), key=lambda r: r.key))
        for part in (FIRST, AGAIN, OTHER_SEEDS)
    }
    skipped = {one.job.cell.name: one.skipped for one in sorted(done, key=lambda d: d.job.cell.name) if one.skipped}
    folders = sorted({one.folder for one in done if one.folder and one.job.part == FIRST})
    return Twin(parts[FIRST], parts[AGAIN], parts[OTHER_SEEDS], skipped, tuple(folders))


def ended(jobs: Sequence[Job], processes: int) -> Iterator[Done]:
    """The jobs as they end; one process: one after the other, in this one."""
    if processes == 1:
        return map(run_job, jobs)
    return (done for _, done in side_by_side(run_job, jobs, min(processes, len(jobs))))


def run_job(job: Job) -> Done:
    """Simulate every system of a job on its seed. Raises UsageError for a cell that says its traces are generated when
    one of them is measured, and not here: it would be skipped, and never should be."""
    scenario = load_scenario(job.path, SYSTEMS)
    traces = load_traces(scenario, job.mirror)
    missing = [trace for name, trace in traces.items() if trace.is_synthetic and not name.startswith("synthetic-")]
    if missing:
        why = f"{missing[0].name}: {missing[0].provenance.synthetic_because}"
        if job.cell.traces == "generated":
            raise bad_value(job.path, "traces", job.cell.traces, f"must be 'measured', for it takes {why}")
        return Done(job, skipped=why)
    request = RunRequest(scenario, job.systems, (job.seed,), job.out, job.mirror)
    check_systems(request)
    model = twin_model(scenario, model_file(scenario.service.model).name, profile_host())
    prepared = prepare(request, model.latency, traces, job.run_id)
    run_simulated(prepared, traces, model, lambda _: None)
    folders = [prepared.folder / system / f"seed-{job.seed}" for system in job.systems]
    return Done(job, tuple(map(numbers_of, folders)), prepared.folder)


def default_processes() -> int:
    """One per core."""
    return max(1, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class RealRuns:
    """The real run and the same once more; said: what happened, in words. Empty numbers: not run, or invalid."""

    first: tuple[Numbers, ...] = ()
    again: tuple[Numbers, ...] = ()
    said: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


def run_real(real: Real | None, wanted: str, out: Path, say: Say) -> RealRuns:
    """The short run on Docker, twice. wanted: auto (where an engine answers), never, or always.

    Raises BenchError when it must run and cannot, or fails.
    """
    if wanted == "never" or real is None:
        return RealRuns(said=("real run: not asked for",))
    if reason := engine_reason():
        if wanted == "always":
            raise BenchError(f"--real always: {reason}")
        return RealRuns(said=(f"SKIPPED real run: {reason}",))
    found: list[tuple[Numbers, ...]] = []
    folders, said = [], []
    for half in ("real", "real-again"):
        folder, invalid = run_once(real, out / half, say)
        folders.append(folder)
        found.append(() if invalid else tuple(map(numbers_of, run_folders(folder))))
        said += [f"real run INVALID, not judged: {invalid}"] if invalid else []
    return RealRuns(found[0], found[1], tuple(said), tuple(folders))


def run_once(real: Real, out: Path, say: Say) -> tuple[Path, str]:
    """`sponge-bench run` in a process of its own; the run's folder, and why it is invalid when it is."""
    command = ["run", real.scenario, "--backend", "docker", "--systems", ",".join(real.systems)]
    command += ["--seeds", str(real.seeds), "--out", str(out)]
    say(f"$ sponge-bench {' '.join(command)}")
    code, _ = sponge_bench(command)
    if code not in (0, RunInvalid.exit_code):
        raise BenchError(f"the real run ended with exit code {code}; what it said stands above")
    entry = newest_run(out, valid_only=False)
    return entry.folder, "; ".join(entry.problems)
