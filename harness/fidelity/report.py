"""The comparison as text people read, and as JSON: milliseconds, per cent, points."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.fidelity.compare import (
    BOUNDS,
    HIGH,
    LOW,
    SHOWN,
    Bound,
    Closing,
    Difference,
    closings,
    components_of,
    differences,
    explained,
    middle,
    sensitivity,
    systems_of,
    values,
)
from harness.fidelity.measures import REAL, TWIN

NAMES = {
    "violation_rate": "violation rate",
    "latency_p50_s": "latency p50",
    "latency_p95_s": "latency p95",
    "latency_p99_s": "latency p99",
    "granted_core_s": "granted core-seconds",
    "resizes": "resizes",
    "mean_batch": "mean batch size",
}
TOGETHER = "all of these"


@dataclass(frozen=True, slots=True)
class Context:
    """What stands above the numbers. facts: label and text, in order. notes: whole lines. components: by name, what
    each stands for."""

    title: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    components: Mapping[str, str]


def report(rows: pd.DataFrame, context: Context) -> str:
    """The whole report as Markdown."""
    found, closed = differences(rows), closings(rows)
    facts = [f"- {label}: {text}" for label, text in context.facts.items()]
    return (
        "\n\n".join(
            part
            for part in (
                f"# Fidelity of the twin: {context.title}",
                "\n".join(facts),
                "\n".join(context.notes),
                f"## Side by side\n\n{side_by_side(rows, found)}\n\n{verdict(found)}",
                f"## Batch sizes\n\n{batches(rows)}",
                f"## What the differences come from\n\n{attribution(rows, closed, found, context)}",
            )
            if part
        )
        + "\n"
    )


def side_by_side(rows: pd.DataFrame, found: Sequence[Difference]) -> str:
    """Every metric of every system: real, twin with the range of its draws, difference, bound."""
    lines = []
    for system in systems_of(rows):
        for one in (d for d in found if d.system == system):
            span = f"{shown(one.bound.metric, one.low)} .. {shown(one.bound.metric, one.high)}"
            lines.append(
                [
                    system,
                    NAMES[one.bound.metric],
                    shown(one.bound.metric, one.real),
                    shown(one.bound.metric, one.twin),
                    span,
                    shown_off(one.bound, one.off),
                    shown_off(one.bound, one.bound.most).lstrip("+"),
                    "yes" if one.within else "NO",
                ]
            )
        for metric in SHOWN:
            real, draws = values(rows, system, REAL, metric), values(rows, system, TWIN, metric)
            low, high = (shown(metric, float(np.quantile(draws, level))) for level in (LOW, HIGH))
            both = [shown(metric, float(np.mean(real))), shown(metric, middle(draws))]
            lines.append([system, NAMES[metric], *both, f"{low} .. {high}", "", "", ""])
    heads = ["system", "metric", "real", "twin", "twin's draws, 5-95 %", "twin - real", "bound", "within"]
    return table(heads, lines, left=2)


def verdict(found: Sequence[Difference]) -> str:
    """One line: how many bounds are kept, and which are not."""
    missed = [one for one in found if not one.within]
    if not missed:
        return f"All {len(found)} bounds are kept."
    texts = [f"{one.system} {NAMES[one.bound.metric]} {shown_off(one.bound, one.off)}" for one in missed]
    return f"{len(found) - len(missed)} of {len(found)} bounds are kept; missed: {'; '.join(texts)}."


def batches(rows: pd.DataFrame) -> str:
    """Shares of batch sizes, real and twin, in per cent of all batches; means over draws and seeds."""
    mine = rows[(rows["metric"] == "batch_share") & rows["source"].isin([REAL, TWIN])]
    runs = rows[rows["metric"] == "mean_batch"].groupby(["system", "source"]).size()
    sizes = sorted(mine["at"].unique())
    lines = []
    for system in systems_of(rows):
        for source in (REAL, TWIN):
            one = mine[(mine["system"] == system) & (mine["source"] == source)].groupby("at")["value"].sum()
            shares = [float(one.get(size, 0.0)) / int(runs.get((system, source), 1)) for size in sizes]
            lines.append([system, source, *(f"{share:.1%}" if share else "-" for share in shares)])
    return table(["share of batches", "", *(f"{size:g}" for size in sizes)], lines, left=2)


def attribution(rows: pd.DataFrame, closed: Sequence[Closing], found: Sequence[Difference], context: Context) -> str:
    """How far the twin is off with each component as the run had it, and what that says of the differences."""
    names = components_of(rows)
    if not names:
        return "No counterfactual twin was run."
    lines = [
        [one.system, NAMES[one.bound.metric], shown_off(one.bound, one.off),
         shown_off(one.bound, sensitivity(rows, one.system, one.bound)),
         *(shown_off(one.bound, c.after) for c in closed if (c.system, c.bound) == (one.system, one.bound))]
        for one in found
    ]  # fmt: skip
    meanings = "\n".join(f"- {name}: {context.components.get(name, '')}" for name in names)
    head = (
        "twin - real when one component of the model is replaced by what the run itself had. What remains with all of "
        "them is the model's logic, the order of chance, and what feeds back through the policy. Beside it, what "
        "service times 1 % longer change: how exactly they must be known."
    )
    said = "\n".join(sentence(one, explained(closed, one.system, one.bound.metric)) for one in found)
    heads = ["system", "metric", "as predicted", "1 % longer service", *(f"with {name}" for name in names)]
    return f"{head}\n\n{meanings}\n\n{table(heads, lines, left=2)}\n\n{said}"


def sentence(one: Difference, parts: Sequence[Closing]) -> str:
    """What one difference comes from, in words."""
    what = f"- {one.system}, {NAMES[one.bound.metric]}: {shown_off(one.bound, one.off)}"
    single = [part for part in parts if part.component != TOGETHER and part.closed > 0]
    if math.isnan(one.off) or not one.off:
        return f"{what}; nothing to explain" if not one.off else f"{what}; cannot be compared"
    together = next((part for part in parts if part.component == TOGETHER), None)
    rest = f"; {shown_off(one.bound, together.after)} is left with all of them" if together else ""
    if not single:
        return f"{what}; no single component closes any of it{rest}"
    best = single[0]
    share = best.closed / abs(one.off)
    return (
        f"{what}; {best.component} closes most of it alone ({share:.0%}), to {shown_off(one.bound, best.after)}{rest}"
    )


def shown(metric: str, value: float) -> str:
    """A value with its unit."""
    if math.isnan(value):
        return "-"
    if metric.startswith("latency"):
        return f"{value * 1e3:.0f} ms"
    if metric == "violation_rate":
        return f"{value:.2%}"
    return f"{value:.1f}" if metric == "resizes" else f"{value:.2f}"


def shown_off(bound: Bound, value: float) -> str:
    """A difference with its unit: per cent of the real value, or percentage points."""
    if math.isnan(value):
        return "-"
    return f"{value * 100:+.2f} pp" if bound.kind == "absolute" else f"{value:+.1%}"


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> str:
    """A Markdown table whose columns line up; the first `left` columns to the left."""
    widths = [max(len(row[k]) for row in (heads, *lines)) for k in range(len(heads))]

    def row(cells: Sequence[str]) -> str:
        aligned = (c.ljust(w) if k < left else c.rjust(w) for k, (c, w) in enumerate(zip(cells, widths, strict=True)))
        return f"| {' | '.join(aligned)} |"

    rule = "|".join("-" * (w + 2) if k < left else "-" * (w + 1) + ":" for k, w in enumerate(widths))
    return "\n".join([row(heads), f"|{rule}|", *(row(line) for line in lines)])


def as_json(rows: pd.DataFrame, context: Context) -> dict[str, Any]:
    """The same numbers as plain values: fractions and seconds; null where there is no value."""
    return {
        "title": context.title,
        "facts": dict(context.facts),
        "notes": list(context.notes),
        "bounds": [{"metric": b.metric, "kind": b.kind, "most": b.most} for b in BOUNDS],
        "differences": [
            {"system": d.system, "metric": d.bound.metric, "real": _number(d.real), "twin": _number(d.twin),
             "twin_p05": _number(d.low), "twin_p95": _number(d.high), "off": _number(d.off), "within": d.within}
            for d in differences(rows)
        ],
        "closings": [
            {"system": c.system, "metric": c.bound.metric, "component": c.component, "before": _number(c.before),
             "after": _number(c.after)}
            for c in closings(rows)
        ],
    }  # fmt: skip


def write_report(folder: Path, rows: pd.DataFrame, context: Context) -> str:
    """Write fidelity.md and fidelity.json into a run's folder; the text."""
    text = report(rows, context)
    (folder / "fidelity.md").write_text(text, encoding="utf-8")
    values_text = json.dumps(as_json(rows, context), indent=2, allow_nan=False)
    (folder / "fidelity.json").write_text(values_text + "\n", encoding="utf-8")
    return text


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
