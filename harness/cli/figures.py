"""`sponge-bench figures`: the paper's figures from stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.chosen_run import RESULTS
from harness.figures.paper import FIGURES, draw_figures


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help=f"Which; all without. One of: {', '.join(FIGURES)}.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder the runs are stored in.")] = RESULTS,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; RESULTS/figures without.")] = None,
) -> None:
    """Draw the figures of the paper from stored runs: PDF, PNG, caption and a JSON file naming the runs.

    Takes the newest valid run of each scenario. Simulates nothing and needs no traces. A figure whose runs are missing
    is skipped with one line that says which command makes them.

    Examples:

      sponge-bench figures

      sponge-bench figures timeline pareto --out /tmp/figures
    """
    folder = out or results / "figures"
    for written in draw_figures(results, folder, names or ()):
        if written.skipped:
            typer.echo(f"{written.name}: skipped: {written.skipped}")
        else:
            typer.echo(f"{written.name}: wrote {written.files[0].with_suffix('')}{{.pdf,.png,.md,.json}}")
