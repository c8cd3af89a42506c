"""Two systems on one plan: differences over the time of that plan, from moving blocks of the paired seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from harness.compare.runs import Run
from harness.compare.verdict import Comparison
from harness.results import core_series, per_request
from harness.stats.blocks import ratio_interval
from harness.stats.interval import Estimate
from harness.stats.rates import BIN_S, Floats, Seconds, per_second

NO_SERIES = "one run: no interval for a difference of this"


def seconds_on(runs: Sequence[Run], system: str, plan: str) -> Seconds:
    """A system per second of a plan: the mean of its runs on it, which count as one."""
    series = [
        per_second(per_request(run.folder), core_series(run.folder))
        for run in runs
        if (run.system, run.plan) == (system, plan)
    ]
    return Seconds(*(np.mean([getattr(one, field.name) for one in series], axis=0) for field in fields(Seconds)))


def within_one_run(comparison: Comparison, ours: Seconds, theirs: Seconds) -> Comparison:
    """The comparison of one pair of runs, with intervals over their time in place of intervals over runs.

    Seconds of the two are paired: the plan is the same, so the same requests were created in them.
    """
    gap, ratio = _intervals(comparison.metric.name, ours, theirs)
    kept = replace(comparison.difference, low=gap.low, high=gap.high, n=gap.n, refused=gap.refused)
    shown = replace(comparison.ratio, low=ratio.low, high=ratio.high, n=ratio.n, refused=ratio.refused)
    return replace(
        comparison,
        difference=kept,
        ratio=shown,
        cohens_d=math.nan,
        cliffs_delta=math.nan,
        verdict="within run",
        note=comparison.note or gap.refused,
        within_run=True,
    )


def _intervals(name: str, ours: Seconds, theirs: Seconds) -> tuple[Estimate, Estimate]:
    """Difference and ratio of a metric; refused where seconds do not add up to it."""
    none = Estimate(math.nan, refused=NO_SERIES)
    time_s = np.full(len(ours.requests), BIN_S)
    if name == "violation_rate":
        return _gap(ours.violations, theirs.violations, ours.requests), none
    if name == "goodput_rps":
        return _gap(ours.on_time, theirs.on_time, time_s), ratio_interval(ours.on_time, theirs.on_time, positive=True)
    if name == "granted_core_s":
        gap = ratio_interval(ours.core_s - theirs.core_s, time_s, granted=True).scaled(float(time_s.sum()))
        return gap, ratio_interval(ours.core_s, theirs.core_s, granted=True, positive=True)
    return none, none


def _gap(ours: Floats, theirs: Floats, bottom: Floats) -> Estimate:
    """sum(ours - theirs) / sum(bottom); of two series that are the same in every second it is 0, and in this run that
    is all there is to know."""
    if np.array_equal(ours, theirs):
        return Estimate(0.0, 0.0, 0.0, len(ours))
    return ratio_interval(ours - theirs, bottom)


def of_single_plans(
    comparisons: Sequence[Comparison], runs: Sequence[Run], shared: Mapping[str, Sequence[str]]
) -> list[Comparison]:
    """All comparisons, those over one plan with intervals within it. shared: the plans a system has in common with the
    baseline; where that is one, both are taken on it, whatever else either ran."""
    pairs = {
        c.system: tuple(seconds_on(runs, name, shared[c.system][0]) for name in (c.system, c.baseline))
        for c in {c.system: c for c in comparisons if c.runs == 1}.values()
    }
    return [within_one_run(c, *pairs[c.system]) if c.system in pairs else c for c in comparisons]
