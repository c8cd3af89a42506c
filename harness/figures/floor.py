"""The oracle's floor of a run, from the oracle.json in its folder (docs/systems/oracle.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.stored.runs import StoredRun, read_json
from harness.stored.series import Floats

FILE = "oracle.json"
POINTS = 60


@dataclass(frozen=True, slots=True)
class Floor:
    """Means over seeds. cores: the least mean cores of any one-replica run with so many violations (violation_percent,
    ascending), certified. any_scaling_cores: the weaker one that holds for several replicas, too. gap_percent: what the
    achievable clairvoyant schedule spends over its bound.

    seeds: those the oracle was computed for.
    """

    violation_percent: Floats
    cores: Floats
    any_scaling_cores: float
    gap_percent: float
    seeds: tuple[int, ...]

    def numbers(self) -> dict[str, Any]:
        """As the file beside the figure has it."""
        curve = [
            {"violation_percent": float(v), "cores": float(c)}
            for v, c in zip(self.violation_percent, self.cores, strict=True)
        ]
        return {
            "floor": curve,
            "any_scaling_cores": self.any_scaling_cores,
            "gap_percent": self.gap_percent,
            "seeds": list(self.seeds),
        }

    def sentence(self) -> str:
        """For a caption."""
        seeds, most = ", ".join(map(str, self.seeds)), self.violation_percent[-1]
        return (
            f"Shaded: what no system with one replica can reach, by the oracle's certified bound (mean over seeds "
            f"{seeds}; told up to {most:g} % violations); dotted: the weaker bound for any number of replicas "
            f"({self.any_scaling_cores:.2f} cores). The clairvoyant schedule `oracle` is achievable and spends "
            f"{self.gap_percent:.1f} % more than its bound."
        )


def read_floor(run: StoredRun) -> Floor | None:
    """The floor stored with a run; None when the oracle was not computed. Raises UsageError for a broken file."""
    path = run.folder / FILE
    if not path.exists():
        return None
    duration_s = run.cells[0].duration_s
    try:
        entries = read_json(path)["seeds"]
        curves = [curve_of(entry, duration_s) for entry in entries]
        gaps = [100.0 * entry["gap"] for entry in entries if entry["gap"] is not None]
        any_scaling = [entry["any_scaling_core_s"] / duration_s for entry in entries]
        seeds = tuple(int(entry["seed"]) for entry in entries)
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: has not the form of an oracle's account ({error!r})") from error
    least, most = max(c[0][0] for c in curves), min(c[0][-1] for c in curves)
    grid = np.linspace(least, most, POINTS)
    cores = np.mean([np.interp(grid, percent, level) for percent, level in curves], axis=0)
    return Floor(grid, cores, float(np.mean(any_scaling)), float(np.mean(gaps)) if gaps else float("nan"), seeds)


def curve_of(entry: dict[str, Any], duration_s: float) -> tuple[Floats, Floats]:
    """One seed's floor: violations in per cent of the planned requests, and mean cores."""
    points = sorted((point["violations"], point["core_s"]) for point in entry["floor"])
    violations, core_s = np.array(points, float).T
    return 100.0 * violations / entry["planned"], core_s / duration_s
