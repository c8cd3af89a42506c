"""`sponge-bench oracle`: the floor of a scenario, a schedule near it, and every system of a run beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness.cli.chosen_run import RESULTS
from harness.cli.display import Watcher
from harness.cli.run import say
from harness.cli.simulated import run_in_twin
from harness.errors import UsageError
from harness.results import finished_manifest, summarise
from harness.results.folders import ended_folders, some_of, unfinished_in
from harness.run.bench import RunRequest, check_systems, load_traces
from harness.run.host import profile_host
from harness.run.oracle import (
    ORACLE,
    Account,
    Spent,
    add_oracle,
    floor_of,
    model_of_run,
    most_replicas,
    refuse_other_code,
    scenario_of,
    write_account,
    write_prices,
)
from harness.scenario import load_scenario
from systems import SYSTEMS

CAPTION = (
    "floor: certified core-seconds that no run with as many violations stays under, whatever its policy. One replica,\n"
    "resized in place; for systems that had several replicas, of any scaling (efficiency alone, a lower floor).\n"
    "ratio: granted / floor. Granted core-seconds over the plan's duration; violations of all planned requests"
)


def oracle(
    scenario: Annotated[str, typer.Argument(help="Scenario name, or the path of a scenario TOML file.")] = "",
    run: Annotated[
        Path | None, typer.Option(help="Folder of a finished simulated run, in place of a scenario.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed.  [default: 1, or all of the run]")] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files.")] = None,
) -> None:
    """Compute the floor: the least core-seconds that meet the deadlines, knowing the whole plan.

    Prints a certified lower bound, an achievable clairvoyant schedule (replayed in the twin), the gap between them,
    and every system of the run beside the floor. Writes oracle.json into the run's folder and the schedule's rows
    beside the other systems'. A scenario is first run in the twin with all cores beside the oracle; with --run, the
    systems of that run are compared.

    Examples:

      sponge-bench oracle quickstart

      sponge-bench oracle --run results/honest-eval/20261122T220611Z-f305
    """
    console = Console()
    if (run is None) == (not scenario):
        raise UsageError("oracle: give either a scenario or --run FOLDER")
    folder = run if run is not None else simulated(console, scenario, 1 if seed is None else seed, out, mirror)
    if left := [name for name in unfinished_in(folder) if not name.startswith(f"{ORACLE}/")]:
        say(console, f"note: did not end, and is left out: {some_of(left)}")
    entries = [one_seed(console, folder, k, mirror) for k in seeds_in(folder, seed)]
    path = write_account(folder, entries)
    for entry in entries:
        tell(console, entry)
    say(console, CAPTION)
    say(console, f"wrote {path}")


def simulated(console: Console, scenario: str, seed: int, out: Path, mirror: Path | None) -> Path:
    """A new run of the oracle and of all cores; its folder."""
    chosen = load_scenario(scenario, SYSTEMS)
    systems = ("static-max", ORACLE)
    request = RunRequest(chosen, systems, (seed,), out, mirror, asked=scenario)
    check_systems(request)
    watch = Watcher(console, len(systems), 0.0)
    traces = load_traces(chosen, mirror)
    return run_in_twin(request, traces, profile_host(), watch, lambda text: say(console, text))[0].folder


def seeds_in(folder: Path, seed: int | None) -> list[int]:
    """The seeds to look at. Raises UsageError when the run has none, or not the one asked for."""
    found = sorted({int(path.name.removeprefix("seed-")) for path in ended_folders(folder)})
    if seed is not None and seed not in found:
        raise UsageError(f"--seed = {seed}; {folder} has {', '.join(map(str, found))}")
    return found if seed is None else [seed]


def one_seed(console: Console, folder: Path, seed: int, mirror: Path | None) -> dict[str, Any]:
    """Everything about one seed of a run; the oracle is simulated when the run does not have it."""
    folders = [path for path in ended_folders(folder) if path.name == f"seed-{seed}"]
    own = folder / ORACLE / f"seed-{seed}"
    manifest = finished_manifest(next((path for path in folders if path != own), own))
    if manifest["backend"].get("backend") != "simulated":
        raise UsageError(f"{folder}: is not a simulated run; the floor is one of the twin")
    model = model_of_run(folder, manifest)
    if own in folders:
        refuse_other_code(folder, manifest, finished_manifest(own).get("git_commit"))
    else:
        with console.status(f"seed {seed}: searching a schedule ..."):
            add_oracle(folder, manifest, model, load_traces(scenario_of(manifest), mirror))
        folders.append(own)
    with console.status(f"seed {seed}: proving the floor ..."):
        found = Account.of(floor_of(folder, finished_manifest(own), model))
    entry = found.entry(finished_manifest(own), [spent_by(path) for path in folders])
    write_prices(own, found.floor, found.proven, entry["schedule"]["violations"] - entry["unmeetable"])
    return entry


def spent_by(folder: Path) -> Spent:
    """What a system of a run spent."""
    summary = summarise(folder)
    return Spent(summary.system, summary.violations, summary.granted_core_s, most_replicas(folder))


def tell(console: Console, entry: Mapping[str, Any]) -> None:
    """Print one seed."""
    own = entry["schedule"]
    say(console, f"seed {entry['seed']}, {entry['planned']} requests planned, {entry['unmeetable']} of them unmeetable")
    say(
        console,
        f"certified floor   {entry['bound_core_s']:9.1f} core-s ({entry['bound_cores']:.2f} cores on average) "
        f"with {own['violations']} violations",
    )
    gap = "" if entry["gap"] is None else f", {entry['gap']:.1%} above the floor"
    say(
        console,
        f"clairvoyant run   {own['granted_core_s']:9.1f} core-s ({own['mean_cores']:.2f} cores on average) "
        f"with {own['violations']} violations{gap}",
    )
    say(console, f"any scaling       {entry['any_scaling_core_s']:9.1f} core-s at least, with as many")
    say(console, f"violations        {entry['fewest_violations']:9d} at least, for one replica on all cores")
    if entry["typical"] is not None:
        say(console, typical_line(entry))
    console.print(_table(entry))


def typical_line(entry: Mapping[str, Any]) -> str:
    """What to say where service times are drawn."""
    typical = entry["typical"]
    return (
        f"service times are drawn: the certified floor takes every batch to be the luckiest "
        f"({entry['least_ratio']:.3f} of the fitted time); if each took the mean ({typical['ratio']:.3f}) the floor "
        f"were {typical['core_s']:.1f} core-s, which the oracle, who knows the draws, may pass"
    )


def _table(entry: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("system", "violations", "granted\ncore-s", "floor\ncore-s", "ratio", "floor of"):
        table.add_column(head, justify="left" if head in ("system", "floor of") else "right", no_wrap=True)
    for row in sorted(entry["systems"], key=lambda row: float(row["granted_core_s"])):
        table.add_row(row["system"], *_numbers(row, entry["planned"]), row["floor"])
    return table


def _numbers(row: Mapping[str, Any], planned: int) -> list[str]:
    share = row["violations"] / planned if planned else 0.0
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
    missed = f"{share:.2%} {row['violations']}/{planned}"
    return [missed, f"{row['granted_core_s']:.1f}", f"{row['floor_core_s']:.1f}", ratio]
