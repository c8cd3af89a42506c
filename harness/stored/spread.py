"""Intervals over the units of a comparison: seeds, and routes with seeds within them.

The unit is a run of one seed. Where several routes were run, seeds of one route share its network, so the routes are
drawn first and the seeds within them: an interval over seeds alone would be too narrow for "on any route".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.stored.series import Floats

DRAWS = 4000
LEVEL = 0.95
SEED = 20240404
Unit = tuple[str, int]  # route, seed
Statistic = Callable[[Floats], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % percentile-bootstrap interval; low and high are NaN where one unit says nothing of spread.

    units: runs behind it.
    """

    value: float
    low: float
    high: float
    units: int


def estimate(values: Mapping[Unit, Sequence[float]], statistic: Statistic) -> Estimate:
    """A statistic of the units, and its bootstrap interval.

    values: per unit one row of numbers, what the statistic is computed of. statistic: of an array (units x numbers),
    for example the mean of its first column or the ratio of two columns' means; it may be infinite, not NaN.
    """
    units = sorted(values)
    table = np.array([values[unit] for unit in units], float)
    point = statistic(table)
    if len(units) < 2:
        return Estimate(point, float("nan"), float("nan"), len(units))
    generator = np.random.default_rng(SEED)
    draws = np.array([statistic(table[rows]) for rows in resamples(units, generator)])
    edges = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(draws, edges, method="inverted_cdf").tolist()
    return Estimate(point, low, high, len(units))


def resamples(units: Sequence[Unit], generator: np.random.Generator) -> list[Any]:
    """Row indices of each bootstrap draw: routes drawn with replacement, then seeds within each route drawn."""
    routes = sorted({route for route, _ in units})
    rows_of = [np.array([i for i, (name, _) in enumerate(units) if name == route]) for route in routes]
    if len(routes) == 1:
        return list(rows_of[0][generator.integers(0, len(rows_of[0]), (DRAWS, len(rows_of[0])))])
    drawn = generator.integers(0, len(routes), (DRAWS, len(routes)))
    return [np.concatenate([generator.choice(rows_of[k], len(rows_of[k])) for k in row]) for row in drawn]


def mean_of(values: Mapping[Unit, float]) -> Estimate:
    """The mean over units and its interval."""
    return estimate({unit: (value,) for unit, value in values.items()}, lambda table: float(table[:, 0].mean()))


def mean_difference_of(left: Mapping[Unit, float], right: Mapping[Unit, float]) -> Estimate:
    """The mean of left - right over the units both have: paired, because both replayed the same plan."""
    return mean_of({unit: left[unit] - right[unit] for unit in left.keys() & right.keys()})


def ratio_of(above: Mapping[Unit, float], below: Mapping[Unit, float]) -> Estimate:
    """Mean of `above` over mean of `below`, units drawn together; infinite when only `below` is 0, 1 when both are."""
    both = above.keys() & below.keys()
    return estimate({unit: (above[unit], below[unit]) for unit in both}, _ratio)


def _ratio(table: Floats) -> float:
    above, below = float(table[:, 0].mean()), float(table[:, 1].mean())
    if below == 0.0:
        return 1.0 if above == 0.0 else float("inf")
    return above / below
