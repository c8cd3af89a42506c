"""From paired values to a verdict a reviewer would accept: pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.compare.metrics import Metric
from harness.stats.interval import Estimate
from harness.stats.paired import (
    ALPHA,
    cliffs_delta,
    cohens_d,
    difference,
    equivalence_p,
    holm,
    ratio,
    runs_needed,
    sign_flip_p,
    smallest_detectable,
    smallest_p,
)

Floats = npt.NDArray[np.float64]
NAN = math.nan
Verdict = Literal[
    "better", "worse", "no difference", "equivalent", "identical", "not enough runs", "no value", "within run"
]


@dataclass(frozen=True, slots=True)
class Pairing:
    """One metric of one system and of the baseline on the same plans; two arrays of equal length, a value per run."""

    metric: Metric
    system: str
    baseline: str
    ours: Floats
    theirs: Floats


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known about one metric of a system beside the baseline. All numbers in the metric's own (SI) unit.

    value, baseline_value: means over the runs. difference: value - baseline. ratio: system / baseline, geometric mean
    over the runs. cohens_d of the paired differences; cliffs_delta of the values. p: sign-flip test; p_holm: corrected
    over `family` comparisons; both NaN where no test is done. equivalence_p: two one-sided tests against the metric's
    margin, corrected likewise. detectable: smallest difference seen with 80 % power. within_run: the intervals are over
    the time of a single run and say nothing about other runs.
    """

    metric: Metric
    system: str
    baseline: str
    runs: int
    value: float
    baseline_value: float
    difference: Estimate
    ratio: Estimate
    cohens_d: float = NAN
    cliffs_delta: float = NAN
    p: float = NAN
    p_holm: float = NAN
    family: int = 0
    equivalence_p: float = NAN
    detectable: float = NAN
    verdict: Verdict = "no value"
    note: str = ""
    within_run: bool = False


def compare_pairs(pairings: Sequence[Pairing], alpha: float = ALPHA) -> list[Comparison]:
    """Every pairing judged, in the given order. Holm's correction is over the primary metrics, and over the others.

    What is corrected for is what was asked, never what came out: a comparison without a value stays in the count.
    """
    described = [_described(pairing) for pairing in pairings]
    judged: dict[int, Comparison] = {}
    for primary in (True, False):
        asked = [k for k, c in enumerate(described) if c.metric.primary == primary and c.runs > 1]
        valued = [k for k in asked if math.isfinite(described[k].difference.value)]
        tests = [_tested(described[k], pairings[k], len(asked), alpha) for k in valued]
        judged |= dict(zip(valued, _corrected(tests, len(asked), alpha), strict=True))
    return [judged.get(k, comparison) for k, comparison in enumerate(described)]


def _described(pairing: Pairing) -> Comparison:
    ours, theirs = pairing.ours, pairing.theirs
    usable = bool(np.isfinite(ours).all() and np.isfinite(theirs).all())
    nothing = Estimate(NAN, n=len(ours), refused="a run has no value")
    return Comparison(
        metric=pairing.metric,
        system=pairing.system,
        baseline=pairing.baseline,
        runs=len(ours),
        value=float(ours.mean()),
        baseline_value=float(theirs.mean()),
        difference=difference(ours, theirs) if usable else nothing,
        ratio=ratio(ours, theirs) if usable else nothing,
        cohens_d=cohens_d(ours, theirs) if usable else NAN,
        cliffs_delta=cliffs_delta(ours, theirs) if usable else NAN,
        note="" if usable else why_no_value(pairing),
    )


def why_no_value(pairing: Pairing) -> str:
    """In which runs a metric has no value, and why."""
    for name, values in ((pairing.system, pairing.ours), (pairing.baseline, pairing.theirs)):
        if np.isinf(values).any():
            return f"{name}: {pairing.metric.infinite} in {np.isinf(values).sum()} of {len(values)} runs"
    missing = int((np.isnan(pairing.ours) | np.isnan(pairing.theirs)).sum())
    return f"{pairing.metric.missing} in {missing} of {len(pairing.ours)} runs"


def _tested(comparison: Comparison, pairing: Pairing, family: int, alpha: float) -> Comparison:
    margin = comparison.metric.margin
    can_reject = smallest_p(comparison.runs) * family <= alpha
    return replace(
        comparison,
        family=family,
        p=sign_flip_p(pairing.ours, pairing.theirs) if can_reject else NAN,
        equivalence_p=equivalence_p(pairing.ours, pairing.theirs, margin.value, relative=margin.relative),
        detectable=smallest_detectable(pairing.ours, pairing.theirs, alpha / family),
    )


def _corrected(comparisons: Sequence[Comparison], family: int, alpha: float) -> list[Comparison]:
    p_holm = _holm_of([c.p for c in comparisons], family)
    equivalence = _holm_of([c.equivalence_p for c in comparisons], family)
    corrected = (replace(c, p_holm=p_holm[k], equivalence_p=equivalence[k]) for k, c in enumerate(comparisons))
    return [replace(c, verdict=verdict_of(c, alpha)) for c in corrected]


def _holm_of(p_values: Sequence[float], family: int) -> list[float]:
    """Corrected over `family` comparisons, those without a p counting as 1; NaN stays NaN."""
    values = np.asarray(p_values, dtype=np.float64)
    known = np.isfinite(values)
    found = holm(np.concatenate((values[known], np.ones(family - known.sum()))))
    values[known] = found[: known.sum()]
    return [float(v) for v in values]


def verdict_of(comparison: Comparison, alpha: float) -> Verdict:
    """The word for a tested comparison."""
    gap = comparison.difference
    if gap.value == gap.low == gap.high == 0.0:
        return "identical"
    if comparison.p_holm <= alpha:
        lower = gap.value < 0.0
        return "better" if lower == (comparison.metric.better == "lower") else "worse"
    if comparison.equivalence_p <= alpha:
        return "equivalent"
    return "no difference" if math.isfinite(comparison.p) else "not enough runs"


def needed(comparison: Comparison, alpha: float = ALPHA) -> int:
    """Runs from which its test could reject."""
    return runs_needed(max(comparison.family, 1), alpha)


def paired_values(
    values: Mapping[str, Mapping[str, Mapping[str, float]]], system: str, baseline: str, metric: Metric
) -> Pairing:
    """values[system][plan][metric] of two systems, on the plans both replayed, in order of plan."""
    plans = [plan for plan in values[baseline] if plan in values[system]]
    ours, theirs = (np.array([values[name][plan][metric.name] for plan in plans]) for name in (system, baseline))
    return Pairing(metric, system, baseline, ours, theirs)
