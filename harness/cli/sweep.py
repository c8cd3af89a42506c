"""`sponge-bench sweep`: a grid over the keys of a scenario, in the twin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console

from harness.cli.chosen_run import RESULTS
from harness.cli.run import say, say_traces
from harness.cli.sweep_axes import axes_of, names_of
from harness.cli.sweep_display import CAPTION, WIDTH, shown_while, sweep_table
from harness.cli.sweep_row import measure
from harness.errors import Interrupted, RunInvalid
from harness.kernel import VARIABLE
from harness.replica.models import ModelFile, model_file
from harness.run.bench import Prepared, RunRequest, load_traces, prepare, seeds_of
from harness.run.host import code_facts, profile_host
from harness.run.session import utc_now
from harness.run.simulated import default_jobs
from harness.run.sweep import Job, Point, is_finished, jobs_of, point_of, rows_of, run_jobs, write_whole
from harness.run.sweep_spec import PointSpec, SweepSpec, points_of, sweep_of
from harness.run.twin_model import TwinModel, twin_model
from harness.scenario import Scenario, read_scenario, scenario_from
from harness.stored.sweeps import hpa_note
from harness.tables import write_parquet
from systems import SYSTEMS


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sweep is of, with the flags. specs: every point; base: the scenario as its file says."""

    base: Scenario
    sweep: SweepSpec
    specs: tuple[PointSpec, ...]

    def systems(self) -> tuple[str, ...]:
        """All systems that run in some point, in order."""
        return tuple(dict.fromkeys(name for spec in self.specs for name in spec.systems))


def sweep(
    scenario: Annotated[str, typer.Argument(help="Scenario name (see `list`), or the path of a scenario TOML file.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An axis: dotted key = values, comma-separated. May be repeated.")
    ] = None,
    systems: Annotated[str | None, typer.Option(help="Comma-separated systems.  [default: the scenario's]")] = None,
    seeds: Annotated[
        int, typer.Option(min=0, show_default=False, help="How many seeds.  [default: the scenario's sweep, else 1]")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=0, show_default=False, help="Processes.  [default: one per core]")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files, in place of a download.")] = None,
    *,
    keep_rows: Annotated[bool, typer.Option("--keep-rows", help="Keep every point's rows, below the sweep.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do finished points anew, too.")] = False,
) -> None:
    """Simulate a scenario at every point of a grid over its keys.

    The grid is the scenario's own `[sweep]` table; --set adds an axis to it, or replaces one. Every point runs every
    system on every seed, in virtual time, on all cores. What is finished stays: after Ctrl-C, or with more values or
    seeds, only what is missing is done; after a change of the code, all is.

    Writes OUT/SCENARIO/SWEEP/sweep.parquet: a row per point, system and seed, times in seconds, cost in core-seconds.

    Examples:

      sponge-bench sweep cold-start

      sponge-bench sweep quickstart --set plan.arrivals.rate_rps=10,20,40 --set plan.slo_s=0.5,1.0 --seeds 5
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    asked = asked_for(scenario, set_ or [], systems, seeds)
    prepared, points = ready(console, asked, out, mirror)
    todo = jobs_of(points, seeds_of(asked.sweep.seeds), measure, keep_rows=keep_rows)
    missing = [job for job in todo if fresh or not is_finished(job)]
    say(
        console,
        f"{len(points)} points, {len(todo)} runs: {len(todo) - len(missing)} finished before, {len(missing)} to do",
    )
    facts = facts_of(asked, prepared, points)
    write_whole(prepared.folder / "sweep.json", facts)
    do(console, missing, jobs or default_jobs(max(1, len(missing))))
    rows = rows_of(todo)
    conclude(prepared.folder, facts, rows)
    console.print(sweep_table(rows, list(asked.sweep.axes)))
    say(console, CAPTION)
    if note := hpa_note(asked.systems(), asked.base.plan.duration_s):
        say(console, f"note: {note}")
    say_doubts(console, rows)
    say(console, f"wrote {prepared.folder / 'sweep.parquet'}")


def asked_for(scenario: str, set_: Sequence[str], systems: str | None, seeds: int) -> Asked:
    """The sweep of a scenario's file, with the flags. Raises UsageError."""
    table, place = read_scenario(scenario)
    own = sweep_of(table, place)
    spec = replace(own, axes={**own.axes, **axes_of(set_)}, seeds=seeds or own.seeds)
    spec.validate("--set")
    specs = points_of(table, spec, place, SYSTEMS, names_of(systems, SYSTEMS))
    return Asked(scenario_from(table, place, SYSTEMS), spec, tuple(specs))


