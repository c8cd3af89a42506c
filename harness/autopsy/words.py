"""The autopsy of one system on one seed in two sentences."""

from __future__ import annotations

import numpy as np

from harness.autopsy.causes import episodes
from harness.autopsy.folder import Examined, cores_at

KINDS = {"served": "late", "dropped": "dropped", "failed": "failed"}
LEAST_IN_STRETCH = 3
SHORTEST_STRETCH_S = 0.5


def headline(examined: Examined) -> str:
    """How many of how many violated, and how."""
    found = examined.violations
    count = len(found) + examined.unaccounted
    if not count:
        return f"no violations in {examined.planned:,} requests"
    kinds = found["status"].map(KINDS).value_counts()
    parts = [f"{number:,} {kind}" for kind, number in kinds.items()]
    parts += [f"{examined.unaccounted:,} without a row"] if examined.unaccounted else []
    return f"{count:,} of {examined.planned:,} requests violated ({count / examined.planned:.2%}): {', '.join(parts)}"


def worst_stretch(examined: Examined) -> str:
    """What the largest episode of violations was like beside the whole run; empty when there is none worth telling."""
    stretches = episodes(examined.violations["created_s"].to_numpy())
    if not stretches:
        return ""
    from_s, until_s, count = max(stretches, key=lambda one: one[2])
    if count < LEAST_IN_STRETCH or until_s - from_s < SHORTEST_STRETCH_S:
        return ""
    created_s = examined.requests["created_s"].to_numpy()
    inside = (created_s >= from_s) & (created_s <= until_s)
    whole_s = float(examined.manifest["scenario"]["plan"]["duration_s"])
    start = examined.manifest["start"]
    cores = cores_at(examined.decisions, float(start["cores"]), np.linspace(from_s, until_s, 200))
    in_force = f"{cores.min():g}" if cores.min() == cores.max() else f"{cores.min():g} to {cores.max():g}"
    uplink_ms = examined.requests["uplink_s"].to_numpy() * 1e3
    return (
        f"In the worst stretch, {max(0.0, from_s):.1f} to {until_s:.1f} s ({count:,} violations), "
        f"{inside.sum() / (until_s - from_s):.1f} requests/s were created ({len(created_s) / whole_s:.1f} over the "
        f"run), their uplink took {np.median(uplink_ms[inside]):.0f} ms ({np.median(uplink_ms):.0f} ms over the run; "
        f"medians), and {in_force} core{'s' * (in_force != '1')} per replica were in force"
    )
