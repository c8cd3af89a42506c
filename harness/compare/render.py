"""A comparison as people and programs read it: terminal table, Markdown, tidy columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from harness.compare.alone import Alone, Line
from harness.compare.metrics import Metric
from harness.compare.verdict import Comparison, needed
from harness.compare.whole import Report
from harness.stats.interval import Estimate

HEADS = ("metric", "baseline", "system", "difference", "ratio", "d", "δ", "p", "verdict")
ALONE_HEADS = ("metric", "value", "95 % within this run")
TEXTS = ("metric", "verdict", ALONE_HEADS[-1])  # columns of words; the others are of numbers


@dataclass(frozen=True, slots=True)
class Section:
    """One system beside the baseline, or one run by itself: a heading and rows of texts under the heads."""

    heading: str
    rows: tuple[tuple[str, ...], ...]
    heads: tuple[str, ...] = HEADS


def sections(report: Report) -> Iterator[Section]:
    """The comparison, system by system; then, where there was one plan, every run by itself."""
    for system in dict.fromkeys(c.system for c in report.comparisons):
        of = [c for c in report.comparisons if c.system == system]
        yield Section(_heading(of[0]), tuple(_row(c, report.alpha) for c in of))
    for one in report.alone:
        yield _alone(one)


def _alone(one: Alone) -> Section:
    return Section(f"{one.name} within this run", tuple(_line(line) for line in one.lines), ALONE_HEADS)


def _line(line: Line) -> tuple[str, ...]:
    shown = line.estimate.scaled(line.factor)
    digits = 2 if line.unit == "%" else digits_for(shown.value, shown.low, shown.high)
    if line.of:
        known = f"of {line.of} requests"
    elif math.isnan(shown.low):
        known = f"- ({shown.refused})"
    else:
        known = f"[{number(shown.low, digits)}, {number(shown.high, digits)}]"
    return f"{line.label}, {line.unit}", number(shown.value, digits), known


def _heading(one: Comparison) -> str:
    how = "1 run, intervals within this run" if one.runs == 1 else f"{one.runs} runs, paired by plan"
    return f"{one.system} compared with {one.baseline} ({how})"


def _row(c: Comparison, alpha: float) -> tuple[str, ...]:
    metric, gap = c.metric, c.difference.scaled(c.metric.factor)
    baseline, value = c.baseline_value * metric.factor, c.value * metric.factor
    digits = 2 if metric.unit == "%" else digits_for(baseline, value)
    return (
        f"{metric.label}, {metric.unit}",
        number(baseline, digits),
        number(value, digits),
        interval(gap, 2 if metric.unit == "%" else digits_for(gap.value, gap.low, gap.high), sign=True),
        interval(c.ratio, 3),
        _effect(c.cohens_d),
        _effect(c.cliffs_delta),
        _p(c.p_holm),
        verdict_text(c, alpha),
    )


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with a true minus sign; `-` for NaN, `never` for inf."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    return (f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}").replace("-", "−")


def digits_for(*values: float) -> int:
    """Decimals that leave three significant digits of the largest of these values."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return next((digits for digits, least in enumerate((100.0, 10.0, 1.0)) if largest >= least), 3)


def interval(estimate: Estimate, digits: int, *, sign: bool = False) -> str:
    """`value [low, high]`, or the value alone when it has no interval."""
    value = number(estimate.value, digits, sign=sign)
    if math.isnan(estimate.low) or math.isnan(estimate.value):
        return value
    return f"{value} [{number(estimate.low, digits, sign=sign)}, {number(estimate.high, digits, sign=sign)}]"


def _effect(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.1f}".replace("-", "−")


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def verdict_text(c: Comparison, alpha: float) -> str:
    """The verdict with what it rests on."""
    if c.note:
        return f"- ({c.note})"
    if c.verdict == "within run":
        return _within_text(c)
    if c.verdict == "identical":
        return "identical in every run"
    if c.verdict == "not enough runs":
        return f"not enough runs ({c.runs}; {_needs(needed(c, alpha))})"
    if c.verdict == "no difference":
        return f"no difference (would have seen ≥ {_amount(c.metric, c.detectable)})"
    small = f" within {margin_text(c.metric)}" if c.equivalence_p <= alpha else ""
    if c.verdict == "equivalent":
        untested = f" ({c.runs} runs; a test of the difference: {_needs(needed(c, alpha))})" if math.isnan(c.p) else ""
        return c.verdict + small + untested
    return c.verdict + (f", though{small}" if small else "")


def _needs(runs: int) -> str:
    return f"a test needs {runs}" if runs else "for so many comparisons no number would do: name fewer systems"


def _within_text(c: Comparison) -> str:
    gap = c.difference
    if gap.value == gap.low == gap.high == 0.0:
        return "identical in this run"
    if gap.low <= 0.0 <= gap.high:
        return "undecided in this run"
    lower = gap.value < 0.0
    return f"{'better' if lower == (c.metric.better == 'lower') else 'worse'} within this run"


