"""Violations grouped by what took most of their time, and when they happened."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.autopsy.pending import Floats

CAUSES: Mapping[str, tuple[str, ...]] = {
    "client lag": ("client_lag_s",),
    "network": ("uplink_s", "inbound_s", "outbound_s"),
    "queueing": ("queueing_s",),
    "actuation": ("actuation_s",),
    "service": ("service_s",),
}
FAILURE = "failure"
EPISODE_GAP_S = 2.0
EPISODES_SHOWN = 3


def cause_times(parts: pd.DataFrame) -> pd.DataFrame:
    """Seconds by cause, one column per cause; they sum to `whole_s` as the parts do."""
    return pd.DataFrame({cause: parts[list(names)].sum(axis=1) for cause, names in CAUSES.items()})


def dominant_cause(violations: pd.DataFrame) -> pd.Series:
    """The cause that took most of each violation's time; `failure` for a request that came to an error."""
    largest = cause_times(violations).fillna(-np.inf).idxmax(axis=1) if len(violations) else pd.Series(dtype=object)
    return largest.where(violations["status"] != "failed", FAILURE)


def by_cause(violations: pd.DataFrame) -> pd.DataFrame:
    """One row per cause that occurs, the most frequent first.

    cause; violations, and share of all of them; lateness_p50_s of those whose lateness is known; when: the episodes
    they happened in.
    """
    rows = []
    for cause, group in violations.groupby("cause", sort=False):
        rows.append(
            {
                "cause": cause,
                "violations": len(group),
                "share": len(group) / len(violations),
                "lateness_p50_s": float(group["lateness_s"].median()),
                "when": when(group["created_s"].to_numpy()),
            }
        )
    names = ["cause", "violations", "share", "lateness_p50_s", "when"]
    return pd.DataFrame(rows, columns=names).sort_values("violations", ascending=False, ignore_index=True)


def episodes(created_s: Floats, gap_s: float = EPISODE_GAP_S) -> list[tuple[float, float, int]]:
    """Stretches of violations no further apart than `gap_s`: from, until, how many. In order of time."""
    times_s = np.sort(created_s)
    if len(times_s) == 0:
        return []
    groups = np.split(times_s, np.flatnonzero(np.diff(times_s) > gap_s) + 1)
    return [(float(group[0]), float(group[-1]), len(group)) for group in groups]


def when(created_s: Floats) -> str:
    """The largest episodes in words, in order of time: `21.0-24.9 s (58), 31.2 s (1)`."""
    found = episodes(created_s)
    largest = sorted(sorted(found, key=lambda one: -one[2])[:EPISODES_SHOWN])
    text = ", ".join(_span(*one) for one in largest)
    return text + (f" and {len(found) - len(largest)} more" if len(found) > len(largest) else "")


def _span(from_s: float, until_s: float, count: int) -> str:
    return f"{from_s:.1f} s ({count})" if from_s == until_s else f"{from_s:.1f}\u2013{until_s:.1f} s ({count})"
