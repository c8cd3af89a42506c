"""Before and after: what is exactly the same, what moved, and what is a regression.

In the twin the same code on the same plans gives the same numbers, to the last bit: any difference is a change of the
code or its surroundings, its effect on these plans is known exactly, and it is a regression when it is for the worse
by more than the metric's margin. The interval beside it says something else: where the mean effect over other seeds
would lie (95 %, Student's t over the paired differences of the seeds).

Where runs have noise (a real backend) a regression must also be told from nothing: the interval of the paired
differences must exclude zero, and the effect must exceed the difference of the same system run twice.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from harness.nightly.matrix import Margin
from harness.nightly.numbers import JUDGED, Key, Numbers

Kind = Literal["regression", "improved", "moved", "rounding", "noise"]
ROUNDING = (
    1e-9  # relative; another processor's vector instructions may round a sum differently, a change never so little
)
EXACT = (
    "planned", "served", "dropped", "failed", "violations", "violated_sha256", "granted_core_s", "used_core_s",
    "latency_p50_s", "latency_p95_s", "latency_p99_s", "resizes",
)  # fmt: skip
LEVEL = 0.95
System = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of one system in one scenario. before, after: means over the seeds that have a value on both sides.
    effect: mean of the paired differences. low, high: 95 % interval of the effect over seeds, NaN when they are too
    few. noise: the largest difference the same system run twice showed; 0 in the twin. allowed: the margin in the
    metric's unit, NaN where the metric is not judged. lost: seeds that had a value and have none now."""

    scenario: str
    system: str
    metric: str
    kind: Kind
    before: float
    after: float
    effect: float
    low: float
    high: float
    seeds: int
    allowed: float = math.nan
    noise: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """same: systems whose every number is the reference's. unlike: what cannot be compared, and why. fresh: what has
    no reference yet."""

    same: tuple[System, ...]
    changes: tuple[Change, ...]
    unlike: tuple[str, ...]
    fresh: tuple[System, ...]

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def failed(self) -> bool:
        """Something got worse, or nobody can tell."""
        return bool(self.of("regression") or self.unlike)


def compare(
    before: Sequence[Numbers], after: Sequence[Numbers], margins: Sequence[Margin], skipped: Collection[str] = ()
) -> Comparison:
    """The twin's numbers against the reference. skipped: scenarios that could not be run, which are left out; one that
    the reference has and that was neither run nor skipped cannot be compared."""
    left_out = set(skipped) - {row.scenario for row in after}
    return _compared([row for row in before if row.scenario not in left_out], after, margins, {})


def compare_noisy(
    before: Sequence[Numbers], after: Sequence[Numbers], again: Sequence[Numbers], margins: Sequence[Margin]
) -> Comparison:
    """Numbers of a real backend against the reference; again: the same systems run a second time tonight."""
    return _compared(before, after, margins, noise_of(after, again))


def noise_of(first: Sequence[Numbers], again: Sequence[Numbers]) -> dict[tuple[str, str, str], float]:
    """Per scenario, system and judged metric: by how much the mean of the same thing done twice differs, over the seeds
    that have a value both times; 0 where none has, so that the interval alone decides."""
    one, two = _by_system(first), _by_system(again)
    return {
        (*system, name): _mean_gap([metric.value(r) for r in one[system]], [metric.value(r) for r in two[system]])
        for system in one.keys() & two.keys()
        for name, metric in JUDGED.items()
    }


def _mean_gap(one: Sequence[float], two: Sequence[float]) -> float:
    gaps = [b - a for a, b in zip(one, two, strict=False) if math.isfinite(a) and math.isfinite(b)]
    return abs(math.fsum(gaps) / len(gaps)) if gaps else 0.0


def differences(first: Sequence[Numbers], again: Sequence[Numbers]) -> list[str]:
    """Where two runs that must be the same are not, one line each."""
    other = {row.key: row for row in again}
    if other.keys() != {row.key for row in first}:
        return ["not the same scenarios, systems and seeds"]
    return [
        f"{row.scenario} {row.system} seed {row.seed}: {name} = {getattr(row, name)!r}, again {value!r}"
        for row in first
        for name in ("plan_sha256", *EXACT)
        if (value := getattr(other[row.key], name)) != getattr(row, name)
    ]


