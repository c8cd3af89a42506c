"""`sponge-bench reproduce`: everything from the traces to claims and figures, in steps that are done once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.again import must
from harness.cli.matrix_run import default_processes
from harness.cli.sweep import Asked, asked_for, models_of, sweep_id
from harness.errors import BenchError
from harness.index import newest_run
from harness.replica.models import ModelFile, model_file
from harness.results.folders import object_if_any
from harness.run.bench import RunRequest, check_systems, load_traces, prepare, seeds_of
from harness.run.code import PRESENTING, ROOT, code_digest
from harness.run.host import profile_host
from harness.run.side_by_side import side_by_side
from harness.run.simulated import run_simulated
from harness.run.twin_model import twin_model
from harness.scenario import Scenario, load_scenario
from harness.steps.steps import Advance, Ledger, Step, do_steps, keys_of
from harness.traces import load_trace
from systems import SYSTEMS

OUT = ROOT / "results" / "reproduce"
RUNS = ("paper-eval", "honest-eval", "mixed-eval")
SWEEPS = ("paper-eval", "honest-eval", "load", "slo", "payload", "resize-delay", "cold-start", "window")
SEEDS = 5
Do = Callable[[str, Advance], None]


@dataclass(frozen=True, slots=True)
class Seed:
    """All systems of a scenario on one seed that are not simulated yet, complete for another process."""

    scenario: str
    systems: tuple[str, ...]
    seed: int
    out: Path
    run_id: str
    mirror: Path | None


def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = OUT,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files, in place of a download.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which steps are done; do nothing.")] = False,
) -> None:
    """Reproduce the paper: traces, simulations, sweeps, the floor, figures, claims, report.

    Ctrl-C loses nothing that is finished; calling it again goes on from there. A step is done anew when its inputs or
    the code have changed. Writes results, figures, claims.md and report.html into OUT.

    Examples:

      sponge-bench reproduce

      sponge-bench reproduce --out /tmp/paper --dry-run
    """
    steps = all_steps(out, mirror)
    ledger = Ledger.read(out / "steps.json")
    if dry_run:
        keys = keys_of(steps)
        for step in steps:
            typer.echo(f"{'done' if ledger.has(step, keys[step.name]) else 'to do':6} {step.title}")
        return
    out.mkdir(parents=True, exist_ok=True)
    done = do_steps(steps, ledger, typer.echo)
    typer.echo(f"{len(done)} steps done now, all {len(steps)} are done: {out}")


def all_steps(out: Path, mirror: Path | None) -> list[Step]:
    """The steps, in order."""
    code = code_digest(PRESENTING)
    runs = {name: load_scenario(name, SYSTEMS) for name in RUNS}
    sweeps = {name: asked_for(name, [], None, SEEDS) for name in SWEEPS}
    scenarios = [*runs.values(), *(point.scenario for asked in sweeps.values() for point in asked.specs)]
    names = tuple(name for scenario in scenarios for name in scenario.plan.trace_names())
    traces = Step("traces", "traces: get and verify", code, lambda _key, _advance: get_traces(names, mirror))
    file_of = cache(model_file)
    steps = [traces]
    steps += [run_step(scenario, code, out, mirror, traces) for scenario in runs.values()]
    steps += [sweep_step(asked, swept_file(asked, out, file_of), code, out, mirror) for asked in sweeps.values()]
    return [*steps, *last_steps(out, mirror, code_digest(), tuple(step.name for step in steps))]


def run_step(scenario: Scenario, code: str, out: Path, mirror: Path | None, traces: Step) -> Step:
    """A scenario's run, all seeds. It is done as long as its own folder is there."""
    name, systems = scenario.name, scenario.systems
    title = f"run {name}: {len(systems)} systems x {SEEDS} seeds"
    work = requests_of(scenario, systems) * SEEDS

    def left(key: str) -> float:
        return sum(requests_of(scenario, job.systems) for job in jobs_left(scenario, systems, out, mirror, key))

    do = simulating(scenario, systems, out, mirror)
    step = Step(f"run-{name}", title, code, do, (traces.name,), work, left=left)
    return replace(step, outputs=(out / name / run_id_of(keys_of([traces, step])[step.name]),))


def run_id_of(key: str) -> str:
    """The run a key makes."""
    return f"reproduce-{key[:8]}"


def sweep_step(asked: Asked, file: Path, code: str, out: Path, mirror: Path | None) -> Step:
    """A scenario's sweep, all points and seeds. file: its table."""
    name, points = asked.base.name, asked.specs
    work = sum(requests_of(point.scenario, point.systems) for point in points) * SEEDS
    title = f"sweep {name}: {len(points)} points x {SEEDS} seeds"
    runs = sum(len(point.systems) for point in points) * SEEDS

    def left(key: str) -> float:
        return work * (1.0 - points_done(out / name, key) / runs)

    return Step(f"sweep-{name}", title, code, sweeping(name, out, mirror), ("traces",), work, (file,), left)


def swept_file(asked: Asked, out: Path, file_of: Callable[[str], ModelFile]) -> Path:
    """The table a sweep ends with."""
    return out / asked.base.name / sweep_id(asked, models_of(asked, file_of)) / "sweep.parquet"


