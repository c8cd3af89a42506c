"""Quantiles with intervals, shown only when enough lies beyond them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from harness.stats.blocks import ratio_pivot
from harness.stats.interval import CONFIDENCE, Estimate

MIN_BEYOND = 20

Floats = npt.NDArray[np.float64]


def enough_beyond(count: int, level: float) -> str:
    """Why a quantile of `count` values is not shown; empty when at least 20 of them lie beyond it."""
    beyond = math.floor(count * min(level, 1.0 - level) + 1e-9)
    return "" if beyond >= MIN_BEYOND else f"{beyond} of {count} lie beyond it, at least {MIN_BEYOND} are needed"


def quantile_value(values: npt.ArrayLike, level: float) -> float:
    """The quantile (linear between order statistics), inf where an infinite value takes part; NaN when refused."""
    array = np.asarray(values, dtype=np.float64)
    if enough_beyond(len(array), level):
        return float("nan")
    position = level * (len(array) - 1)
    low, high = np.partition(array, [math.floor(position), math.ceil(position)])[
        [math.floor(position), math.ceil(position)]
    ]
    share = position - math.floor(position)
    return float(low) if share == 0.0 or low == high else float(low + share * (high - low))


def quantile_of_series(
    values: npt.ArrayLike, bins: npt.ArrayLike, level: float, confidence: float = CONFIDENCE
) -> Estimate:
    """A quantile of autocorrelated values with an interval. bins: the time bin of each value, from 0.

    Woodruff, Confidence intervals for medians and other position measures, JASA 47, 1952: the interval of the share of
    values beyond the quantile (here from moving blocks of time), carried over to values by their ranks. An unanswered
    request may be inf.
    """
    array, index = np.asarray(values, dtype=np.float64), np.asarray(bins, dtype=np.int64)
    value = quantile_value(array, level)
    if why := enough_beyond(len(array), level):
        return Estimate(value, n=len(array), refused=why)
    count = int(index.max()) + 1
    beyond = np.bincount(index, weights=array > value, minlength=count).astype(np.float64)
    pivot = ratio_pivot(beyond, np.bincount(index, minlength=count).astype(np.float64), confidence)
    if isinstance(pivot, str):
        return Estimate(value, n=count, refused=pivot)
    share = 1.0 - level
    # The standard error grows with the share: the longer tail on both sides, for either alone misses on its short one.
    reach = max(-pivot.t_low, pivot.t_high) * pivot.standard_error
    ranks = np.clip([1.0 - share - reach, 1.0 - share + reach], 0.0, 1.0)
    bounds = np.quantile(array, ranks, method="inverted_cdf")
    return Estimate(value, float(bounds[0]), float(bounds[1]), count)
