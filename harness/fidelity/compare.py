"""Differences between a real run and its twin, held against fixed bounds, and what each component closes of them.

The twin predicts a distribution: the same plan simulated several times with other draws of what is random. Its value
is the median of the draws, and the 5th to 95th percentile of them says what one run can differ by chance. A real run
is one draw of its machine. Of several seeds the means are compared: the seed is the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from harness.fidelity.measures import REAL, SLOWER, TWIN

Kind = Literal["relative", "absolute"]
LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a metric of the twin may be off. kind: relative to the real value, or absolute."""

    metric: str
    kind: Kind
    most: float


BOUNDS = (
    Bound("violation_rate", "absolute", 0.01),
    Bound("latency_p50_s", "relative", 0.10),
    Bound("latency_p95_s", "relative", 0.10),
    Bound("latency_p99_s", "relative", 0.10),
    Bound("granted_core_s", "relative", 0.02),
)
SHOWN = ("resizes", "mean_batch")  # side by side, without a bound


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of one system. off: twin - real, as a share of real where the bound is relative; NaN where one of
    them has no value. low, high: 5th and 95th percentile of the twin's draws."""

    system: str
    bound: Bound
    real: float
    twin: float
    low: float
    high: float
    off: float

    @property
    def within(self) -> bool:
        """Whether the bound is kept. What cannot be compared does not keep it."""
        return bool(abs(self.off) <= self.bound.most + 1e-12)


@dataclass(frozen=True, slots=True)
class Closing:
    """What one component, as the run had it, makes of a difference. before, after: how far the twin is off without and
    with it, in the bound's unit."""

    system: str
    bound: Bound
    component: str
    before: float
    after: float

    @property
    def closed(self) -> float:
        """By how much the difference got smaller; negative when it grew."""
        return abs(self.before) - abs(self.after)


def systems_of(rows: pd.DataFrame) -> list[str]:
    """The systems, in order of their first row."""
    return list(dict.fromkeys(rows["system"]))


def components_of(rows: pd.DataFrame) -> list[str]:
    """The counterfactual sources, in order of their first row."""
    return [source for source in dict.fromkeys(rows["source"]) if source not in (REAL, TWIN, SLOWER)]


def differences(rows: pd.DataFrame, bounds: Sequence[Bound] = BOUNDS) -> list[Difference]:
    """Every bounded metric of every system."""
    return [difference(rows, system, bound) for system in systems_of(rows) for bound in bounds]


def difference(rows: pd.DataFrame, system: str, bound: Bound) -> Difference:
    """One metric of one system, real against twin."""
    real = float(np.mean(values(rows, system, REAL, bound.metric)))
    draws = values(rows, system, TWIN, bound.metric)
    twin, low, high = middle(draws), *(float(np.quantile(draws, level)) for level in (LOW, HIGH))
    return Difference(system, bound, real, twin, low, high, off(real, twin, bound.kind))


def values(rows: pd.DataFrame, system: str, source: str, metric: str) -> np.ndarray:
    """A metric per draw, the mean over the seeds."""
    mine = rows[(rows["system"] == system) & (rows["source"] == source) & (rows["metric"] == metric)]
    found = mine.groupby("draw")["value"].mean().to_numpy(dtype=np.float64) if len(mine) else np.array([np.nan])
    return np.asarray(found)


def middle(draws: np.ndarray) -> float:
    """The twin's value: the median of its draws."""
    return float(np.median(draws))


def off(real: float, twin: float, kind: Kind) -> float:
    """twin - real, over real for a relative bound; equal values are 0 off, also at 0."""
    if twin == real:
        return 0.0
    if kind == "absolute":
        return twin - real
    return (twin - real) / real if real else float("nan")


def closings(rows: pd.DataFrame, bounds: Sequence[Bound] = BOUNDS) -> list[Closing]:
    """What every component closes of every difference."""
    found = []
    for was in differences(rows, bounds):
        for component in components_of(rows):
            now = middle(values(rows, was.system, component, was.bound.metric))
            after = off(was.real, now, was.bound.kind)
            found.append(Closing(was.system, was.bound, component, was.off, after))
    return found


def sensitivity(rows: pd.DataFrame, system: str, bound: Bound) -> float:
    """What 1 % longer service times change of a metric, in the bound's unit: the median over draws, each against the
    same draw without (draws are numbered from 0); NaN when that was not simulated."""
    real = float(np.mean(values(rows, system, REAL, bound.metric)))
    with_it, without = values(rows, system, SLOWER, bound.metric), values(rows, system, TWIN, bound.metric)
    change = float(np.median(with_it - without[: len(with_it)]))
    return change if bound.kind == "absolute" else off(real, real + change, "relative")


def explained(found: Sequence[Closing], system: str, metric: str) -> list[Closing]:
    """The components of one difference, the one that closes most first."""
    mine = [one for one in found if one.system == system and one.bound.metric == metric]
    return sorted(mine, key=lambda one: -np.nan_to_num(one.closed, nan=-np.inf))
