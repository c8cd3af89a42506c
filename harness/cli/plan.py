"""`sponge-bench plan`: build a scenario's plan and say what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from harness.plan import Plan, build_plan
from harness.run.bench import load_traces, write_plan
from harness.scenario import load_scenario
from systems import SYSTEMS


def plan(
    scenario: Annotated[str, typer.Argument(help="Scenario name, or the path of a scenario TOML file.")],
    seed: Annotated[int, typer.Option(help="Seed of arrivals and clients.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder that gets plans/seed-<k>/plan.parquet.  [default: write nothing]")
    ] = None,
    mirror: Annotated[Path | None, typer.Option(help="Folder with the traces' files.")] = None,
) -> None:
    """Show what is in a scenario's plan.

    Which request is sent when, with which deadline. Times in ms, from creation.

    Examples:

      sponge-bench plan quickstart

      sponge-bench plan quickstart --seed 7 --out /tmp/plans
    """
    chosen = load_scenario(scenario, SYSTEMS)
    traces = load_traces(chosen, mirror)
    built = build_plan(chosen.plan, traces, seed)
    Console().print(_table(built, f"{chosen.name}, seed {seed}"))
    for trace in traces.values():
        note = trace.provenance.synthetic_because
        typer.echo(
            f"trace {trace.name}" + (f" (not measured data: {note})" if note else f" ({trace.provenance.licence})")
        )
    typer.echo(f"plan sha256 {built.plan_sha256}")
    if out is not None:
        typer.echo(f"wrote {write_plan(out, built)}")


def _table(built: Plan, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for head in ("", "min", "p50", "p95", "p99", "max"):
        table.add_column(head, justify="left" if not head else "right")
    budget_s = built.columns["deadline_s"] - built.columns["due_s"]
    for name, values_s in (("uplink ms", built.columns["uplink_s"]), ("budget at the server ms", budget_s)):
        quantiles = np.quantile(values_s, (0, 0.5, 0.95, 0.99, 1)).tolist() if len(values_s) else [0.0] * 5
        table.add_row(name, *(f"{value * 1e3:.1f}" for value in quantiles))
    counts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in built.counts().items())
    table.caption = f"{counts}; {len(built) / max(built.end_s, 1e-9):.1f} requests/s on average"
    return table
