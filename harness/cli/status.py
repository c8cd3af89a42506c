"""`sponge-bench status` and `watch`: a running or finished run in the terminal."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.backends.owner import parse_owner
from harness.cli.chosen_run import RESULTS, RUN_HELP, chosen_run
from harness.cli.display import print_whole
from harness.progress import RunState, SessionState, read_run
from harness.steps.pace import clock

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
BLOCKS = " ▁▂▃▄▅▆▇█"
SERIES_WIDTH = 60
PIPED_COLUMNS = 150
CAPTION = (
    "requests: answered of planned; violations: dropped, failed or late, of the answered; rate, queue, least: as ticks "
    "saw them, between them a queue may be longer; cores: in force"
)
STYLES = {"done": "green", "running": "bold", "starting": "", "invalid": "red", "interrupted": "red"}


def status(
    run: Annotated[str, typer.Argument(help=RUN_HELP)] = "",
    out: Annotated[Path, typer.Option(help="Folder of results.")] = RESULTS,
) -> None:
    """Show per system how far a run is: requests, violations, rate, cores, batch and queue.

    Works while another process runs the benchmark, and afterwards. Reads only.

    Examples:

      sponge-bench status

      sponge-bench status results/quickstart/20261122T200804Z-3fdb
    """
    print_whole(Console(), render(read_run(chosen_run(run, out), is_alive)))


def watch(
    run: Annotated[str, typer.Argument(help=RUN_HELP)] = "",
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = RESULTS,
) -> None:
    """Show a run as it goes, until it ends. Ctrl-C stops watching, not the run.

    Examples:

      sponge-bench watch

      sponge-bench watch results/quickstart/20261122T200804Z-3fdb --every 5
    """
    folder, console = chosen_run(run, out), Console()
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    try:
        follow(folder, console, every)
    except KeyboardInterrupt:
        console.print("\nno longer watching; the run goes on", markup=False)


def follow(folder: Path, console: Console, every_s: float) -> RunState:
    """Show the run until it is over; its last state."""
    state = read_run(folder, is_alive)
    with Live(render(state), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not state.is_over:
            time.sleep(every_s)
            state = read_run(folder, is_alive)
            live.update(render(state), refresh=True)
    if not console.is_terminal:
        console.line()  # a live display ends its last line on a terminal only
    return state


def is_alive(owner: str) -> bool:
    """Whether the harness process a manifest names still runs."""
    found = parse_owner(owner)
    return found is not None and found.is_alive()


def render(state: RunState) -> RenderableType:
    """The run as a headline, a table of its sessions, and the course of the one that runs or ended last."""
    if not state.sessions:
        return Text(f"{state.folder}: nothing written yet")
    shown = next((one for one in state.sessions if not one.is_over), state.sessions[-1])
    parts: list[RenderableType] = [Text(headline(state), style="bold"), sessions_table(state), course(shown)]
    problems = [f"{one.system} seed {one.seed}: {'; '.join(one.reasons)}" for one in state.sessions if one.reasons]
    parts += [*(Text(problem, style="red") for problem in problems), Text(CAPTION, style="dim")]
    if state.traces:
        parts.append(Text(f"note: {state.traces}"))
    if not state.is_over and shown.duration_s:
        done_s = min(shown.t_s, shown.duration_s)
        bar = Table.grid()  # a bar alone ends no line
        bar.add_row(ProgressBar(total=shown.duration_s, completed=done_s, width=SERIES_WIDTH))
        parts.append(bar)
    return Group(*parts)


def headline(state: RunState) -> str:
    """Which run, how far, how long still."""
    expected = f" of {state.expected}" if state.expected else ""
    place = f"{state.scenario} {state.folder.name} ({state.backend or 'backend not yet known'})"
    if state.is_over:
        short = state.expected and state.ended < state.expected
        return f"{place}: {'stopped' if short else 'over'}, {state.ended}{expected} sessions ended"
    left_s = state.left_s()
    left = f", about {clock(left_s)} left" if left_s is not None else ""
    return f"{place}: running, {state.ended}{expected} sessions ended{left}"


def sessions_table(state: RunState) -> Table:
    """One line per session."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("system", no_wrap=True)
    for head in ("seed", "state", "time s", "requests", "violations", "rate/s", "cores", "batch", "queue", "least ms"):
        table.add_column(head, justify="left" if head == "state" else "right", no_wrap=True)
    for one in state.sessions:
        table.add_row(one.system, str(one.seed), Text(one.state, style=STYLES[one.state]), *cells(one))
    return table


def cells(one: SessionState) -> tuple[str, ...]:
    """The numbers of a session."""
    share = f" {one.violations / one.answered:.2%}" if one.answered else ""
    cores = (
        "-" if math.isnan(one.cores) else f"{one.replicas or 1}x{one.cores:g}" if one.replicas > 1 else f"{one.cores:g}"
    )
    return (
        f"{min(one.t_s, one.duration_s):.0f}/{one.duration_s:g}",
        f"{one.answered}/{one.planned}" if one.planned else str(one.answered),
        f"{one.violations}{share}",
        number(one.rate_rps),
        cores,
        str(one.batch_size or "-"),
        str(one.queue_length),
        number(one.min_budget_s * 1e3, digits=0),
    )


def course(one: SessionState) -> RenderableType:
    """Violations, cores and queue of a session over its time, as small charts."""
    if not one.duration_s or not len(one.tick_s):
        return Text("")
    edges_s = np.linspace(0.0, one.duration_s, SERIES_WIDTH + 1)
    missed = np.histogram(one.violation_times_s, edges_s)[0].astype(float)
    place = np.clip(np.searchsorted(edges_s, one.tick_s, side="right") - 1, 0, SERIES_WIDTH - 1)
    upto = min(int(SERIES_WIDTH * one.t_s / one.duration_s) + 1, SERIES_WIDTH)
    lines = [f"{one.system}, seed {one.seed}, 0 to {one.duration_s:g} s"]
    for name, series, unit in (
        ("violations", missed, "most per bar"),
        ("cores", held(place, one.cores_series), "most"),
        ("queue", held(place, one.queue_series), "longest"),
    ):
        lines.append(f"{name:>10} {bars(series[:upto])} {unit} {series[:upto].max(initial=0.0):g}")
    return Text("\n".join(lines))


def held(place: Places, values: Floats) -> Floats:
    """The largest value of each bar; a bar without a decision holds the value before it."""
    series = np.full(SERIES_WIDTH, np.nan)
    for bar, value in zip(place.tolist(), values.tolist(), strict=True):
        series[bar] = np.fmax(series[bar], value)
    known = np.flatnonzero(~np.isnan(series))
    at = np.maximum(np.searchsorted(known, np.arange(SERIES_WIDTH), side="right") - 1, 0)
    filled: Floats = np.nan_to_num(series[known[at]])
    return filled


def bars(values: Floats) -> str:
    """One block character per value; what is not zero is never shown as nothing."""
    peak = values.max(initial=0.0) or 1.0
    levels = np.ceil(values / peak * (len(BLOCKS) - 1)).astype(int)
    return "".join(BLOCKS[level] for level in levels)


def number(value: float, digits: int = 1) -> str:
    """A number, or a dash."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
