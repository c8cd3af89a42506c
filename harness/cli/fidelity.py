"""`sponge-bench fidelity`: how well the twin tells what the real machine does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.backends.choose import BACKENDS, choose_backend
from harness.backends.service import ServiceBackend
from harness.cli.chosen_run import RESULTS
from harness.cli.display import Watcher
from harness.cli.run import (
    latency_for,
    refuse_invalid,
    refuse_too_many_cores,
    say,
    say_company,
    say_traces,
)
from harness.cli.sweep_axes import names_of
from harness.errors import CheckError, Interrupted, UsageError, unknown_name
from harness.fidelity.compare import differences
from harness.fidelity.measures import Conditions, Label, measured, measured_folder, write_rows
from harness.fidelity.report import Context, verdict, write_report
from harness.figures.fidelity import save_fidelity
from harness.latency import LatencyModel
from harness.progress.run import OVERHEAD_S
from harness.replica.models import model_file
from harness.results import run_folders
from harness.run.bench import RunRequest, check_systems, load_traces, new_run_id, prepare, run_benchmark, seeds_of
from harness.run.fidelity_calibration import (
    MUCH_OTHER_CORES,
    Calibration,
    calibrate,
    calibration_for,
    real_manifest,
    save_calibration,
)
from harness.run.fidelity_twin import COMPONENTS, Rerun, all_twins, rerun_of
from harness.run.host import profile_host
from harness.run.twin_model import cached_profiles, calibration_of
from harness.scenario import load_scenario
from harness.traces import Trace
from systems import SYSTEMS

CALIBRATION_SEED = 1001  # far from the seeds that are judged: its plan is another one
DRAWS = 15
ONLY_NEW = ("seeds", "backend", "out", "mirror", "model", "base_image")  # they say what is run


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that say what is run for real."""

    request: RunRequest
    traces: dict[str, Trace]
    fresh: bool


def fidelity(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(help="Scenario to run for real and in the twin; not with --run.")] = "",
    run: Annotated[
        Path | None, typer.Option(help="Folder of a real run to hold against its twin, in place of a new run.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of another real run to calibrate the twin on.  [default: the cached calibration]"),
    ] = None,
    calibrate_now: Annotated[
        bool, typer.Option("--calibrate", help="Measure a new calibration first, also when one is cached.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No calibration: the twin knows the profile alone.")] = False,
    backend: Annotated[
        str, typer.Option(help="Where it runs: docker, process, or auto (docker when possible).")
    ] = "auto",
    systems: Annotated[
        str | None, typer.Option(help="Comma-separated systems.  [default: the scenario's, or the run's]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; every system gets each seed's plan.")] = 1,
    draws: Annotated[int, typer.Option(min=1, help="Simulations per system and seed, with other draws.")] = DRAWS,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files, in place of a download.")] = None,
    model: Annotated[str, typer.Option(help="Built-in model or ONNX file.  [default: the scenario's]")] = "",
    base_image: Annotated[
        str | None, typer.Option(help="Base image of the containers.  [default: python:3.11-slim]")
    ] = None,
) -> None:
    """Run a scenario on a real backend and in the twin, and compare them side by side.

    The twin gets the run's own plans, its profile, and a calibration from other real runs: service times beside the
    load generator, delays of resizes, the way through the gateway. Without one at hand the scenario is first run on
    seed 1001 to get it. Bounds: 10 % on p50, p95 and p99 (ms), 2 % on core-seconds, 1 percentage point on the
    violation rate. Writes fidelity.parquet, .md, .json, .pdf and .png into the run's folder. Exit code 3 when a bound
    is missed.

    Examples:

      sponge-bench fidelity quickstart --backend docker --calibrate

      sponge-bench fidelity --run results/quickstart/RUN --calibration results/quickstart/OTHER
    """
    console = Console()
    refuse_misuse(scenario, run, calibration, calibrate_now=calibrate_now, plain=plain)
    if run is not None:
        refuse_idle_options(given_options(context))
    given = calibrate(run_folders(calibration)) if calibration else None
    if run is None:
        asked = asked_for(console, scenario, systems, seeds, out, mirror, model, fresh=calibrate_now)
        if backend not in BACKENDS:
            raise unknown_name("--backend", "backend", backend, BACKENDS)
        place, why = choose_backend(backend, base_image=base_image, say=lambda text: say(console, text))
        say(console, f"backend {why}")
        say_company(console)
        run, given = run_and_calibrate(console, asked, place, given, plain=plain)
    elif given is None and not plain:
        given = cached_calibration(run, folders_in(run, systems))
    judge(console, run, folders_in(run, systems), given, draws)


