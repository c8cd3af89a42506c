"""Stored sweeps: `results/<scenario>/<sweep_id>/sweep.parquet`, one row per point, system and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import UsageError
from harness.stored.measures import Measures
from harness.stored.runs import read_json

ROUTE = "plan.network.trace"
DURATION = "plan.duration_s"
KNOWN = ("case", "system", "seed")


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """rows: columns case, one per axis (a dotted key of the scenario), system, seed, then what was measured."""

    scenario: str
    sweep_id: str
    folder: Path
    facts: Mapping[str, Any]
    rows: pd.DataFrame

    @property
    def axes(self) -> tuple[str, ...]:
        """The keys that were varied: the dotted columns, or `case` where cases were."""
        dotted = tuple(name for name in self.rows.columns if "." in name)
        return dotted or tuple(name for name in ("case",) if self.rows.get(name, pd.Series(dtype=str)).nunique() > 1)

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, in the order of the rows."""
        return tuple(dict.fromkeys(self.rows["system"]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({int(seed) for seed in self.rows["seed"]}))

    def source(self) -> dict[str, Any]:
        """What a caption names."""
        first = self.rows.iloc[0]
        return {
            "folder": str(self.folder),
            "scenario": self.scenario,
            "scenario_sha256": str(self.facts.get("scenario_sha256", "")),
            "run_id": self.sweep_id,
            "seeds": list(self.seeds),
            "systems": list(self.systems),
            "axes": list(self.axes),
            "backend": str(self.facts.get("backend", "simulated")),
            "git_commit": str(self.facts.get("git_commit") or first.get("git_commit", "")),
            "git_dirty": bool(self.facts.get("git_dirty", first.get("git_dirty", False))),
        }


def newest_sweep(results: Path, scenario: str) -> StoredSweep | None:
    """The newest finished sweep of a scenario, by its id (which begins with its time of day)."""
    found = sorted((results / scenario).glob("*/sweep.parquet"), key=lambda path: path.parent.name)
    return read_sweep(found[-1].parent) if found else None


def read_sweep(folder: Path) -> StoredSweep:
    """One sweep. Raises UsageError when its table lacks system or seed."""
    rows = pd.read_parquet(folder / "sweep.parquet")
    if missing := {"system", "seed"} - set(rows.columns):
        raise UsageError(f"{folder / 'sweep.parquet'}: has no column {', '.join(sorted(missing))}")
    facts = read_json(folder / "sweep.json") if (folder / "sweep.json").exists() else {}
    return StoredSweep(folder.parent.name, folder.name, folder, facts, rows)


def with_per_cent(sweep: StoredSweep) -> pd.DataFrame:
    """The rows with violation_percent and mean_cores. Raises UsageError when they cannot be computed."""
    rows = sweep.rows.copy()
    try:
        rows["violation_percent"] = 100.0 * rows["violation_rate"]
        rows["mean_cores"] = rows["mean_cores"] if "mean_cores" in rows else rows["granted_core_s"] / duration_s(sweep)
    except KeyError as error:
        raise UsageError(f"{sweep.folder / 'sweep.parquet'}: has no column {error}") from error
    return rows


def duration_s(sweep: StoredSweep) -> Any:
    """The plan's duration of each row, s."""
    if DURATION in sweep.rows:
        return sweep.rows[DURATION]
    scenario = sweep.facts.get("scenario", {})
    return float(scenario["plan"]["duration_s"])


def measures_in(sweep: StoredSweep) -> tuple[Measures, ...]:
    """The rows of a sweep over routes as measures; the prototype's metric is not in them (NaN)."""
    rows = with_per_cent(sweep)
    nan = float("nan")
    return tuple(
        Measures(
            system=str(row["system"]),
            route=str(row.get(ROUTE, "")),
            seed=int(row["seed"]),
            violation_percent=float(row["violation_percent"]),
            prototype_percent=nan,
            mean_cores=float(row["mean_cores"]),
            p99_s=float(row.get("latency_p99_s", nan)),
        )
        for row in rows.to_dict("records")
    )
