"""The table of claims: made from stored runs, printed as text, Markdown or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from harness.claims.catalogue import AS_PUBLISHED, BATCH_ONE, BY_DEADLINE, FAIR, Claim, claims_of
from harness.claims.decomposition import Step, decomposition
from harness.claims.evidence import gather
from harness.claims.rules import Finding
from harness.figures.output import source_line
from harness.stats.interval import Estimate
from harness.stored.spread import UNITS_FOR_BOOTSTRAP

COLUMNS = ("claim", "unit", "published", "paper mode, prototype's metric", "paper mode, by deadline", "honest mode",
           "verdict")  # fmt: skip
STEPS = "FA2's violations over Sponge's, by the prototype's metric"
LEGEND = (
    "paper mode: the published set-up, mean over seeds. honest mode: fair conditions, mean over routes (each the mean "
    "of its seeds), or over seeds where one route was run; n of them. In brackets: 95 % interval of the mean "
    "(Student), of a ratio on its logarithm (Student), or, with a value of 0 and at least "
    f"{UNITS_FOR_BOOTSTRAP} units, by bootstrap; what has no interval is undecided. In honest mode the policies know "
    "the exact latency model their requests are served by: there is no model error. Fitted inputs: what of paper mode "
    "was fitted to the published series. Rules of the verdicts: docs/claims.md."
)


@dataclass(frozen=True, slots=True)
class ClaimsTable:
    """All claims, the decomposition of the ratio to FA2, and the runs behind both. not_run: commands that make what is
    missing."""

    claims: tuple[Claim, ...]
    decomposition: tuple[Step, ...]
    sources: tuple[Mapping[str, Any], ...]
    not_run: tuple[str, ...] = ()


def claims_table(results: Path) -> ClaimsTable:
    """The claims, judged by the newest valid runs under `results`. What has not been run is `not measured`."""
    evidence = gather(results)
    steps = decomposition(evidence.published, evidence.parts)
    return ClaimsTable(claims_of(evidence), steps, evidence.sources(), evidence.not_run())


def cells(claim: Claim) -> tuple[str, ...]:
    """A line of the table, in the order of COLUMNS."""
    by_deadline = claim.under(BY_DEADLINE) or claim.under(BATCH_ONE)
    return (
        claim.statement,
        claim.unit,
        claim.published,
        shown(claim.under(AS_PUBLISHED)),
        shown(by_deadline),
        shown(claim.under(FAIR)),
        claim.verdict,
    )


def shown(found: Finding | None) -> str:
    """A value with its interval and n; `-` where the claim has no such condition."""
    if found is None:
        return "-"
    return "not run" if found.estimate is None else with_interval(found.estimate)


def with_interval(one: Estimate) -> str:
    """`0.29 [0.25, 0.33] n=5`."""
    if math.isnan(one.low) or math.isnan(one.high):
        return f"{short(one.value)} (no interval) n={one.n}"
    return f"{short(one.value)} [{short(one.low)}, {short(one.high)}] n={one.n}"


def short(value: float) -> str:
    """Three significant digits; a tiny remainder of a subtraction is 0."""
    return "0" if abs(value) < 5e-7 else f"{value:.3g}"


def as_text(table: ClaimsTable, width: int = 120) -> str:
    """A table for a terminal `width` characters wide, the sentences why, the decomposition and the runs."""
    why = [f"- {claim.name}: {claim.why}{also(claim)}" for claim in table.claims]
    steps = [
        f"- {step.name}: published {short(step.published)}x, {step.published_text}; ours {step_ours(step)}"
        for step in table.decomposition
    ]
    return "\n".join([drawn(table, width), "Why", *why, "", STEPS, *steps, "", LEGEND, *source_lines(table)])


def drawn(table: ClaimsTable, width: int) -> str:
    """The claims as a table with folded columns."""
    shape = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True, expand=True)
    for name in ("claim", "published", *COLUMNS[3:]):
        shape.add_column(name, ratio=3 if name in ("claim", "verdict") else 2, overflow="fold")
    for claim in table.claims:
        shape.add_row(f"{claim.statement} ({claim.unit})", *cells(claim)[2:])
    text = StringIO()
    Console(width=width, color_system=None, file=text, markup=False).print(shape)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def extras(claim: Claim) -> list[Finding]:
    """The findings that have no column."""
    columns = (FAIR, BY_DEADLINE, BATCH_ONE, AS_PUBLISHED)
    return [one for one in claim.findings if one.condition not in columns]


def step_ours(step: Step) -> str:
    """Our ratio and what it is of."""
    return step.ours_text if step.ours is None else f"{with_interval(step.ours)} ({step.ours_text})"


def source_lines(table: ClaimsTable) -> list[str]:
    """The runs, one line each, and what makes those that are missing."""
    missing = [f"- not run: `{command}` makes it, as does `make reproduce`" for command in table.not_run]
    return [f"- {source_line(source)}" for source in table.sources] + missing


def as_markdown(table: ClaimsTable) -> str:
    """Two tables, the sentences why, and the runs."""
    head = ["claim", "published", *COLUMNS[3:]]
    rows = [[f"{cells(c)[0]} ({c.unit})", *cells(c)[2:]] for c in table.claims]
    steps = [[s.name, f"{short(s.published)}x ({s.published_text})", step_ours(s)] for s in table.decomposition]
    return "\n".join([
        *grid(head, rows),
        "",
        *(f"- {claim.statement}: **{claim.verdict}**. {claim.why}{also(claim)}" for claim in table.claims),
        "",
        *grid([STEPS, "published", "ours"], steps),
        "",
        LEGEND,
        "",
        *source_lines(table),
        "",
    ])  # fmt: skip


def also(claim: Claim) -> str:
    """The findings without a column, in a sentence."""
    return "".join(f" With {one.condition}: {shown(one)}." for one in extras(claim))


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    line = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (head, *rows)]
    return [line[0], f"|{'---|' * len(head)}", *line[1:]]


def as_json(table: ClaimsTable) -> str:
    """Everything, numbers unrounded; what is not finite is text ("inf") or null (no interval)."""
    values = {
        "claims": [claim_facts(claim) for claim in table.claims],
        "decomposition": [step_facts(step) for step in table.decomposition],
        "sources": list(table.sources),
    }
    return json.dumps(values, indent=2, allow_nan=False)


def claim_facts(claim: Claim) -> dict[str, Any]:
    """A claim as JSON has it."""
    findings = [
        {"condition": f.condition, "required": f.required, "fitted": f.fitted, "state": f.state}
        | estimate_facts(f.estimate)
        for f in claim.findings
    ]
    names = ("name", "statement", "published", "unit", "verdict", "why")
    return {**{name: getattr(claim, name) for name in names}, "findings": findings}


def step_facts(step: Step) -> dict[str, Any]:
    """A line of the decomposition as JSON has it."""
    published = {"published": step.published, "published_of": step.published_text, "cited": step.cited}
    return {"name": step.name, **published, "ours_of": step.ours_text, **estimate_facts(step.ours)}


def estimate_facts(one: Estimate | None) -> dict[str, Any]:
    """value, low, high, n."""
    if one is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": plain(one.value), "low": plain(one.low), "high": plain(one.high), "n": one.n}


def plain(value: float) -> float | str | None:
    """JSON has neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "inf"