def refuse_misuse(
    scenario: str, run: Path | None, calibration: Path | None, *, calibrate_now: bool, plain: bool
) -> None:
    """Raise UsageError for options that contradict each other."""
    if bool(scenario) == (run is not None):
        raise UsageError("fidelity: name a scenario to run, or --run FOLDER of a run that was made; one of the two")
    if run is not None and calibrate_now:
        raise UsageError("--calibrate: measures before a new run; with --run give --calibration FOLDER")
    if plain and (calibrate_now or calibration is not None):
        raise UsageError("--plain: means no calibration; leave away --calibrate and --calibration")
    if calibrate_now and calibration is not None:
        raise UsageError("--calibrate, --calibration: a new calibration, or one from a run; one of the two")


def given_options(context: typer.Context) -> set[str]:
    """The parameters somebody gave, as opposed to defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name != "DEFAULT"}


def refuse_idle_options(given: set[str]) -> None:
    """Raise UsageError for options that say what is run, where the run was made before."""
    idle = [f"--{name.replace('_', '-')}" for name in ONLY_NEW if name in given]
    if idle:
        raise UsageError(f"{', '.join(idle)}: of a new run; --run takes one that was made, leave them away")


def asked_for(
    console: Console,
    scenario: str,
    systems: str | None,
    seeds: int,
    out: Path,
    mirror: Path | None,
    model: str,
    *,
    fresh: bool,
) -> Asked:
    """What is to be run, checked before anything slow begins. Raises UsageError."""
    chosen = load_scenario(scenario, SYSTEMS)
    refuse_too_many_cores(chosen, os.cpu_count() or 1)
    names = names_of(systems, SYSTEMS) or chosen.systems
    traces = load_traces(chosen, mirror)
    say_traces(console, traces)
    request = RunRequest(chosen, names, seeds_of(seeds), out, mirror, model, scenario)
    check_systems(request)
    return Asked(request, traces, fresh)


def run_and_calibrate(
    console: Console, asked: Asked, place: ServiceBackend, given: Calibration | None, *, plain: bool
) -> tuple[Path, Calibration | None]:
    """The real run's folder, and a calibration from another one, measured before it when none is at hand."""
    with place:
        latency = latency_for(console, asked.request, place, new_run_id())
        wanted = given is None and not plain
        calibrated_on = given
        if wanted:
            calibrated_on = None if asked.fresh else at_hand(asked, place.name, latency)
        if wanted and calibrated_on is None:
            request = replace(asked.request, seeds=(CALIBRATION_SEED,))
            say(console, f"calibrating the twin on seed {CALIBRATION_SEED}")
            folder = run_once(console, request, asked.traces, place, latency)
            calibrated_on = calibrate(run_folders(folder))
            keep(console, latency.name, calibrated_on)
        say(console, "the run that is judged")
        return run_once(console, asked.request, asked.traces, place, latency), calibrated_on


def keep(console: Console, name: str, calibration: Calibration) -> None:
    """Put a calibration into the cache; one of a busy machine serves this comparison and is not kept."""
    if calibration.disturbed:
        other = f"{calibration.other_cores:.1f} cores of this machine did other work"
        say(console, f"note: while the calibration was measured, {other}; it is not kept for other runs")
    else:
        say(console, f"wrote {save_calibration(name, calibration)}")


def run_once(
    console: Console, request: RunRequest, traces: dict[str, Trace], place: ServiceBackend, latency: LatencyModel
) -> Path:
    """Run everything once; the run's folder. Raises RunInvalid when the load generator did not keep its schedule."""
    prepared = prepare(request, latency, traces, new_run_id())
    sessions = len(request.systems) * len(request.seeds)
    try:
        with Watcher(console, sessions, request.scenario.plan.duration_s + OVERHEAD_S) as watch:
            refuse_invalid(run_benchmark(prepared, traces, place, watch))
    except KeyboardInterrupt as stop:
        raise Interrupted(f"interrupted; what was measured until then is in {prepared.folder}") from stop
    say(console, f"wrote {prepared.folder}")
    return prepared.folder


