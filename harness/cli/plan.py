"""`sponge-bench plan`: build a scenario's plan and say what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.plan import PlanSummary
from harness.run.bench import load_traces
from harness.run.plans import plan_path, survey_plan, write_plan
from harness.scenario import load_scenario
from systems import SYSTEMS

SHARES = (("min", 0.0), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def plan(
    scenario: Annotated[str, typer.Argument(help="Scenario name, or the path of a scenario TOML file.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of arrivals and clients.")] = 1,
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
    if out is None:
        summary = survey_plan(chosen.plan, traces, seed)
    else:
        summary = write_plan(plan_path(out, seed), chosen.plan, traces, seed)
    Console().print(_table(summary, f"{chosen.name}, seed {seed}"))
    for trace in traces.values():
        note = trace.provenance.synthetic_because
        typer.echo(
            f"trace {trace.name}" + (f" (not measured data: {note})" if note else f" ({trace.provenance.licence})")
        )
    typer.echo(_counts(summary, chosen.plan.duration_s))
    typer.echo(f"plan sha256 {summary.plan_sha256}")
    if out is not None:
        typer.echo(f"wrote {plan_path(out, seed)}")


def _table(summary: PlanSummary, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for head in ("", *(name for name, _ in SHARES)):
        table.add_column(head, justify="left" if not head else "right")
    for name, quantile_s in (("uplink ms", summary.uplink_s), ("budget at the server ms", summary.budget_s)):
        table.add_row(name, *(f"{quantile_s(share) * 1e3:.1f}" for _, share in SHARES))
    return table


def _counts(summary: PlanSummary, duration_s: float) -> str:
    counts = summary.counts()
    return (
        f"{counts['created']} requests created in {duration_s:g} s ({counts['created'] / duration_s:.1f}/s): "
        f"{counts['planned']} to be sent, {counts['never_arrived']} whose upload never ends within the run; "
        f"{counts['unmeetable']} reach the server at or after their deadline, or never: no server could meet them"
    )