def ready(console: Console, asked: Asked, out: Path, mirror: Path | None) -> tuple[Prepared, list[Point]]:
    """Everything checked, nothing begun: latency models, traces, systems. Raises UsageError."""
    file_of = cache(model_file)
    models = models_of(asked, file_of)
    request = RunRequest(asked.base, asked.systems(), seeds_of(asked.sweep.seeds), out, mirror)
    traces = {name: trace for s in asked.specs for name, trace in load_traces(s.scenario, mirror).items()}
    base_traces = {name: traces[name] for name in asked.specs[0].scenario.plan.trace_names()}
    say_traces(console, traces)
    for model in {json.dumps(dict(model.source)): model for model in models}.values():
        say(console, f"virtual time, latency profile {' '.join(map(str, model.source.values()))}")
        for note in model.notes:
            say(console, note)
    first = replace(request, scenario=asked.specs[0].scenario)
    shared = prepare(first, models[0].latency, base_traces, sweep_id(asked, models))
    points = []
    for spec, model in zip(asked.specs, models, strict=True):
        base = replace(shared, model=file_of(spec.scenario.service.model))
        points.append(point_of(spec, base, model))
    return shared, points


def models_of(asked: Asked, file_of: Callable[[str], ModelFile]) -> list[TwinModel]:
    """The twin's model at every point; each is read once. Raises UsageError."""
    host = profile_host()

    @cache
    def model_at(published: str, service_model: str) -> TwinModel:
        like = next(
            s.scenario
            for s in asked.specs
            if (s.scenario.profile.published, s.scenario.service.model) == (published, service_model)
        )
        return twin_model(like, file_of(service_model).name, host)

    return [model_at(s.scenario.profile.published, s.scenario.service.model) for s in asked.specs]


def sweep_id(asked: Asked, models: Sequence[TwinModel]) -> str:
    """The same for the same sweep, so that it can be taken up again."""
    shas = [[spec.scenario.sha256, spec.case, list(spec.systems)] for spec in asked.specs]
    sources = [dict(model.source) for model in models]
    digest = sha256(json.dumps([shas, sources, asked.sweep.seeds], sort_keys=True).encode())
    return f"sweep-{digest.hexdigest()[:12]}"


def facts_of(asked: Asked, prepared: Prepared, points: Sequence[Point]) -> dict[str, Any]:
    """What sweep.json says."""
    return {
        "sweep": prepared.run_id,
        "scenario": asked.base.resolved(),
        "scenario_sha256": asked.base.sha256,
        "spec": asdict(asked.sweep),
        "systems": list(asked.systems()),
        "seeds": list(seeds_of(asked.sweep.seeds)),
        "backend": "simulated",
        "points": [
            {
                "case": point.spec.case,
                "values": dict(point.spec.values),
                "systems": list(point.spec.systems),
                "scenario_sha256": point.spec.scenario.sha256,
                "key": point.key,
                "latency": dict(point.model.source),
                "traces": point.base.common["traces"],
            }
            for point in points
        ],
        **code_facts(),
        "started_utc": utc_now(),
    }


def do(console: Console, missing: Sequence[Job], processes: int) -> None:
    """Do what is missing. Raises Interrupted saying how much is left."""
    os.environ.setdefault(VARIABLE, "compiled")  # for the processes to come
    done = 0
    try:
        with shown_while(console, len(missing)) as show:
            for job in run_jobs(missing, processes):
                done += 1
                show(done, job.describe())
    except KeyboardInterrupt as stop:
        left = len(missing) - done
        raise Interrupted(f"interrupted with {left} of {len(missing)} runs to do; the same command goes on") from stop


def conclude(folder: Path, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write sweep.parquet, and close sweep.json. A list in an axis becomes text: a column has one type."""
    plain = [{key: json.dumps(v) if isinstance(v, list) else v for key, v in row.items()} for row in rows]
    marks = {"sweep": str(facts["sweep"]), "scenario_sha256": str(facts["scenario_sha256"])}
    write_parquet(folder / "sweep.parquet", pa.Table.from_pylist(plain), marks)
    ended = {"ended_utc": utc_now(), "planned": sum(row["planned"] for row in rows)}
    write_whole(folder / "sweep.json", {**facts, **ended, "valid": all(row["valid"] for row in rows)})


def say_doubts(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """What a reader must know. Raises RunInvalid when a row must not be used."""
    commits = {row["git_commit"] for row in rows}
    if len(commits) > 1:
        say(console, f"note: rows made at {len(commits)} commits (column git_commit), by the same deciding code")
    if any(row["synthetic_trace"] for row in rows):
        say(console, "note: some points ran over a SYNTHETIC trace (column synthetic_trace)")
    if bad := [row for row in rows if not row["valid"]]:
        raise RunInvalid(f"{len(bad)} of {len(rows)} rows are invalid (column valid), not to be compared")
