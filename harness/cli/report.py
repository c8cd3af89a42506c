"""`sponge-bench report`: one self-contained HTML page about a run."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.cache import cache_dir
from harness.cli.chosen_run import RESULTS, RUN_HELP, chosen_run
from harness.cli.disturbance import doubts
from harness.cli.replays import rescues_of
from harness.latency import LatencyModel
from harness.profile.store import load_profile
from harness.report import Gathered, Member, gather, render
from harness.report.gather import Replayed


def report(
    run: Annotated[str, typer.Argument(help=RUN_HELP)] = "",
    file: Annotated[Path | None, typer.Option("--out", help="HTML file to write.  [default: RUN/report.html]")] = None,
    whatif: Annotated[bool, typer.Option(help="Replay violations with one thing changed at a time.")] = True,
    results: Annotated[Path, typer.Option(help="Folder of results, where a run's id is looked up.")] = RESULTS,
) -> None:
    """Write one HTML page about a run: conclusion, results, figures, timelines, why it violated, checks, manifest.

    The page needs nothing but itself: no network, no other file. docs/report.md says how each number comes about.

    Examples:

      sponge-bench report

      sponge-bench report results/quickstart/20261122T200804Z-3fdb --out quickstart.html
    """
    folder = chosen_run(run, results)
    gathered, console = gather(folder), Console(stderr=True)
    replayed = {(m.system, m.seed): replayed_of(console, m) for m in gathered.shown()} if whatif else {}
    page = render(replace(gathered, replayed=replayed, notes=profile_notes(gathered)), version("sponge-bench"))
    path = file or folder / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    typer.echo(f"wrote {path} ({len(page.encode()) / 1e6:.1f} MB)")


def replayed_of(console: Console, member: Member) -> Replayed:
    """The replays of a member, as the page takes them."""
    found = rescues_of(console, member.folder, member.examined)
    return Replayed(found.replayed, found.changes, found.label, found.why_not, found.ids)


def profile_notes(run: Gathered) -> tuple[str, ...]:
    """Why the latency profile behind a run should not be trusted, if it is still cached."""
    latency = LatencyModel.from_dict(run.facts["latency"])
    paths = sorted((cache_dir() / "profiles").glob(f"{latency.name}-*.json")) if latency.grid else []
    profiles = (load_profile(path) for path in paths)
    found = next((p for p in profiles if p is not None and p.latency == latency), None)
    if found is None:
        return ()
    return tuple(f"Latency profile of {found.name}: {text.removeprefix('note: ')}" for text in doubts(found))
