"""The oracle's floor of a run, from the oracle.json in its folder (docs/systems/oracle.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.settings import read_json
from harness.stored.runs import StoredRun
from harness.stored.series import Floats

FILE = "oracle.json"


@dataclass(frozen=True, slots=True)
class Floor:
    """Means over seeds. cores: the least mean cores of any one-replica run with so many violations (violation_percent,
    ascending), certified; it holds for fewer violations, too, down to the next point below. any_scaling_cores: the
    weaker one that holds for several replicas, too, but for at most oracle_percent violations, the oracle's own.
    gap_percent: what the achievable clairvoyant schedule spends over its bound.

    seeds: those the oracle was computed for, of those of the run (of_seeds).
    """

    violation_percent: Floats
    cores: Floats
    any_scaling_cores: float
    oracle_percent: float
    gap_percent: float
    seeds: tuple[int, ...]
    of_seeds: tuple[int, ...]

    def numbers(self) -> dict[str, Any]:
        """As the file beside the figure has it."""
        curve = [
            {"violation_percent": float(v), "cores": float(c)}
            for v, c in zip(self.violation_percent, self.cores, strict=True)
        ]
        return {
            "floor": curve,
            "any_scaling_cores": self.any_scaling_cores,
            "oracle_percent": self.oracle_percent,
            "gap_percent": self.gap_percent,
            "seeds": list(self.seeds),
        }

    def sentence(self) -> str:
        """For a caption."""
        seeds, of_seeds = (", ".join(map(str, some)) for some in (self.seeds, self.of_seeds))
        which = f"seed{'s' * (len(self.seeds) > 1)} {seeds} of {of_seeds}"
        return (
            f"Shaded: what no system with one replica can reach, by the oracle's certified bound, computed for {which} "
            f"(mean over them; told up to {self.violation_percent[-1]:.3g} % violations; between proven points the "
            f"bound of the next higher one). Triangle: the weaker bound for any number of replicas "
            f"({self.any_scaling_cores:.2f} cores); it is proven for at most the oracle's own misses "
            f"({self.oracle_percent:.3g} %) and says nothing about more. The clairvoyant schedule `oracle` "
            f"is achievable and spends {self.gap_percent:.1f} % more than its bound."
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
        missed = [100.0 * entry["schedule"]["violations"] / entry["planned"] for entry in entries]
        seeds = tuple(int(entry["seed"]) for entry in entries)
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: has not the form of an oracle's account ({error!r})") from error
    return Floor(
        *mean_curve(curves),
        any_scaling_cores=float(np.mean(any_scaling)),
        oracle_percent=float(np.mean(missed)),
        gap_percent=float(np.mean(gaps)) if gaps else float("nan"),
        seeds=seeds,
        of_seeds=run.seeds,
    )


def mean_curve(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Violations at which some seed's floor steps, as far as all are told, and the mean of the floors there.

    Between two proven points a seed's floor is that of the next higher one: a run with fewer violations needs no less.
    The straight line between them is not proven.
    """
    grid = np.unique(np.concatenate([percent for percent, _ in curves]))
    grid = grid[grid <= min(percent[-1] for percent, _ in curves)]
    cores: Floats = np.mean([level[np.searchsorted(percent, grid)] for percent, level in curves], axis=0)
    return grid, cores


def curve_of(entry: dict[str, Any], duration_s: float) -> tuple[Floats, Floats]:
    """One seed's floor: violations in per cent of the planned requests, and mean cores."""
    points = sorted((point["violations"], point["core_s"]) for point in entry["floor"])
    violations, core_s = np.array(points, float).T
    return 100.0 * violations / entry["planned"], core_s / duration_s
