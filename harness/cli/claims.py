"""`sponge-bench claims`: the paper's claims beside what stored runs say."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.claims.table import as_json, as_markdown, as_text, claims_table
from harness.cli.chosen_run import RESULTS


class Format(StrEnum):
    """How the claims are printed."""

    table = "table"
    markdown = "markdown"
    json = "json"


NARROWEST = 100  # columns; below, the table is unreadable


def claims(
    results: Annotated[Path, typer.Option(help="Folder the runs are stored in.")] = RESULTS,
    form: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.table,
) -> None:
    """Judge the claims of the paper by stored runs: published value, ours, verdict, and why.

    Takes the newest valid run of paper-eval and the newest sweep (or run) of honest-eval and mixed-eval. Simulates
    nothing and needs no traces. The rules of the verdicts are in docs/claims.md.

    Examples:

      sponge-bench claims

      sponge-bench claims --format markdown > claims.md
    """
    table = claims_table(results)
    if form is Format.table:
        typer.echo(as_text(table, max(NARROWEST, Console().width)))
    else:
        typer.echo(as_markdown(table) if form is Format.markdown else as_json(table))
