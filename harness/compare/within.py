"""Two systems on one plan: differences over the time of a single run, from moving blocks of the paired seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.compare.runs import Run
from harness.compare.verdict import Comparison
from harness.results import core_series, per_request
from harness.stats.blocks import ratio_interval
from harness.stats.interval import Estimate
from harness.stats.rates import BIN_S, Seconds, per_second

NO_SERIES = "one run: no interval for a difference of this"


def seconds_of(run: Run) -> Seconds:
    """A run per second of its plan."""
    return per_second(per_request(run.folder), core_series(run.folder))


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
        return ratio_interval(ours.violations - theirs.violations, ours.requests), none
    if name == "goodput_rps":
        return ratio_interval(ours.on_time - theirs.on_time, time_s), ratio_interval(ours.on_time, theirs.on_time)
    if name == "granted_core_s":
        gap = ratio_interval(ours.core_s - theirs.core_s, time_s).scaled(float(time_s.sum()))
        return gap, ratio_interval(ours.core_s, theirs.core_s)
    return none, none


def of_single_runs(comparisons: Sequence[Comparison], seconds: dict[str, Seconds]) -> list[Comparison]:
    """All comparisons, those of one pair of runs with intervals within the run. seconds: by system."""
    return [within_one_run(c, seconds[c.system], seconds[c.baseline]) if c.runs == 1 else c for c in comparisons]
