"""`sponge-bench run`: the main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.backends.choose import BACKENDS, choose_backend
from harness.backends.leftovers import find_all
from harness.backends.owner import this_process
from harness.backends.service import ServiceBackend
from harness.cli.chosen_run import RESULTS
from harness.cli.display import CAPTION, Watcher, print_whole, results_table
from harness.cli.disturbance import company, doubts
from harness.cli.simulated import SIMULATED, run_in_twin
from harness.cli.sweep_axes import names_of
from harness.errors import Interrupted, RunInvalid, bad_value, unknown_name
from harness.latency import LatencyModel
from harness.profile import ProfileRequest, obtain_profile
from harness.progress.run import OVERHEAD_S
from harness.replica.models import model_file
from harness.results import Summary, summaries
from harness.results.provenance import trace_note
from harness.run.bench import (
    Prepared,
    RunRequest,
    check_systems,
    load_traces,
    new_run_id,
    prepare,
    run_benchmark,
    seeds_of,
)
from harness.run.host import profile_host
from harness.run.twin_model import grid_of
from harness.scenario import Scenario, load_scenario
from harness.seams import Backend
from harness.traces import Trace
from systems import SYSTEMS

MUCH_OTHER_CORES = 0.6  # gateway, load generator and harness together stay well below this


def run(
    scenario: Annotated[str, typer.Argument(help="Scenario name (see `list`), or the path of a scenario TOML file.")],
    backend: Annotated[
        str, typer.Option(help="Where it runs: docker, process, simulated, or auto (docker when possible).")
    ] = "auto",
    systems: Annotated[str | None, typer.Option(help="Comma-separated systems.  [default: the scenario's]")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; every system gets each seed's plan.")] = 1,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of the seeds; the others follow it.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files, in place of a download.")] = None,
    model: Annotated[str, typer.Option(help="Built-in model or ONNX file.  [default: the scenario's]")] = "",
    base_image: Annotated[
        str | None, typer.Option(help="Base image of the containers.  [default: python:3.11-slim]")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Gateway port on 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Replay a scenario against its systems.

    Every system gets the same plan: which request, when, with which deadline.

    Latencies are printed in ms, cost in core-seconds. Writes OUT/SCENARIO/RUN/SYSTEM/seed-K/*.parquet. Exit code 4
    when a run is invalid (the load generator did not keep its schedule, or a request is unaccounted for).

    Examples:

      sponge-bench run quickstart

      sponge-bench run quickstart --backend docker --systems sponge,static-max --seeds 3
    """
    console = Console()
    if backend not in (*BACKENDS, SIMULATED):
        raise unknown_name("--backend", "backend", backend, (*BACKENDS, SIMULATED))
    chosen = load_scenario(scenario, SYSTEMS)
    names = names_of(systems, SYSTEMS) or chosen.systems
    model_file(model or chosen.service.model)
    traces = load_traces(chosen, mirror)
    say_traces(console, traces)
    request = RunRequest(chosen, names, seeds_of(seeds, first_seed), out, mirror, model, scenario)
    check_systems(request)
    session_s = 0.0 if backend == SIMULATED else chosen.plan.duration_s + OVERHEAD_S
    watch = Watcher(console, len(names) * seeds, session_s)
    if backend == SIMULATED:
        prepared, manifests = run_in_twin(request, traces, profile_host(), watch, lambda text: say(console, text))
    else:
        refuse_too_many_cores(chosen, os.cpu_count() or 1)
        place, why = choose_backend(
            backend, base_image=base_image, gateway_port=port, say=lambda text: say(console, text)
        )
        say(console, f"backend {why}")
        prepared, manifests = run_for_real(console, request, traces, place, watch)
    found = summaries(prepared.folder, names)
    print_whole(console, results_table(found))
    say(console, CAPTION)
    for line in notes_of(manifests):
        say(console, line)
    for summary in found:
        if summary.other_cores > MUCH_OTHER_CORES:
            say(console, other_load(summary))
    say(console, f"wrote {prepared.folder}")
    refuse_invalid(manifests)


