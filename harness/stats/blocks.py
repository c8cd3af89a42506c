"""Intervals from one autocorrelated series: the studentised moving-block bootstrap.

Künsch, The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17(3), 1989 (the
moving blocks); Götze and Künsch, Second-order correctness of the blockwise bootstrap, Annals of Statistics 24(5), 1996
(the studentised interval and its variance from the blocks drawn). Plain percentile intervals of the same blocks cover
77 to 93 % where these cover 93 to 97 % (docs/statistics.md), so they are not offered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from arch.bootstrap import optimal_block_length

from harness.stats.interval import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]

MIN_BINS = 200  # of a second; below, how long to make the blocks cannot be learned, and intervals come out too short
MIN_BLOCKS = 6  # of the length the series asks for; a shorter series cannot show how it varies
USED_BLOCKS = 8  # at least; fewer make the studentised quantiles wild, so blocks are cut to fit
MIN_BLOCKS_THAT_DIFFER = 5
RESAMPLES = 4999
DRAWN_AT_ONCE = 2_000_000  # blocks, to bound memory
SEED = 20260101
ROUNDING = 1e-12  # relative; a resample whose blocks differ by less does not vary
LARGEST_EXPONENT = 50.0  # of a ratio's interval; beyond, it says nothing
LONGER = 2.0  # times the length that serves the variance best: intervals want longer blocks, bursts too


@dataclass(frozen=True, slots=True)
class Pivot:
    """A ratio of sums with the bootstrap's quantiles of (estimate - truth) / standard error; with `log`, both of their
    logarithms."""

    value: float
    standard_error: float
    t_low: float
    t_high: float
    log: bool = False

    def interval(self, bins: int) -> Estimate:
        """Where the truth lies: the quantiles change sides."""
        centre = math.log(self.value) if self.log else self.value
        low, high = (centre - t * self.standard_error for t in (self.t_high, self.t_low))
        if self.log:
            low, high = math.exp(low), math.exp(high)
        return Estimate(self.value, low, high, bins)


def block_length(series: npt.ArrayLike) -> int:
    """Bins per block for a series: twice the Politis-White length for circular blocks.

    Politis and White, Automatic block-length selection for the dependent bootstrap, Econometric Reviews 23(1), 2004,
    corrected by Patton, Politis and White, 28(4), 2009. A constant series has length 1.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < 10 or np.ptp(values) == 0.0:
        return 1
    found = float(optimal_block_length(values)["circular"].iloc[0])
    return max(1, math.ceil(LONGER * found)) if math.isfinite(found) else 1


def ratio_interval(
    top: npt.ArrayLike,
    bottom: npt.ArrayLike,
    confidence: float = CONFIDENCE,
    *,
    granted: bool = False,
    positive: bool = False,
) -> Estimate:
    """sum(top) / sum(bottom) of two series over the same time bins, with an interval that respects autocorrelation.

    A rate is violations per bin over requests per bin; a mean has a bottom of ones; a difference of two systems' rates
    on one plan has the difference on top. Refused when the series is shorter than 200 bins or 6 of its blocks, or
    differs from its usual value in fewer than 5 of them: then there is too little in it to learn how it varies, be the
    rate 0 or 1. granted: the series is what somebody granted (cores), not what happened to requests; where it is the
    same in every bin it is known exactly. positive: both are amounts and their ratio is asked for (of two systems, or a
    cost per result): its interval is that of the logarithm, and it is refused where the bottom may be 0.
    """
    over, under = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    total = under.sum()
    if not len(over) or total == 0.0:
        return Estimate(float("nan"), n=len(over), refused="nothing to divide by")
    value = float(over.sum() / total)
    if granted and np.allclose(over, value * under, rtol=1e-9, atol=0.0):
        return Estimate(value, value, value, len(over))
    if positive and (why := not_positive(over, under, confidence)):
        return Estimate(value, n=len(over), refused=why)
    pivot = ratio_pivot(over, under, confidence, log=positive)
    if isinstance(pivot, str):
        return Estimate(value, n=len(over), refused=pivot)
    if positive and max(abs(pivot.t_low), abs(pivot.t_high)) * pivot.standard_error > LARGEST_EXPONENT:
        return Estimate(value, n=len(over), refused="its resamples say nothing")
    return pivot.interval(len(over))


