"""`sponge-bench compare`: who is better, by how much, and what these runs cannot tell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from rich.console import Console

from harness.cli.chosen_run import RESULTS, chosen_run
from harness.cli.display import print_whole
from harness.compare import (
    METRICS,
    NAMES,
    Report,
    as_frame,
    as_markdown,
    as_table,
    compare_runs,
    footnotes,
    heading,
    sections,
    with_margins,
)
from harness.errors import UsageError
from harness.tables import write_parquet

WIDTH = 150  # of the table where there is no terminal to ask


class Format(StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    PARQUET = "parquet"


SUFFIX = {Format.TABLE: "txt", Format.MARKDOWN: "md", Format.CSV: "csv", Format.PARQUET: "parquet"}


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs (OUT/SCENARIO/RUN), or their ids (see `results`)."),
    ],
    baseline: Annotated[str, typer.Option(help="System the others are compared with.  [default: static-max]")] = "",
    margin: Annotated[
        list[str] | None,
        typer.Option(
            help="METRIC=VALUE or METRIC=VALUE%: difference too small to matter; may be repeated. One of: "
            f"{', '.join(NAMES)}."
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How the comparison is written.")] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.txt, .md, .csv or .parquet.  [default: print]")
    ] = None,
) -> None:
    """Compare the systems of one or more runs with a baseline, paired by plan.

    The unit is the run (trace window x seed). Per metric: difference and ratio with 95 % intervals, effect sizes, the
    Holm-corrected p of an exact test where one can reject, and a verdict. A single plan gets intervals within this run,
    and then each run by itself: its rates, tail, cost, clients and budgets. Runs that are not alike are refused, and
    so are invalid ones (exit code 4).

    Examples:

      sponge-bench compare results/quickstart/20261122T2*

      sponge-bench compare RUN --baseline sponge --margin violation_rate=0.5 --margin granted_core_s=3%

      sponge-bench compare RUN --format csv --out tables
    """
    folders = [chosen_run(str(run), RESULTS) for run in runs]
    report = compare_runs(folders, baseline, with_margins(METRICS, margin or ()))
    if out is None:
        show(report, output)
        return
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"comparison.{SUFFIX[output]}"
    write(report, output, path)
    typer.echo(f"wrote {path}")


def show(report: Report, output: Format) -> None:
    """Print a comparison. Raises UsageError for Parquet, which no terminal shows."""
    if output is Format.PARQUET:
        raise UsageError("--format = 'parquet'; needs --out FOLDER")
    if output is Format.TABLE:
        console = Console()
        print_table(report, console if console.is_terminal else Console(width=WIDTH))
    else:
        typer.echo(as_markdown(report) if output is Format.MARKDOWN else as_frame(report).to_csv(index=False), nl=False)


def write(report: Report, output: Format, path: Path) -> None:
    """Write a comparison to a file."""
    if output is Format.TABLE:
        with path.open("w", encoding="utf-8") as file:
            print_table(report, Console(file=file, width=WIDTH))
    elif output is Format.PARQUET:
        write_parquet(path, pa.Table.from_pandas(as_frame(report), preserve_index=False))
    else:
        text = as_markdown(report) if output is Format.MARKDOWN else as_frame(report).to_csv(index=False)
        path.write_text(text, encoding="utf-8")


def print_table(report: Report, console: Console) -> None:
    """The comparison for a terminal."""
    console.print(heading(report), markup=False, highlight=False, soft_wrap=True)
    for section in sections(report):
        console.print()
        console.print(section.heading, style="bold", markup=False, highlight=False)
        print_whole(console, as_table(section))
    console.print()
    for line in footnotes(report):
        console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
