"""`sponge-bench why`: where the time of violations went, and what alone would have saved them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from harness.autopsy import Examined, by_cause, examine, headline, rescue_rows, smallest_rescue, worst_stretch
from harness.autopsy.drawing import draw_stacked
from harness.cli.chosen_run import RESULTS, RUN_HELP, chosen_run
from harness.cli.display import print_whole
from harness.cli.replays import Rescues, rescues_of
from harness.errors import UsageError, unknown_name
from harness.results import run_folders
from harness.results.folders import manifest_if_any, readable_folders, some_of, unfinished_in
from harness.results.provenance import trace_note

CAUSE_CAPTION = (
    "cause: what took most of the violation's time; share: of this system's violations; typical lateness: median, of a "
    "dropped\nrequest by how much it would have missed its deadline had it been started when it was refused; when: "
    "time of creation\n(number of violations)"
)
RESCUE_CAPTION = (
    "each change alone; saved: of the violations of the unchanged replay; new: violate only with the change"
)
WORST_CAPTION = (
    "all times in ms; the parts sum to the time from creation to answer (or refusal); lateness = parts + needs - SLO; "
    "needs: predicted\nservice of a dropped request alone; network in = uplink + socket to queue"
)
SAVED_CAPTION = "saved by: the smallest change that alone saves it; what chance saves, too, may be chance"
PART_HEADS = {
    "client lag": ("client_lag_s",),
    "network\nin": ("uplink_s", "inbound_s"),
    "queueing": ("queueing_s",),
    "actuation": ("actuation_s",),
    "service": ("service_s",),
    "network\nout": ("outbound_s",),
    "needs": ("needed_s",),
}


def why(
    run: Annotated[str, typer.Argument(help=RUN_HELP)] = "",
    system: Annotated[str, typer.Option(help="Only this system.")] = "",
    seed: Annotated[int | None, typer.Option(help="Only this seed.")] = None,
    top: Annotated[
        int, typer.Option(min=0, help="How many of the latest requests are listed per system and seed.")
    ] = 5,
    whatif: Annotated[bool, typer.Option(help="Replay with one thing changed at a time.")] = True,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the stacked timelines (PNG, PDF).  [default: RUN/why]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = RESULTS,
) -> None:
    """Say why requests violated: violations by cause, what alone would have saved them, and the latest requests.

    The time of every request is split into client lag, network, queueing, actuation (an asked-for growth not yet in
    force) and service; the parts sum to the whole. docs/report.md defines them.

    Examples:

      sponge-bench why

      sponge-bench why results/quickstart/20261122T200804Z-3fdb --system static-half --top 10
    """
    folder = chosen_run(run, out)
    console = Console()
    place = figures or folder / "why"
    if left := unfinished_in(folder):
        say(console, f"note: did not end: {some_of(left)}\n")
    if note := trace_note(map(manifest_if_any, run_folders(folder))):
        say(console, f"note: {note}\n")
    for one in wanted_folders(folder, system, seed):
        examined = examine(one)
        say(console, first_line(examined))
        if len(examined.violations):
            tell(console, examined, rescues_of(console, one, examined) if whatif else Rescues(None, (), ""), top)
        say(console, f"figure: {draw(examined, place)} (and .pdf)\n")


def wanted_folders(run: Path, system: str, seed: int | None) -> list[Path]:
    """The folders of a run with results that were asked for. Raises UsageError when there is no such system or seed."""
    found = readable_folders(run)
    systems = {folder.parent.name for folder in found}
    if system and system not in systems:
        raise unknown_name(str(run), "system", system, systems)
    found = [folder for folder in found if system in ("", folder.parent.name)]
    seeds = sorted(int(folder.name.removeprefix("seed-")) for folder in found)
    if seed is not None and seed not in seeds:
        raise UsageError(f"{run}: no seed {seed}; there are {', '.join(map(str, sorted(set(seeds))))}")
    return [folder for folder in found if seed is None or folder.name == f"seed-{seed}"]


def first_line(examined: Examined) -> str:
    """Who, how many violated and how, and whether the run counts."""
    manifest = examined.manifest
    invalid = "" if manifest["valid"] else " INVALID RUN: " + "; ".join(manifest["invalid_reasons"])
    return f"{examined.system}, seed {examined.seed}: {headline(examined)}.{invalid}"


def tell(console: Console, examined: Examined, rescues: Rescues, top: int) -> None:
    """The three tables of a folder with violations."""
    found = examined.violations
    if stretch := worst_stretch(examined):
        say(console, f"{stretch}.")
    print_whole(console, cause_table(by_cause(found)))
    say(console, CAUSE_CAPTION)
    if rescues.replayed is not None:
        say(console, f"what alone would have saved them ({rescues.label})")
        print_whole(console, rescue_table(rescue_rows(rescues.replayed, rescues.changes)))
        say(console, RESCUE_CAPTION)
        found = found.assign(saved_by=saviours(found["id"], rescues))
    elif rescues.why_not:
        say(console, rescues.why_not)
    if top:
        worst = found.sort_values("lateness_s", ascending=False).head(top)
        say(console, f"the latest {len(worst)} of them")
        print_whole(console, worst_table(worst))
        say(console, WORST_CAPTION)
        if rescues.replayed is not None:
            say(console, SAVED_CAPTION)


def saviours(ids: pd.Series, rescues: Rescues) -> list[str]:
    """Of each of these requests the smallest change that alone saves it; empty where none does."""
    if rescues.replayed is None:
        return [""] * len(ids)
    saved = dict(zip(rescues.ids, smallest_rescue(rescues.replayed, rescues.changes), strict=True))
    return [saved.get(int(one), "") for one in ids]


def cause_table(rows: pd.DataFrame) -> Table:
    """Violations by cause."""
    table = _table("cause", ("violations", "share", "typical\nlateness ms"), ("when",))
    for row in rows.itertuples():
        cells = str(row.violations), f"{row.share:.1%}", ms(row.lateness_p50_s)
        table.add_row(row.cause, *cells, row.when)
    return table


def rescue_table(rows: pd.DataFrame) -> Table:
    """What every change alone would have done."""
    table = _table("change", ("violations\nleft", "saved", "share\nsaved", "new"), ("what is changed",))
    for row in rows.itertuples():
        table.add_row(row.change, str(row.violations), str(row.saved), f"{row.share:.1%}", str(row.new), row.what)
    return table


def worst_table(worst: pd.DataFrame) -> Table:
    """Requests with their parts; what would have saved them, where that is known."""
    saved = ["saved by"] if "saved_by" in worst else []
    table = _table("id", ("created s", "lateness", *PART_HEADS), ("ended", *saved))
    for _, row in worst.iterrows():
        parts = [ms(sum(row[name] for name in names)) for names in PART_HEADS.values()]
        ended = "late" if row["status"] == "served" else f"{row['status']} {row['drop_reason'] or ''}".strip()
        last = [row["saved_by"] or "-"] if saved else []
        table.add_row(str(row["id"]), f"{row['created_s']:.2f}", ms(row["lateness_s"]), *parts, ended, *last)
    return table


def draw(examined: Examined, place: Path) -> Path:
    """Write the stacked timeline; the path of the PNG."""
    figure = draw_stacked(examined, float(examined.manifest["scenario"]["plan"]["duration_s"]))
    path = place / f"{examined.system}-seed-{examined.seed}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    figure.savefig(path.with_suffix(".pdf"))
    return path


def ms(seconds: float) -> str:
    """Whole milliseconds; a dash for what is not known."""
    return "-" if pd.isna(seconds) else f"{seconds * 1e3:.0f}"


def say(console: Console, text: str) -> None:
    """Text as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(first: str, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    for head in texts:
        table.add_column(head)
    return table
