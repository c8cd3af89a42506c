"""When a growth was asked for and not yet in force: the time that actuation costs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Spans = npt.NDArray[np.float64]  # shape (n, 2): from, until; disjoint, ascending
NO_SPANS: Spans = np.empty((0, 2))
_ROUNDING = 1e-9


def pending_growth(decisions: pa.Table, start_granted: float) -> Spans:
    """Spans of the run clock in which more granted cores had been asked for than were in force, shape (n, 2), s.

    decisions: rows of decisions.parquet in order of time. start_granted: cores times replicas at the start.
    A span begins when a decision for more cores times replicas than those in force is handed to the actuator, and
    ends when they are in force. When the actuator brings less than was asked for (deferred, infeasible, failed), the
    span lasts until the next decision is handed over, which then asks anew or no longer wants it.
    """
    columns = ("requested_at_s", "effective_s")
    requested_s, effective_s = (decisions[name].to_numpy().astype(float) for name in columns)
    target = _granted(decisions, "target_cores", "target_replicas")
    in_force = _granted(decisions, "effective_cores", "effective_replicas")
    before = np.concatenate(([start_granted], in_force))[: len(target)]
    grows = target > before + _ROUNDING
    falls_short = in_force < target - _ROUNDING
    next_s = np.append(requested_s[1:], np.inf)[: len(target)]
    until_s = np.where(falls_short, next_s, effective_s)
    return _united(np.column_stack((requested_s, until_s))[grows])


def time_within(spans: Spans, from_s: Floats, until_s: Floats) -> Floats:
    """How much of each interval lies within the spans, s; 0 for an interval that is empty or has no ends."""
    if len(spans) == 0:
        return np.zeros(len(from_s))
    from_s = np.nan_to_num(from_s)
    until_s = np.maximum(from_s, np.nan_to_num(until_s))
    edges_s = np.minimum(spans.ravel(), max(float(until_s.max(initial=0.0)), float(spans[-1, 0])))
    pending_until = np.zeros(len(edges_s))  # pending time from the start of the run to each edge
    pending_until[1::2] = np.cumsum(edges_s[1::2] - edges_s[::2])
    pending_until[2::2] = pending_until[1:-1:2]
    within = np.interp(until_s, edges_s, pending_until) - np.interp(from_s, edges_s, pending_until)
    capped: Floats = np.clip(within, 0.0, until_s - from_s)
    return capped


def _granted(decisions: pa.Table, cores: str, replicas: str) -> Floats:
    product: Floats = decisions[cores].to_numpy().astype(float) * decisions[replicas].to_numpy().astype(float)
    return product


def _united(spans: Spans) -> Spans:
    """Overlapping and touching spans as one; empty ones left out."""
    united: list[list[float]] = []
    for begin_s, end_s in spans[spans[:, 1] > spans[:, 0]].tolist():
        if united and begin_s <= united[-1][1]:
            united[-1][1] = max(united[-1][1], end_s)
        else:
            united.append([begin_s, end_s])
    return np.array(united) if united else NO_SPANS
