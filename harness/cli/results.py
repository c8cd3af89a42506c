"""`sponge-bench results`: the runs and sweeps that were kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.cli.chosen_run import RESULTS
from harness.cli.display import print_whole
from harness.errors import unknown_name
from harness.index import Entry, Wanted, index, runs_behind, select
from harness.index.find import parse_utc

CAPTION = (
    "run: begins with when it started, UTC; requests: planned, over all systems and seeds; commit: + when the checkout "
    "differed from it"
)


def results(
    scenario: Annotated[str, typer.Option(help="Only runs of this scenario.")] = "",
    system: Annotated[str, typer.Option(help="Only runs with this system.")] = "",
    since: Annotated[str, typer.Option(help="Only runs that started then or later: a date or time, UTC.")] = "",
    commit: Annotated[str, typer.Option(help="Only runs of this commit of the code (its first digits do).")] = "",
    valid: Annotated[bool, typer.Option("--valid", help="Only runs that may be compared.")] = False,
    figure: Annotated[Path | None, typer.Option(help="Only the runs this figure was drawn from.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = RESULTS,
) -> None:
    """List runs and sweeps, oldest first, with their folders.

    The list is kept in OUT/.index.json; what changed since is read again from the manifests.

    Examples:

      sponge-bench results --scenario quickstart --valid

      sponge-bench results --figure results/figures/cores.png
    """
    wanted = Wanted(scenario, system, parse_utc(since, "--since") if since else None, commit, valid_only=valid)
    found = select(runs_behind(figure, out) if figure else index(out), wanted)
    if as_json:
        typer.echo(json.dumps([{**asdict(e), "folder": str(e.folder), "valid": e.valid} for e in found], indent=2))
        return
    if not found:
        refuse_unknown(scenario, {entry.scenario for entry in index(out)})
        typer.echo(f"{out}: no run or sweep that matches" if out.is_dir() else f"{out}: no such folder")
        return
    console = Console()
    print_whole(console, _table(found))
    for entry in found:
        for problem in entry.problems:
            console.print(f"{entry.name} INVALID: {problem}", markup=False, highlight=False, soft_wrap=True)
        if entry.traces:
            console.print(f"{entry.name} traces: {entry.traces}", markup=False, highlight=False, soft_wrap=True)
    for text in (CAPTION, *(f"folder {entry.folder}" for entry in found[-1:])):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def refuse_unknown(scenario: str, known: set[str]) -> None:
    """Raise UsageError for a scenario nothing was run of, where something was run of others."""
    if scenario and known and scenario not in known:
        raise unknown_name("--scenario", "scenario with runs", scenario, known)


def _table(entries: Sequence[Entry]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("scenario", no_wrap=True)
    for head in ("seeds", "requests"):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("backend", "commit", "valid"):
        table.add_column(head, no_wrap=True)
    table.add_column("systems", no_wrap=True)
    for entry in entries:
        table.add_row(*_row(entry))
    return table


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.name if entry.kind == "run" else f"{entry.name} ({entry.kind})",
        entry.scenario,
        _seeds(entry.seeds),
        str(entry.planned),
        entry.backend or "?",
        entry.commit[:8] + ("+" if entry.dirty else "") or "?",
        "yes" if entry.valid else "NO",
        ", ".join(entry.systems),
    )


def _seeds(seeds: Sequence[int]) -> str:
    """1, 2, 3 -> 1-3."""
    whole = len(seeds) > 1 and seeds == tuple(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if whole else ",".join(map(str, seeds))