def _amount(metric: Metric, value: float) -> str:
    return f"{number(value * metric.factor, digits_for(value * metric.factor))} {_unit_of_difference(metric)}"


def margin_text(metric: Metric) -> str:
    """A margin with its unit; a relative one is a share of the baseline."""
    if metric.margin.relative:
        return f"{metric.margin.value * 100:.3g} %"
    value = f"{metric.margin.value * metric.factor:.3g}"
    return f"{value} {_unit_of_difference(metric, one=value == '1')}"


def _unit_of_difference(metric: Metric, *, one: bool = False) -> str:
    return f"point{'' if one else 's'}" if metric.unit == "%" else metric.unit


def heading(report: Report) -> str:
    """What was compared, where."""
    counted = "1 plan" if report.plans == 1 else f"{report.plans} plans (trace window x seed)"
    made = f"; {report.traces}" if report.traces else ""
    return f"{report.scenario} on {report.backend} ({report.host}): {counted}{made}"


def footnotes(report: Report) -> list[str]:
    """What a reader must know to judge the numbers."""
    lines = [MEANS, LATENCY, COST]
    if report.within_run:
        lines.append(WITHIN)
    if families := {c.metric.primary: c.family for c in report.comparisons if c.family}:
        lines += [EFFECTS, _test_note(families, report.alpha)]
    if report.repeats > 1:
        lines.append(f"Up to {report.repeats} runs of one system on one plan are averaged and count as one run.")
    return [*lines, *report.left_out]


MEANS = (
    "baseline, system: means over the runs. difference: system − baseline. ratio: system / baseline, geometric mean of "
    "the runs' ratios. In brackets: 95 % intervals."
)
LATENCY = (
    "latency: creation to answer over all planned requests, an unanswered one is infinitely late; a quantile is shown "
    "when at least 20 requests lie beyond it."
)
COST = (
    "granted cores: core-seconds over the plan's duration, old and new while both exist. Least-budget quarter: the "
    "requests with the least time left when due at the server."
)
WITHIN = (
    "Of one plan: intervals are over the time of this run (moving blocks of seconds) and say nothing about other "
    "runs; no test is done."
)
EFFECTS = "d: Cohen's d of the paired differences. δ: Cliff's delta, −1 (system lower in all runs) to 1 (higher)."


def _test_note(families: Mapping[bool, int], alpha: float) -> str:
    counts = " and ".join(
        f"{families[primary]} {name}" for primary, name in ((True, "primary"), (False, "other")) if primary in families
    )
    return (
        f"p: sign-flip test, Holm-corrected over {counts} comparisons (primary: violation rate, granted cores), "
        f"judged at {alpha:g}. within: two one-sided t tests, corrected alike. would have seen: 80 % power at the "
        "strictest step of the correction."
    )


def as_table(section: Section) -> Table:
    """A section for the terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", title_justify="left")
    for head in section.heads:
        table.add_column(head, justify="left" if head in TEXTS else "right", no_wrap=head not in TEXTS[1:])
    for row in section.rows:
        table.add_row(*row)
    return table


def as_markdown(report: Report) -> str:
    """The whole comparison."""
    parts = [f"## {heading(report)}"]
    for section in sections(report):
        lines = [section.heads, ["---" if head in TEXTS else "---:" for head in section.heads], *section.rows]
        parts += [f"### {section.heading}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in footnotes(report))]) + "\n"


def as_frame(report: Report) -> pd.DataFrame:
    """One row per system and metric; every number in the metric's own SI unit (a share, s, core-s, 1/s)."""
    return pd.DataFrame([_record(report, c) for c in report.comparisons])


def _record(report: Report, c: Comparison) -> Mapping[str, Any]:
    margin = c.metric.margin
    return {
        "scenario": report.scenario,
        "backend": report.backend,
        "metric": c.metric.name,
        "better": c.metric.better,
        "system": c.system,
        "baseline": c.baseline,
        "runs": c.runs,
        "within_run": c.within_run,
        "value": c.value,
        "baseline_value": c.baseline_value,
        "difference": c.difference.value,
        "difference_low": c.difference.low,
        "difference_high": c.difference.high,
        "ratio": c.ratio.value,
        "ratio_low": c.ratio.low,
        "ratio_high": c.ratio.high,
        "cohens_d": c.cohens_d,
        "cliffs_delta": c.cliffs_delta,
        "p": c.p,
        "p_holm": c.p_holm,
        "comparisons_corrected_for": c.family,
        "equivalence_p_holm": c.equivalence_p,
        "margin": margin.value,
        "margin_is_relative": margin.relative,
        "detectable_difference": c.detectable,
        "verdict": c.verdict,
        "note": c.note,
    }
