"""Means, differences and ratios over the units of a comparison, with 95 % intervals.

The unit is the seed where one route was run. Where several were, seeds of one route share its network and are no
independent evidence about other routes, so the unit is the route, with the mean over its seeds as its value.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.stats.interval import CONFIDENCE, Estimate
from harness.stats.paired import difference
from harness.stored.series import Floats

DRAWS = 4000
SEED = 20240404
UNITS_FOR_BOOTSTRAP = 20  # with fewer, quantiles of resampled means are too narrow, and a 0 makes them meaningless
Unit = tuple[str, int]  # route, seed
Values = Mapping[Unit, float]


def unit_values(values: Values) -> dict[Unit, float]:
    """One value per independent unit: per seed of a single route, or per route (its mean over seeds, seed 0)."""
    routes = {route for route, _ in values}
    if len(routes) == 1:
        return dict(values)
    gathered: dict[Unit, list[float]] = defaultdict(list)
    for (route, _), value in sorted(values.items()):
        gathered[route, 0].append(value)
    return {unit: float(np.mean(found)) for unit, found in gathered.items()}


def mean_of(values: Values) -> Estimate:
    """The mean over units, with Student's t interval."""
    found = list(unit_values(values).values())
    return difference(found, np.zeros(len(found)))


def mean_of_share(values: Values) -> Estimate:
    """The mean of something that cannot be negative: an interval that reaches below 0 is cut there."""
    found = mean_of(values)
    return replace(found, low=0.0) if found.low < 0.0 else found


def mean_difference_of(left: Values, right: Values) -> Estimate:
    """The mean of left - right over what both have: paired, because both replayed the same plan."""
    both = left.keys() & right.keys()
    return mean_of({unit: left[unit] - right[unit] for unit in both})


def ratio_of(above: Values, below: Values) -> Estimate:
    """Mean of `above` over mean of `below`, what both have, with a 95 % interval over units.

    Infinite when only `below` is 0, 1 when both are. A ratio of means and not a mean of ratios, because one unit
    without a violation would make that infinite. Where all values are positive the interval is Student's t on the
    logarithm of the ratio, whose error is that of the paired values over their means (the delta method). With a value
    of 0 it is a percentile bootstrap, from 20 units on; with fewer there is none.
    """
    both = above.keys() & below.keys()
    over, under = (unit_values({unit: side[unit] for unit in both}) for side in (above, below))
    table = np.array([[over[unit], under[unit]] for unit in sorted(over)])
    value = float(_ratios(table.mean(axis=0)[None, :])[0])
    if len(table) < 2:
        return Estimate(value, n=len(table), refused="one run")
    if (table > 0).all():
        logs = difference(*(table / table.mean(axis=0)).T)
        return Estimate(value, value * math.exp(logs.low), value * math.exp(logs.high), len(table))
    if len(table) < UNITS_FOR_BOOTSTRAP:
        return Estimate(value, n=len(table), refused=f"a value is 0, and fewer than {UNITS_FOR_BOOTSTRAP} units")
    return _bootstrapped(value, table)


def _bootstrapped(value: float, table: Floats) -> Estimate:
    rows = np.random.default_rng(SEED).integers(0, len(table), (DRAWS, len(table)))
    edges = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = np.quantile(_ratios(table[rows].mean(axis=1)), edges, method="inverted_cdf").tolist()
    return Estimate(value, low, high, len(table))


def _ratios(means: Floats) -> Floats:
    above, below = means[:, 0], means[:, 1]
    ratios: Floats = np.where(below > 0, above / np.where(below > 0, below, 1.0), np.where(above > 0, np.inf, 1.0))
    return ratios
