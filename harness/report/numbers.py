"""Numbers of a system over its runs, with intervals where there are any, and how people read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.gather import Gathered, Member
from harness.results import Summary, per_request
from harness.stats.interval import Estimate
from harness.stats.paired import difference
from harness.stats.quantiles import enough_beyond, quantile_value
from harness.stats.rates import per_second, violation_rate

LEVELS = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Line:
    """One system. runs: those that count, the valid ones if any is. rate: violations of planned requests, with an
    interval over runs, or within the run when there is one only. latency_s: quantiles of served requests of all its
    runs together, NaN where too few requests lie beyond. Costs are means per run, core-seconds."""

    system: str
    valid: bool
    runs: int
    planned: int
    violations: int
    rate: Estimate
    latency_s: tuple[float, ...]
    granted_core_s: float
    used_core_s: float
    per_1000_core_s: float
    resizes: float
    send_lag_p99_s: float


def line_of(run: Gathered, system: str) -> Line:
    """The numbers of one system."""
    members = run.of(system)
    found = [member.summary for member in members]
    planned, missed = sum(s.planned for s in found), sum(s.violations for s in found)
    granted_s = sum(s.granted_core_s for s in found)
    return Line(
        system=system,
        valid=all(s.valid for s in found),
        runs=len(found),
        planned=planned,
        violations=missed,
        rate=rate_of(members),
        latency_s=tuple(quantile_of(members, level) for level in LEVELS),
        granted_core_s=granted_s / len(found),
        used_core_s=_mean(found, lambda s: s.used_core_s),
        per_1000_core_s=1000.0 * granted_s / (planned - missed) if planned > missed else float("nan"),
        resizes=_mean(found, lambda s: float(s.resizes)),
        send_lag_p99_s=max(s.send_lag_p99_s for s in found),
    )


def rate_of(members: Sequence[Member]) -> Estimate:
    """Violations of planned requests: Student's t over runs, or moving blocks within a single one."""
    rates = [member.summary.violation_rate for member in members]
    if len(rates) > 1:
        over_runs = difference(rates, np.zeros(len(rates)))
        return Estimate(over_runs.value, max(over_runs.low, 0.0), min(over_runs.high, 1.0), over_runs.n)
    (member,) = members
    within = violation_rate(per_second(per_request(member.folder), member.cores))
    return Estimate(rates[0], max(within.low, 0.0), min(within.high, 1.0), within.n, within.refused)


def quantile_of(members: Sequence[Member], level: float) -> float:
    """A quantile of the latency of served requests of all of them together, s; NaN where too few lie beyond it."""
    requests = [member.examined.requests for member in members]
    times_s = np.concatenate([r.loc[r["status"] == "served", "whole_s"].to_numpy() for r in requests])
    return float("nan") if enough_beyond(len(times_s), level) else quantile_value(times_s, level)


def _mean(found: Sequence[Summary], of: Callable[[Summary], float]) -> float:
    return float(np.mean([of(one) for one in found]))


def percent(share: float) -> str:
    """A share of something as per cent, with the digits that tell small ones from none."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.1f} %"


def interval(estimate: Estimate) -> str:
    """`0.10 to 0.32 %`, or why there is none."""
    if not np.isfinite((estimate.low, estimate.high)).all():
        return f"no interval: {estimate.refused or 'one run'}"
    return f"{100 * estimate.low:.2f} to {100 * estimate.high:.2f} %"


def ms(seconds: float, digits: int = 0) -> str:
    """Milliseconds; a dash for what is not known."""
    return "–" if not np.isfinite(seconds) else f"{seconds * 1e3:,.{digits}f}"


def plain(number: float, digits: int = 1) -> str:
    """A number; a dash for what is not known."""
    return "–" if not np.isfinite(number) else f"{number:,.{digits}f}"
