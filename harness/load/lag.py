"""How well a replayer kept its schedule: lag quantiles, gaps, and the gate that decides whether a run counts. Pure.

Lag is `sent_s - due_s` (or the server's arrival stamp minus `due_s`, the wire lag). The gate: p99 within its bound
(by default max(1 ms, 1 % of the median budget)), p99.9 within five times that and never asked to be under 5 ms, none
missing, none early, under 70 % of one core, in flight below the pool, no clock step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]

P99_FLOOR_S = 1e-3
P99_BUDGET_SHARE = 0.01
P999_FLOOR_S = 5e-3
P999_PER_P99 = 5.0
P999_LEAST_COUNT = 1000  # with fewer requests p99.9 is the single worst one
CLIENT_CORE_BOUND = 0.70
CLOCK_STEP_BOUND_S = 0.02
CLOCK_SLEW = 5e-4  # the fastest a disciplined clock may be slewed, s per s


@dataclass(frozen=True, slots=True)
class Lag:
    """Quantiles of the lag of `count` requests, and how many left before they were due."""

    count: int
    early: int
    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """Times between neighbours: mean, coefficient of variation (1 for Poisson), lag-1 autocorrelation."""

    mean_s: float
    cv: float
    autocorrelation: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What the gate looks at, for one replay."""

    planned: int
    accounted: int
    lag: Lag
    client_core: float
    pool: int
    peak_in_flight: int
    clock_step_s: float
    elapsed_s: float
    sent: int
    stopped: bool


def lag_of(due_s: Times, sent_s: Times) -> Lag:
    """Lag of requests sent at `sent_s` (all finite). NaN quantiles when there are none."""
    lag_s = sent_s - due_s
    if not len(lag_s):
        return Lag(0, 0, math.nan, math.nan, math.nan, math.nan)
    p50, p99, p999 = np.quantile(lag_s, (0.5, 0.99, 0.999)).tolist()
    return Lag(len(lag_s), int((lag_s < 0).sum()), p50, p99, p999, float(lag_s.max()))


def p99_bound_s(median_budget_s: float) -> float:
    """Largest p99 of the lag that leaves budgets of this size measurable."""
    return max(P99_FLOOR_S, P99_BUDGET_SHARE * median_budget_s)


def p999_bound_s(p99_bound_s: float) -> float:
    """The bound on p99.9 that goes with one on p99."""
    return max(P999_FLOOR_S, P999_PER_P99 * p99_bound_s)


def gaps_of(times_s: Times) -> Gaps:
    """Statistics of the gaps between sorted times. NaN where there are too few to say."""
    gaps_s = np.diff(np.sort(times_s))
    if len(gaps_s) < 3:
        return Gaps(math.nan, math.nan, math.nan)
    mean_s, spread_s = float(gaps_s.mean()), float(gaps_s.std())
    if spread_s < 1e-12:
        return Gaps(mean_s, 0.0, math.nan)
    around = gaps_s - mean_s
    return Gaps(mean_s, spread_s / mean_s, float((around[1:] * around[:-1]).mean() / spread_s**2))


def peak_in_flight(due_s: Times, timeout_s: float) -> int:
    """Most requests in any window of `timeout_s`: those open at once when none is answered before it is given up."""
    due_s = np.sort(due_s)
    if not len(due_s):
        return 0
    oldest_open = np.searchsorted(due_s, due_s - timeout_s, side="left")
    return int((np.arange(len(due_s)) - oldest_open).max()) + 1


def invalid_reasons(replay: Replay, p99_bound_s: float) -> tuple[str, ...]:
    """Why this replay must not be used; empty when it kept its schedule. Every number stands beside its bound."""
    lag, drift_s = replay.lag, CLOCK_STEP_BOUND_S + CLOCK_SLEW * replay.elapsed_s
    p999_s = p999_bound_s(p99_bound_s)
    checks = (
        (not replay.stopped, "the replay was stopped before its end"),
        (replay.sent == replay.planned, f"{replay.planned} planned but {replay.sent} sent"),
        (replay.accounted == replay.planned, f"{replay.planned} planned but {replay.accounted} accounted for"),
        (lag.early == 0, f"{lag.early} requests were sent early; must be 0"),
        (not lag.p99_s > p99_bound_s, f"send lag p99 {_ms(lag.p99_s)}; must be <= {_ms(p99_bound_s)}"),
        (
            lag.count < P999_LEAST_COUNT or lag.p999_s <= p999_s,
            f"send lag p99.9 {_ms(lag.p999_s)}; must be <= {_ms(p999_s)}",
        ),
        (
            replay.client_core < CLIENT_CORE_BOUND,
            f"the load driver used {replay.client_core:.0%} of a core; must be < {CLIENT_CORE_BOUND:.0%}",
        ),
        (
            replay.peak_in_flight < replay.pool,
            f"{replay.peak_in_flight} requests in flight on {replay.pool} connections; must be fewer",
        ),
        (
            abs(replay.clock_step_s) <= drift_s,
            f"the clock stepped by {_ms(replay.clock_step_s)} during the replay; must be within {_ms(drift_s)}",
        ),
    )
    return tuple(text for good, text in checks if not good)


def _ms(value_s: float) -> str:
    return f"{value_s * 1e3:.2f} ms"
