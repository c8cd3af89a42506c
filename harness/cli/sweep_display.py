"""What a person sees of a sweep: how far it is, and its table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from harness.run.sweep_spec import shown

PLAIN_EVERY_S = 10.0  # without a terminal: a line this often, for logs
NUMBERS = ("n", "violations %", "least .. most", "late", "p99 ms", "cores")
CAPTION = (
    "means over the n seeds of a point. violations: dropped, failed or received after the deadline, of all planned\n"
    "requests; late: served late, of the violations of all seeds; p99: creation to answer, of served requests; cores:\n"
    "granted, mean over the plan"
)
WIDTH = 150  # where there is no terminal
Show = Callable[[int, str], None]


@contextmanager
def shown_while(console: Console, many: int) -> Iterator[Show]:
    """Progress with the time left; a line now and then where there is no terminal."""
    if not console.is_terminal:
        yield _plain(console, many)
        return
    columns = (
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("elapsed,"), TimeRemainingColumn(),
        TextColumn("left  {task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, speed_estimate_period=300.0) as progress:
        task = progress.add_task("", total=many)
        yield lambda done, text: progress.update(task, completed=done, description=text)


def _plain(console: Console, many: int) -> Show:
    began_s = time.monotonic()
    said_s = [began_s]

    def show(done: int, text: str) -> None:
        now_s = time.monotonic()
        if now_s - said_s[0] < PLAIN_EVERY_S and done < many:
            return
        said_s[0] = now_s
        left_s = (now_s - began_s) / done * (many - done)
        console.print(
            f"[{done}/{many}] {text}; about {left_s:.0f} s left", markup=False, highlight=False, soft_wrap=True
        )

    return show


def sweep_table(rows: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> Table:
    """One line per point and system: means over the seeds, with the spread of the violations."""
    frame = pd.DataFrame([{**row, **{axis: shown(row[axis]) for axis in axes}} for row in rows])
    varied = [name for name in ("case", *axes) if frame[name].nunique() > 1]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in [*map(_short, varied), "system", *NUMBERS]:
        table.add_column(head, justify="right" if head in NUMBERS else "left", no_wrap=True)
    for key, group in frame.groupby([*varied, "system"], sort=False):
        table.add_row(*map(str, key), *_numbers(group))
    return table


def _numbers(group: pd.DataFrame) -> list[str]:
    percent = 100 * group["violation_rate"]
    return [
        str(len(group)),
        f"{percent.mean():.2f}",
        f"{percent.min():.2f} .. {percent.max():.2f}" if len(group) > 1 else "",
        f"{group['late'].sum()}/{group['violations'].sum()}",
        f"{1e3 * group['p99_s'].mean():.0f}",
        f"{group['mean_cores'].mean():.2f}",
    ]


def _short(name: str) -> str:
    """The last part of a dotted key."""
    return name.rpartition(".")[2]
