"""The violation metric of Sponge's public prototype, and what its plotting script adds to FA2.

It is not the share of requests that missed their deadline: it never looks at a deadline, the wireless link is not in
it, and its divisor is not the number of requests. It is here to compare like with like.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from harness.results.columns import floats, is_value
from harness.stored.series import Floats

DIVISOR = 40.0  # the prototype's, although 20 requests arrive per second
LIMIT_S = 1.0  # its drop limit in one run, and its bound on a second's p99


def router_time_s(requests: pa.Table) -> Floats:
    """Time from arrival at the server to the end of service, s; infinite for a request that was not served."""
    spent_s = floats(requests, "finished_s") - floats(requests, "queued_s")
    times: Floats = np.where(is_value(requests, "status", "served"), spent_s, np.inf)
    return times


def prototype_violation_percent(requests: pa.Table, duration_s: float, drop_limit_s: float = LIMIT_S) -> Floats:
    """The prototype's metric, one value per second of the run, per cent.

    Per second: (requests whose router time passed `drop_limit_s`) + (1 if that second's p99 of router time is over
    1 s), divided by 40. A request belongs to the second in which it reached the server; one that came after the last
    second belongs to the last. It may pass 100, and is 0 in a second without requests.
    """
    seconds = int(np.ceil(duration_s))
    arrived_s = floats(requests, "queued_s")
    arrived_s = np.where(np.isfinite(arrived_s), arrived_s, floats(requests, "due_s"))
    second = np.minimum(arrived_s.astype(int), seconds - 1)
    spent_s = router_time_s(requests)
    counted = np.bincount(second, weights=spent_s > drop_limit_s, minlength=seconds)
    order = np.argsort(second, kind="stable")
    edges = np.searchsorted(second[order], np.arange(seconds + 1))
    for number in range(seconds):
        spent = spent_s[order[edges[number] : edges[number + 1]]]
        counted[number] += p99_is_over(spent, LIMIT_S)
    percent: Floats = counted / DIVISOR * 100.0
    return percent


def p99_is_over(spent_s: Floats, limit_s: float) -> bool:
    """Whether the 99th percentile (linear between order statistics) is over the limit; not when there are none."""
    if not len(spent_s):
        return False
    finite = np.where(np.isfinite(spent_s), spent_s, np.finfo(float).max / 4)
    return bool(np.quantile(finite, 0.99) > limit_s)


def plotted_term_percent(replicas: Floats) -> Floats:
    """What the published plotting script adds to FA2 where its replicas rise: (new - old) / new * 100 points."""
    before = np.concatenate((replicas[:1], replicas[:-1]))
    added: Floats = np.where(replicas > before, (replicas - before) / np.maximum(replicas, 1e-9) * 100.0, 0.0)
    return added


def first_collapse_s(percent: Floats) -> float | None:
    """The second from which on the series stays above zero to its end; None when it ends at zero."""
    zero = np.flatnonzero(~(percent > 0))
    first = int(zero[-1]) + 1 if len(zero) else 0
    return float(first) if first < len(percent) else None