def run_for_real(
    console: Console, request: RunRequest, traces: dict[str, Trace], place: ServiceBackend, watch: Watcher
) -> tuple[Prepared, list[dict[str, Any]]]:
    """Profile if need be, then run everything, one after the other."""
    run_id = new_run_id()
    say_company(console)
    with place:
        try:
            latency = latency_for(console, request, place, run_id)
        except KeyboardInterrupt as stop:
            raise Interrupted("interrupted while the model was profiled; nothing was measured yet") from stop
        prepared = prepare(request, latency, traces, run_id)
        try:
            with watch:
                return prepared, run_benchmark(prepared, traces, place, watch)
        except KeyboardInterrupt as stop:
            raise Interrupted(f"interrupted; what was measured until then is in {prepared.folder}") from stop


def say_company(console: Console) -> None:
    """Warn of other runs on this machine."""
    for line in company(find_all(), this_process()):
        say(console, line)


def refuse_too_many_cores(scenario: Scenario, host_cores: int) -> None:
    """Raise UsageError when a replica may want more cores than this machine has."""
    if scenario.cores.max_cores > host_cores:
        rule = f"this machine has {host_cores}; use --backend simulated, or lower it"
        raise bad_value(f"scenario {scenario.name}: cores", "max_cores", scenario.cores.max_cores, rule)


def latency_for(console: Console, request: RunRequest, place: Backend, run_id: str) -> LatencyModel:
    """The latency model of the service on this backend: the cached profile, or one measured now."""
    wanted = ProfileRequest(
        model=model_file(request.model or request.scenario.service.model),
        image_shape=request.scenario.service.image_shape,
        grid=grid_of(request.scenario),
        host=profile_host(),
        run_id=f"{run_id}-profile",
    )
    with console.status("profiling the model on this machine ..."):
        profile, measured = obtain_profile(wanted, place)
    when = "measured now" if measured else f"cached, of {profile.measured_utc}"
    say(console, f"profile of {profile.name}: {when}, R2 {profile.quality.r2:.4f}")
    for doubt in doubts(profile):
        say(console, doubt)
    return profile.latency


def say_traces(console: Console, traces: dict[str, Trace]) -> None:
    """Which traces a run uses; loudly when one is not measured data."""
    for trace in traces.values():
        because = trace.provenance.synthetic_because
        say(console, f"trace {trace.name}" + (f" IS SYNTHETIC: {because}" if because else ""))


def notes_of(manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader of the table must know of its plans."""
    generated = trace_note(manifests)
    return [*([f"note: {generated}"] if generated else []), *filter(None, dict.fromkeys(map(unmeetable, manifests)))]


def unmeetable(manifest: Mapping[str, Any]) -> str:
    """What of a plan no server could have met, apart from what systems did; empty when there is nothing."""
    counts = manifest["plan"]
    if not counts["unmeetable"]:
        return ""
    never = counts["never_arrived"]
    left_out = f"; {never} of these reach it after the end and are not in the table" if never else ""
    return (
        f"note: of {counts['created']} requests created (seed {manifest['seed']}) {counts['unmeetable']} could be met "
        f"by no server: they reach it at or after their deadline, and every system violates them{left_out}"
    )


def other_load(summary: Summary) -> str:
    """What to say when something else kept the machine busy."""
    return (
        f"note: while {summary.system} (seed {summary.seed}) ran, {summary.other_cores:.1f} cores of this machine did "
        "other work than serving (load generator, gateway, harness, whatever else runs here); its latencies suffer"
    )


def refuse_invalid(manifests: Sequence[Mapping[str, Any]]) -> None:
    """Raise RunInvalid naming every invalid run and why."""
    bad = [m for m in manifests if not m["valid"]]
    if bad:
        reasons = [f"{m['system']['name']} seed {m['seed']}: {'; '.join(m['invalid_reasons'])}" for m in bad]
        raise RunInvalid("invalid, not to be compared: " + " | ".join(reasons))


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    sys.stdout.flush()