def seed_luck(first: Sequence[Numbers], other: Sequence[Numbers]) -> list[Change]:
    """The same system on other seeds: what luck with seeds alone does to each judged metric, with Welch's interval.

    Nothing where the scenario was skipped."""
    if not first or not other:
        return []
    found = []
    for name, metric in JUDGED.items():
        one, two = (np.array([metric.value(row) for row in rows]) for rows in (first, other))
        low, high = welch_interval(one.tolist(), two.tolist())
        before, after = float(one.mean()), float(two.mean())
        place = first[0].scenario, first[0].system
        found.append(Change(*place, name, "moved", before, after, after - before, low, high, len(one)))
    return found


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean difference; NaN for fewer than two, a point when all are the same."""
    values = np.asarray(differences, float)
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = stats.t.interval(LEVEL, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def welch_interval(one: Sequence[float], two: Sequence[float]) -> tuple[float, float]:
    """95 % interval of mean(two) - mean(one), unpaired, unequal variances."""
    a, b = np.asarray(one, float), np.asarray(two, float)
    if min(len(a), len(b)) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.nan, math.nan
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return float(b[0] - a[0]), float(b[0] - a[0])
    low, high = CompareMeans(DescrStatsW(b), DescrStatsW(a)).tconfint_diff(1 - LEVEL, usevar="unequal")
    return float(low), float(high)


def _compared(
    before: Sequence[Numbers],
    after: Sequence[Numbers],
    margins: Sequence[Margin],
    noise: Mapping[tuple[str, str, str], float],
) -> Comparison:
    old, new = _by_system(before), _by_system(after)
    same, changes, unlike = [], list[Change](), []
    for system in sorted(old):
        if reason := _unlike(old[system], new.get(system)):
            unlike.append(f"{' '.join(system)}: {reason}")
        elif found := _changes(system, old[system], new[system], {m.metric: m for m in margins}, noise):
            changes += found
        else:
            same.append(system)
    return Comparison(tuple(same), tuple(changes), tuple(unlike), tuple(sorted(new.keys() - old.keys())))


def _by_system(rows: Sequence[Numbers]) -> dict[System, list[Numbers]]:
    """By scenario and system, seeds in order."""
    found: dict[System, list[Numbers]] = {}
    for row in sorted(rows, key=_key):
        found.setdefault((row.scenario, row.system), []).append(row)
    return found


def _key(row: Numbers) -> Key:
    return row.key


def _unlike(old: Sequence[Numbers], new: Sequence[Numbers] | None) -> str:
    """Why two cannot be compared; empty when they can."""
    if new is None:
        return "is in the reference and was not run"
    if [row.seed for row in old] != [row.seed for row in new]:
        return f"the reference has seeds {[row.seed for row in old]}, this run {[row.seed for row in new]}"
    for a, b in zip(old, new, strict=True):
        if a.plan_sha256 != b.plan_sha256:
            return f"seed {a.seed}: other requests (plan {a.plan_sha256[:8]} -> {b.plan_sha256[:8]}): inputs changed"
    return ""


def _changes(
    system: System,
    old: Sequence[Numbers],
    new: Sequence[Numbers],
    margins: Mapping[str, Margin],
    noise: Mapping[tuple[str, str, str], float],
) -> list[Change]:
    found = []
    for name, metric in JUDGED.items():
        change = _change((*system, name), [metric.value(r) for r in old], [metric.value(r) for r in new])
        if change and name in margins:
            change = _judged(change, margins[name], noise)
        found.append(change)
    for name in () if noise else EXACT:
        if name not in JUDGED and name != "violations":
            found.append(_change((*system, name), *_exact(old, new, name)))
    return [change for change in found if change is not None]


def _change(place: tuple[str, str, str], old: Sequence[float], new: Sequence[float]) -> Change | None:
    """None when all are exactly the same."""
    a, b = np.asarray(old, float), np.asarray(new, float)
    if np.array_equal(a, b, equal_nan=True):
        return None
    close = bool(np.allclose(a, b, rtol=ROUNDING, atol=0.0, equal_nan=True))
    known = np.isfinite(a) & np.isfinite(b)
    lost = int((np.isfinite(a) & ~np.isfinite(b)).sum())
    low, high = paired_interval((b - a)[known].tolist())
    before, after, effect = (float(v[known].mean()) if known.any() else math.nan for v in (a, b, b - a))
    kind: Kind = "rounding" if close else "moved"
    return Change(*place, kind, before, after, effect, low, high, int(known.sum()), lost=lost)


def _judged(change: Change, margin: Margin, noise: Mapping[tuple[str, str, str], float]) -> Change:
    allowed = margin.allowed(change.before)
    floor = noise.get((change.scenario, change.system, change.metric))
    beyond_noise = floor is None or ((change.low > 0 or change.high < 0) and abs(change.effect) > floor)
    kind: Kind = change.kind if floor is None else "noise"
    if abs(change.effect) > allowed and beyond_noise:
        kind = "regression" if change.effect > 0 else "improved"
    if change.lost:  # what can no longer be measured did not get better
        kind = "regression"
    return replace(change, kind=kind, allowed=allowed, noise=floor or 0.0)


def _exact(old: Sequence[Numbers], new: Sequence[Numbers], name: str) -> tuple[list[float], list[float]]:
    """Before and after as numbers; of a text, which cannot be subtracted, 0 for as it was and 1 for another."""
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(old, new, strict=True)]
    if isinstance(pairs[0][0], str):
        return [0.0] * len(pairs), [float(a != b) for a, b in pairs]
    one, two = zip(*((math.nan if v is None else float(v) for v in pair) for pair in pairs), strict=True)
    return list(one), list(two)
