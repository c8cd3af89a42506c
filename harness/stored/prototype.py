"""The violation metric of Sponge's public prototype, and what its plotting script adds to FA2.

It is not the share of requests that missed their deadline: it never looks at a deadline, the wireless link is not in
it, and its divisor is not the number of requests. It is here to compare like with like.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.columns import floats, is_value
from harness.stored.series import Floats

Ints = npt.NDArray[np.int64]
DIVISOR = 40.0  # the prototype's, although 20 requests arrive per second
NEVER_S = 1e12
LIMIT_S = 1.0  # its drop limit in one run, and its bound on a second's p99


def router_time_s(requests: pa.Table) -> Floats:
    """Time from arrival at the server to the end of service, s; `NEVER_S` for a request that was not served."""
    spent_s = floats(requests, "finished_s") - floats(requests, "queued_s")
    times: Floats = np.where(is_value(requests, "status", "served"), spent_s, NEVER_S)
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
    over = quantile_by_group(spent_s, second, seconds, 0.99) > LIMIT_S
    percent: Floats = (counted + over) / DIVISOR * 100.0
    return percent


def quantile_by_group(values: Floats, group: Ints, groups: int, level: float) -> Floats:
    """A quantile (linear between order statistics) of the values of each group 0..groups-1; NaN for an empty one."""
    order = np.lexsort((values, group))
    ranked, counts = values[order], np.bincount(group, minlength=groups)
    place = level * np.maximum(counts - 1, 0)
    first = np.cumsum(counts) - counts
    below = np.minimum(first + place.astype(int), max(len(values) - 1, 0))
    above = np.minimum(below + (place % 1 > 0), max(len(values) - 1, 0))
    found = np.full(groups, np.nan)
    some = counts > 0
    low, high = ranked[below[some]], ranked[above[some]]
    found[some] = low + (high - low) * (place % 1)[some]
    return found


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