def not_positive(over: Floats, under: Floats, confidence: float) -> str:
    """Why a ratio of amounts has no interval: one of them is 0, or what is divided by may be; empty when it can."""
    if over.sum() <= 0.0:
        return "it is 0"
    below = ratio_interval(under, np.ones(len(under)), confidence)
    return "what it is divided by may be 0: the interval of that reaches it" if below.low <= 0.0 else ""


def ratio_pivot(over: Floats, under: Floats, confidence: float, *, log: bool = False) -> Pivot | str:
    """The pivot of sum(over) / sum(under), or why there is none. log: of its logarithm; needs positive sums."""
    value = float(over.sum() / under.sum())
    wanted = block_length(over - value * under)
    length = max(1, min(wanted, len(over) // USED_BLOCKS))
    if why := refusal(per_bin(over, under), wanted, length):
        return why
    blocks = len(over) // length
    tops, bottoms = block_sums(over, length), block_sums(under, length)
    centre = tops.sum() / bottoms.sum()
    error = float(np.sqrt(np.mean((tops - centre * bottoms) ** 2) / (blocks - 1)) / bottoms.mean())
    if log and centre <= 0.0:
        return "it is 0 in all blocks but few"
    t = _studentised(tops, bottoms, centre, blocks, log=log)
    if len(t) < 0.9 * RESAMPLES:
        return "its resamples are mostly constant"
    low, high = np.quantile(t, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return Pivot(value, error / centre if log else error, low, high, log)


def per_bin(over: Floats, under: Floats) -> Floats:
    """over / under in every bin; the usual value where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = over / under
    return np.where(np.isnan(found), np.nanmedian(found), found)


def refusal(series: Floats, wanted: int, length: int) -> str:
    """Why a series of ratios per bin cannot have an interval; empty when it can. wanted: the block length it asks for;
    length: used."""
    if len(series) < MIN_BINS:
        return f"too short: {len(series)} s, at least {MIN_BINS} are needed"
    if len(series) < MIN_BLOCKS * wanted:
        return f"too short: {len(series)} s; it varies in blocks of {wanted} s and {MIN_BLOCKS} of them are needed"
    blocks = len(series) // length
    whole = series[: blocks * length].reshape(blocks, length)
    usual = np.isclose(whole, np.median(series), rtol=1e-9, atol=0.0)
    differing = int(np.count_nonzero(~usual.all(axis=1)))
    if differing < MIN_BLOCKS_THAT_DIFFER:
        return f"it varies in only {differing} of {blocks} blocks of {length} s"
    return ""


def block_sums(series: Floats, length: int) -> Floats:
    """Sums of all overlapping blocks."""
    so_far = np.concatenate(([0.0], np.cumsum(series)))
    sums: Floats = so_far[length:] - so_far[:-length]
    return sums


def _studentised(tops: Floats, bottoms: Floats, centre: float, blocks: int, *, log: bool) -> Floats:
    """(estimate - centre) / standard error of every resample that has one."""
    generator = np.random.default_rng(SEED)
    at_once = max(1, DRAWN_AT_ONCE // blocks)
    sizes = (min(at_once, RESAMPLES - done) for done in range(0, RESAMPLES, at_once))
    drawn = (generator.integers(len(tops), size=(size, blocks)) for size in sizes)
    t = np.concatenate([_resampled(tops, bottoms, centre, one, log=log) for one in drawn])
    finite: Floats = t[np.isfinite(t)]
    return finite


def _resampled(tops: Floats, bottoms: Floats, centre: float, drawn: npt.NDArray[np.int64], *, log: bool) -> Floats:
    top, bottom, blocks = tops[drawn], bottoms[drawn], drawn.shape[1]
    total = bottom.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = top.sum(axis=1) / total
        residual = top - value[:, None] * bottom
        error = np.sqrt((residual**2).sum(axis=1) * blocks / (blocks - 1)) / total
        error = np.where(error > ROUNDING * np.abs(value), error, 0.0)  # none, as where it is exactly so
        t: Floats = np.log(value / centre) / (error / value) if log else (value - centre) / error
    return t