def last_steps(out: Path, mirror: Path | None, code: str, before: tuple[str, ...]) -> list[Step]:
    """What is made of the runs: the floor, figures, claims, a page."""

    def floor(key: str, advance: Advance) -> None:
        run = newest_run(out, "honest-eval").folder
        calling(["oracle", "--run", str(run), "--seed", "1", *mirrored(mirror)])(key, advance)

    def page(key: str, advance: Advance) -> None:
        run = newest_run(out, "paper-eval").folder
        calling(["report", str(run), "--out", str(out / "report.html"), "--results", str(out)])(key, advance)

    figures = calling(["figures", "--results", str(out), "--out", str(out / "figures")])
    return [
        Step("oracle", "the floor below honest-eval, seed 1", code, floor, before),
        Step("figures", "figures", code, figures, (*before, "oracle"), outputs=(out / "figures",)),
        Step("claims", "claims", code, claiming(out), before, outputs=(out / "claims.md",)),
        Step("report", "report of paper-eval", code, page, before, outputs=(out / "report.html",)),
    ]


def get_traces(names: tuple[str, ...], mirror: Path | None) -> None:
    """Load every trace; raises BenchError naming all that cannot be had."""
    loaded = {name: load_trace(name, mirror) for name in dict.fromkeys(names)}
    lost = [f"{name}: {trace.provenance.synthetic_because}" for name, trace in loaded.items() if trace.is_synthetic]
    if lost:
        raise BenchError(f"{len(lost)} of {len(loaded)} traces cannot be had:\n  " + "\n  ".join(lost))
    typer.echo(f"{len(loaded)} traces are here, verified")


def requests_of(scenario: Scenario, systems: tuple[str, ...]) -> float:
    """About how many requests a seed simulates, for the estimate of the time left."""
    return scenario.plan.arrivals.rate_rps * scenario.plan.duration_s * len(systems)


def calling(arguments: list[str]) -> Do:
    """A step that is another command of this program."""

    def do(_key: str, _advance: Advance) -> None:
        typer.echo(f"$ sponge-bench {' '.join(arguments)}")
        must(arguments)

    return do


def sweeping(name: str, out: Path, mirror: Path | None) -> Do:
    """A step that is a sweep. It goes on with the points it has, unless they are of another key: those go first."""

    def do(key: str, advance: Advance) -> None:
        mark = mark_of(out / name)
        if not is_marked(mark, key):
            shutil.rmtree(out / name / "points", ignore_errors=True)
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(key, encoding="utf-8")
        calling(["sweep", name, "--seeds", str(SEEDS), "--out", str(out), *mirrored(mirror)])(key, advance)

    return do


def mark_of(folder: Path) -> Path:
    """The file that names the key of the points in a sweep's folder."""
    return folder / "points.key"


def is_marked(mark: Path, key: str) -> bool:
    """Whether the points are of this key."""
    return mark.exists() and mark.read_text(encoding="utf-8") == key


def points_done(folder: Path, key: str) -> int:
    """How many runs of a sweep an earlier attempt left behind, of this key."""
    return sum(1 for _ in folder.glob("points/*/*.json")) if is_marked(mark_of(folder), key) else 0


def claiming(out: Path) -> Do:
    """The claims, into a file."""

    def do(_key: str, _advance: Advance) -> None:
        text = must(["claims", "--results", str(out), "--format", "markdown"], subprocess.PIPE)
        (out / "claims.md").write_text(text, encoding="utf-8")
        typer.echo(text)

    return do


def simulating(scenario: Scenario, systems: tuple[str, ...], out: Path, mirror: Path | None) -> Do:
    """A step that simulates a scenario. Its run id comes from the key, so that it goes on with what it left behind;
    runs of other keys go first, so that none of them passes for this one."""

    def do(key: str, advance: Advance) -> None:
        run_id = run_id_of(key)
        for stale in (out / scenario.name).glob(run_id_of("*")):
            if stale.name != run_id:
                shutil.rmtree(stale)
        jobs = jobs_left(scenario, systems, out, mirror, key)
        for job, _ in side_by_side(simulate_seed, jobs, default_processes()) if jobs else ():
            advance(requests_of(scenario, job.systems))

    return do


def jobs_left(scenario: Scenario, systems: tuple[str, ...], out: Path, mirror: Path | None, key: str) -> list[Seed]:
    """What of a run of this key is not simulated yet, by seed."""
    run_id, jobs = run_id_of(key), []
    for seed in range(1, SEEDS + 1):
        left = tuple(s for s in systems if not is_done(out / scenario.name / run_id / s / f"seed-{seed}"))
        if left:
            jobs.append(Seed(scenario.name, left, seed, out, run_id, mirror))
    return jobs


def simulate_seed(job: Seed) -> None:
    """Simulate the systems of a job; each manifest names all seeds asked for."""
    scenario = load_scenario(job.scenario, SYSTEMS)
    traces = load_traces(scenario, job.mirror)
    request = RunRequest(scenario, job.systems, (job.seed,), job.out, job.mirror)
    check_systems(request)
    model = twin_model(scenario, model_file(scenario.service.model).name, profile_host())
    prepared = prepare(request, model.latency, traces, job.run_id)
    asked = {"systems": list(job.systems), "seeds": list(seeds_of(SEEDS))}
    run_simulated(replace(prepared, common={**prepared.common, "asked": asked}), traces, model, lambda _: None)


def is_done(folder: Path) -> bool:
    """Whether a system's run on a seed ended and may be used."""
    manifest = object_if_any(folder / "manifest.json") or {}
    return manifest.get("state") == "done" and manifest.get("valid") is True


def mirrored(mirror: Path | None) -> list[str]:
    """The flag that names a mirror."""
    return ["--mirror", str(mirror)] if mirror else []