def at_hand(asked: Asked, backend: str, latency: LatencyModel) -> Calibration | None:
    """The cached calibration that belongs to the profile in use, unless something disturbed it."""
    model = model_file(asked.request.model or asked.request.scenario.service.model)
    profiles = cached_profiles(model.name, asked.request.scenario.service.image_shape, profile_host())
    mine = [p for p in profiles if p.identity["backend"] == backend and p.latency == latency]
    return next((found for found in map(calibration_of, mine) if found is not None), None)


def cached_calibration(run: Path, folders: Sequence[Path]) -> Calibration | None:
    """The cached calibration for what these folders of a run used, unless it was disturbed, or comes from this run."""
    return calibration_for(run.resolve().name, real_manifest(folders[0]))


def folders_in(run: Path, systems: str | None) -> list[Path]:
    """The run's folders, one per system and seed, of these systems or of all. Raises UsageError for one it has not."""
    found = run_folders(run)
    wanted = names_of(systems, {folder.parent.name for folder in found})
    return [folder for folder in found if not wanted or folder.parent.name in wanted]


def judge(console: Console, run: Path, folders: Sequence[Path], calibration: Calibration | None, draws: int) -> None:
    """Compare the folders of a real run with their twins, write everything into the run's. Raises CheckError when a
    bound is missed."""
    reruns = [rerun_of(folder, calibration) for folder in folders]
    refuse_invalid([rerun.manifest for rerun in reruns])
    frames = [frame for rerun in reruns for frame in frames_of(console, rerun, draws)]
    rows = write_rows(run / "fidelity.parquet", frames)
    context = context_of(run, reruns, calibration, draws)
    scenario = reruns[0].manifest["scenario"]
    console.print(write_report(run, rows, context), markup=False, highlight=False, soft_wrap=True)
    files = save_fidelity(rows, context.title, float(scenario["plan"]["slo_s"]), run)
    say(console, f"wrote {run}/fidelity.parquet, .md, .json, {', '.join(path.suffix for path in files)}")
    found = differences(rows)
    if not all(one.within for one in found):
        raise CheckError(f"fidelity: {verdict(found)}")


def frames_of(console: Console, rerun: Rerun, draws: int) -> list[Any]:
    """The tidy rows of one system and seed: real, twin, and every counterfactual twin."""
    conditions = Conditions.of(rerun.manifest)
    label = f"{rerun.manifest['system']['name']} seed {rerun.manifest['seed']}"
    say(console, f"simulating {label}")
    with console.status(f"simulating {label} ..."):
        twins = [
            measured(Label(one.system, one.seed, one.source, one.draw), one.requests, one.decisions, conditions)
            for one in all_twins(rerun, draws)
        ]
    return [measured_folder(rerun.folder), *twins]


def context_of(run: Path, reruns: Sequence[Rerun], calibration: Calibration | None, draws: int) -> Context:
    """What stands above the numbers."""
    manifest = reruns[0].manifest
    host = manifest["host"]
    seeds = sorted({int(rerun.manifest["seed"]) for rerun in reruns})
    source = reruns[0].model.source
    facts = {
        "run": f"{run.resolve().name}, backend {manifest['backend']['backend']}, started {manifest['started_utc']}",
        "machine": f"{host['cpu']}, {host['cores']} cores, kernel {host['kernel']}, cgroup {host['cgroup']}",
        "seeds": f"{', '.join(map(str, seeds))} ({len(seeds)}; means over seeds are compared)",
        "twin": f"{draws} draws per system and seed from the run's own plan; its value is their median",
        "profile": f"{source['name']}, {source.get('measured_utc', source.get('from'))}",
        "calibration": calibration_text(calibration),
    }
    notes = dict.fromkeys(note for rerun in reruns for note in (*rerun.model.notes, *run_notes(rerun)))
    return Context(manifest["scenario"]["name"], facts, tuple(notes), {c.name: c.means for c in COMPONENTS})


def calibration_text(calibration: Calibration | None) -> str:
    """Where the twin's parameters come from."""
    if calibration is None:
        return "none; the twin knows the profile alone, its delays are defaults"
    runs = ", ".join(sorted(calibration.run_ids))
    return f"run {runs} on scenario {calibration.scenario} ({calibration.measured_utc}), not this run"


def run_notes(rerun: Rerun) -> list[str]:
    """What a reader must know about a real run."""
    name = f"{rerun.manifest['system']['name']}, seed {rerun.manifest['seed']}"
    notes = []
    if rerun.other_cores > MUCH_OTHER_CORES:
        notes.append(
            f"note: while {name} ran, {rerun.other_cores:.1f} cores of this machine did other work than serving"
        )
    return notes
