"""What a run was granted and what it used: piecewise constant cores from decisions, CPU time from usage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.columns import floats
from harness.results.folders import finished_manifest
from harness.tables import DECISIONS, read_parquet

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CoreSeries:
    """Granted cores of a whole run: `cores[k]` from `edges_s[k]` until `edges_s[k + 1]`.

    edges_s: k + 1 increasing times from 0 to the plan's duration, s. cores: k values, of all replicas together.
    """

    edges_s: Floats
    cores: Floats

    @property
    def core_s(self) -> float:
        """Integral over the whole plan, core-seconds."""
        return float(self.cores @ np.diff(self.edges_s))

    def at(self, times_s: npt.ArrayLike) -> Floats:
        """Cores granted at these times; before the start as at the start, after the end as at the end."""
        index = np.searchsorted(self.edges_s, np.asarray(times_s, dtype=np.float64), side="right") - 1
        values: Floats = self.cores[np.clip(index, 0, len(self.cores) - 1)]
        return values

    def core_s_between(self, edges_s: npt.ArrayLike) -> Floats:
        """Core-seconds in each of the bins whose edges are given, s; nothing is granted outside the plan."""
        so_far = np.concatenate(([0.0], np.cumsum(self.cores * np.diff(self.edges_s))))
        values: Floats = np.diff(np.interp(np.asarray(edges_s, dtype=np.float64), self.edges_s, so_far))
        return values


def core_series(folder: Path) -> CoreSeries:
    """Granted cores over one folder's plan. Raises UsageError when a file is missing or of another schema."""
    manifest = finished_manifest(folder)
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS, CORE_COLUMNS)
    return series_of(decisions, start_of(manifest), float(manifest["scenario"]["plan"]["duration_s"]))


CORE_COLUMNS = ("requested_at_s", "effective_s", "effective_cores", "effective_replicas")


def start_of(manifest: dict[str, Any]) -> tuple[float, int]:
    """Cores per replica, and replicas, before the first decision."""
    return manifest["start"]["cores"], manifest["start"]["replicas"]


def series_of(decisions: pa.Table, start: tuple[float, int], duration_s: float) -> CoreSeries:
    """Granted cores over [0, duration_s). start: cores per replica, and replicas.

    From the request for a change until it is in force the larger of old and new is charged, of the cores and of the
    replicas: while both exist together, both are paid for. What a decision wanted and did not get costs nothing.
    """
    cores = np.concatenate(([start[0]], floats(decisions, "effective_cores")))
    replicas = np.concatenate(([start[1]], floats(decisions, "effective_replicas")))
    changed = np.flatnonzero((np.diff(cores) != 0) | (np.diff(replicas) != 0))
    requested_s = floats(decisions, "requested_at_s")[changed]
    until_s = np.maximum(requested_s, floats(decisions, "effective_s")[changed])
    until_s = np.minimum(np.maximum.accumulate(until_s), duration_s)
    since_s = np.concatenate(([0.0], until_s))[: len(changed)]
    from_s = np.clip(requested_s, since_s, duration_s)
    both = np.maximum(cores[changed], cores[changed + 1]) * np.maximum(replicas[changed], replicas[changed + 1])
    edges_s = np.concatenate(([0.0], np.column_stack((from_s, until_s)).ravel(), [duration_s]))
    after = (cores * replicas)[changed + 1]
    levels = np.concatenate(([cores[0] * replicas[0]], np.column_stack((both, after)).ravel()))
    return _without_empty_steps(edges_s, levels)


def _without_empty_steps(edges_s: Floats, levels: Floats) -> CoreSeries:
    kept = np.diff(edges_s) > 0
    return CoreSeries(np.concatenate((edges_s[:-1][kept], edges_s[-1:])), levels[kept])


def granted_core_s(decisions: pa.Table, start: tuple[float, int], duration_s: float) -> float:
    """Integral of granted cores over [0, duration_s), core-seconds; the rule of overlap is `series_of`'s."""
    return series_of(decisions, start, duration_s).core_s


def resizes(decisions: pa.Table, start_cores: float) -> int:
    """How often the effective cores of a replica changed."""
    levels = np.concatenate(([start_cores], floats(decisions, "effective_cores")))
    return int(np.count_nonzero(np.diff(levels)))
