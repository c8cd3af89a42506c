"""Two systems on the same plans: differences and ratios over runs, tests that can reject, what they could have seen.

The unit is the run: one plan, one value per system. Values of one plan are paired.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from harness.stats.interval import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
POWER = 0.8
EXACT_UP_TO = 13  # pairs; 8192 sign patterns are all tried, more are sampled
SAMPLED_PATTERNS = 9999
SEED = 20260102
SIMULATED = 2000  # sets of differences; their power is known to 0.01
EFFECT_DIGITS = 1e-3
ROUNDING = 1e-12  # relative; differences that vary by less do not vary


def difference(ours: npt.ArrayLike, theirs: npt.ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of ours - theirs over pairs, with Student's t interval (Student 1908; scipy). One pair has no interval."""
    d = _differences(ours, theirs)
    return _mean_with_t_interval(d, confidence)


def ratio(ours: npt.ArrayLike, theirs: npt.ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Geometric mean of ours / theirs over pairs, with the t interval of the mean log ratio. Needs positive values."""
    a, b = _pairs(ours, theirs)
    if (a <= 0.0).any() or (b <= 0.0).any():
        return Estimate(math.nan, n=len(a), refused="a value is 0")
    logs = _mean_with_t_interval(np.log(a) - np.log(b), confidence)
    low, value, high = (math.exp(v) if math.isfinite(v) else v for v in (logs.low, logs.value, logs.high))
    return Estimate(value, low, high, len(a), logs.refused)


def _mean_with_t_interval(d: Floats, confidence: float) -> Estimate:
    value = float(d.mean())
    if len(d) < 2:
        return Estimate(value, n=len(d), refused="one run")
    error = stats.sem(d)
    if error == 0.0:
        return Estimate(value, value, value, len(d))
    low, high = stats.t.interval(confidence, len(d) - 1, loc=value, scale=error)
    return Estimate(value, float(low), float(high), len(d))


def cohens_d(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Mean of the differences over their standard deviation (Cohen 1988, d_z for pairs); NaN when they do not vary, or
    no more than rounding does."""
    d = _differences(ours, theirs)
    spread = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    return float(d.mean()) / spread if spread > ROUNDING * float(np.abs(d).max(initial=0.0)) else math.nan


def cliffs_delta(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """P(ours > theirs) - P(ours < theirs) over all combinations, -1..1 (Cliff 1993), from Mann and Whitney's U."""
    a, b = _pairs(ours, theirs)
    return float(2.0 * stats.mannwhitneyu(a, b, method="asymptotic").statistic / (len(a) * len(b)) - 1.0)


def sign_flip_p(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Two-sided p that the differences are symmetric about 0: all sign patterns up to 13 pairs, 9999 drawn above.

    Fisher's randomisation test for pairs (The Design of Experiments, 1935); scipy's permutation_test.
    """
    a, b = _pairs(ours, theirs)
    if np.array_equal(a, b):
        return 1.0
    count = math.inf if len(a) <= EXACT_UP_TO else SAMPLED_PATTERNS
    found = stats.permutation_test(
        (a, b), _mean_difference, permutation_type="samples", vectorized=True, n_resamples=count,
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return float(found.pvalue)


def _mean_difference(a: Floats, b: Floats, axis: int = 0) -> Floats:
    means: Floats = np.mean(a - b, axis=axis)
    return means


def smallest_p(pairs: int) -> float:
    """The smallest p the sign-flip test can give with this many pairs."""
    return 2.0 / 2.0**pairs if pairs <= EXACT_UP_TO else 2.0 / (SAMPLED_PATTERNS + 1)


def runs_needed(comparisons: int, alpha: float = ALPHA) -> int:
    """Pairs from which the sign-flip test can reject at all when Holm corrects for this many comparisons; 0 when no
    number of them would do."""
    return next((pairs for pairs in range(1, EXACT_UP_TO + 2) if smallest_p(pairs) * comparisons <= alpha), 0)


def holm(p_values: npt.ArrayLike) -> Floats:
    """Holm's correction (Scandinavian Journal of Statistics 6, 1979; statsmodels)."""
    values = np.asarray(p_values, dtype=np.float64)
    if len(values) < 2:  # nothing to correct, and statsmodels collects garbage at every call
        return values
    corrected: Floats = multipletests(values, method="holm")[1]
    return corrected


def equivalence_p(ours: npt.ArrayLike, theirs: npt.ArrayLike, margin: float, *, relative: bool) -> float:
    """p of two one-sided t tests that the mean difference lies within +-margin (Schuirmann 1987; statsmodels).

    relative: the mean log ratio lies within +-log(1 + margin) instead. NaN when it cannot be asked: fewer than two
    pairs, or a ratio of values that are not positive.
    """
    a, b = _pairs(ours, theirs)
    if len(a) < 2 or (relative and min(a.min(), b.min()) <= 0.0):
        return math.nan
    if relative:
        a, b, margin = np.log(a), np.log(b), math.log1p(margin)
    d = a - b
    if np.ptp(d) == 0.0:
        return 0.0 if abs(d[0]) < margin else 1.0
    return float(ttost_paired(a, b, -margin, margin)[0])


def smallest_detectable(ours: npt.ArrayLike, theirs: npt.ArrayLike, alpha: float = ALPHA) -> float:
    """The mean difference that runs like these would have shown with 80 % power at `alpha`, in the values' unit.

    From the spread of the differences found. NaN where the sign-flip test cannot reject at all.
    """
    d = _differences(ours, theirs)
    return smallest_effect(len(d), alpha) * float(d.std(ddof=1)) if len(d) > 1 else math.nan


@cache
def smallest_effect(pairs: int, alpha: float) -> float:
    """The mean of normal differences, in their standard deviations, that the sign-flip test sees with 80 % power.

    Up to 13 pairs by simulating that very test, which has fewer outcomes than the t test and sees less; above as the
    paired t test sees it (Cohen 1988), which is then within 0.03 of it. NaN where no outcome could be significant.
    """
    if smallest_p(pairs) > alpha:
        return math.nan
    by_t = float(optimize.brentq(lambda size: t_power(size, pairs, alpha) - POWER, 0.0, 1e3))
    if pairs > EXACT_UP_TO:
        return by_t
    noise = np.random.default_rng(SEED).standard_normal((pairs, SIMULATED))
    low, high = 0.5 * by_t, 4.0 * by_t
    while high - low > EFFECT_DIGITS * by_t:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if sign_flip_power(middle + noise, alpha) >= POWER else (middle, high)
    return high


def t_power(size: float, pairs: int, alpha: float) -> float:
    """Power of the two-sided paired t test, of its tail on the side of the effect (the other adds next to nothing)."""
    critical = stats.t.isf(alpha / 2.0, pairs - 1)
    return float(stats.nct.sf(critical, pairs - 1, size * math.sqrt(pairs)))


def sign_flip_power(differences: Floats, alpha: float) -> float:
    """Share of columns (one set of differences each) for which the sign-flip test over all patterns rejects."""
    pairs = len(differences)
    half = np.arange(2 ** (pairs - 1))[:, None] >> np.arange(pairs) & 1  # the other half mirrors it
    sums = np.abs((1.0 - 2.0 * half) @ differences)
    as_far = (sums >= (1.0 - ROUNDING) * sums[0]).mean(axis=0)  # the first pattern flips nothing
    return float((as_far <= alpha).mean())


def _differences(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Floats:
    a, b = _pairs(ours, theirs)
    return a - b


def _pairs(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"pairs of shapes {a.shape} and {b.shape}; must be two lists of the same length, not empty")
    return a, b
