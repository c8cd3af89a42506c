"""Stored sweeps: `results/<scenario>/<sweep_id>/sweep.parquet`, one row per point, system and seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import UsageError
from harness.settings import read_json
from harness.stored.measures import Measures
from harness.tables import read_table

ROUTE = "plan.network.trace"
NEEDED = ("system", "seed", "violation_rate", "mean_cores")
HPA_HOLDS_S = 300.0  # its stabilisation, systems/hpa/system.toml


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """rows: columns case, one per axis (a dotted key of the scenario), system, seed, then what was measured.

    invalid: how many rows were left out.
    """

    scenario: str
    sweep_id: str
    folder: Path
    facts: Mapping[str, Any]
    rows: pd.DataFrame
    invalid: int = 0

    @property
    def axes(self) -> tuple[str, ...]:
        """What was varied: the keys, whose columns stand before the system's, and `case` where there were several."""
        before = list(self.rows.columns[: self.rows.columns.get_loc("system")])
        return tuple(name for name in before if name != "case" or self.rows[name].nunique() > 1)

    @property
    def duration_s(self) -> float:
        """Of the base scenario's plan; NaN when the sweep does not say."""
        return float(self.facts.get("scenario", {}).get("plan", {}).get("duration_s", float("nan")))

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, in the order of the rows."""
        return tuple(dict.fromkeys(self.rows["system"]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({int(seed) for seed in self.rows["seed"]}))

    def source(self) -> dict[str, Any]:
        """What a caption names. Commit and dirty flag are of the rows: they may be older than the command that gathered
        them."""
        known = {name: set(self.rows[name].dropna()) for name in ("git_commit", "git_dirty") if name in self.rows}
        commits = sorted(map(str, known.get("git_commit", ())))
        return {
            "folder": str(self.folder),
            "scenario": self.scenario,
            "scenario_sha256": str(self.facts.get("scenario_sha256", "")),
            "run_id": self.sweep_id,
            "seeds": list(self.seeds),
            "systems": list(self.systems),
            "axes": list(self.axes),
            "backend": str(self.facts.get("backend", "simulated")),
            "git_commit": commits[0] if len(commits) == 1 else f"{len(commits)} commits" if commits else "",
            "invalid_left_out": [f"{self.invalid} rows"] if self.invalid else [],
            "synthetic_trace": bool(self.rows["synthetic_trace"].any()) if "synthetic_trace" in self.rows else False,
            "git_dirty": any(known.get("git_dirty", ())),
        }


def newest_sweep(
    results: Path, scenario: str, *systems: str, within: Collection[str] | None = None
) -> StoredSweep | None:
    """The finished sweep of a scenario with each of these systems that started last.

    within: the axes it may have; a case of its own changes the scenario, too, and is then none. None takes any sweep.
    """
    swept = [read_sweep(path.parent) for path in (results / scenario).glob("*/sweep.parquet")]
    found = [
        sweep
        for sweep in swept
        if set(systems) <= set(sweep.systems)
        and (within is None or (set(sweep.axes) <= set(within) and not has_cases(sweep)))
    ]
    return max(found, key=lambda sweep: (str(sweep.facts.get("started_utc", "")), sweep.sweep_id), default=None)


def has_cases(sweep: StoredSweep) -> bool:
    """Whether a row is of a named case."""
    return "case" in sweep.rows and bool((sweep.rows["case"] != "").any())


def hpa_note(systems: Collection[str], duration_s: float) -> str:
    """What a reader of a short sweep must know of `hpa`; empty when there is nothing."""
    if "hpa" not in systems or not duration_s <= HPA_HOLDS_S:
        return ""
    return (
        f"hpa starts at its maximum and cannot shrink for its {HPA_HOLDS_S:g} s of stabilisation, so plans of "
        f"{duration_s:g} s show it at its maximum only."
    )


def read_sweep(folder: Path) -> StoredSweep:
    """One sweep, its invalid rows left out, with violation_percent beside violation_rate.

    Raises UsageError when the table lacks a column that is needed.
    """
    path = folder / "sweep.parquet"
    rows = read_columns(path)
    facts = read_json(folder / "sweep.json") if (folder / "sweep.json").exists() else {}
    invalid = int((~rows["valid"]).sum()) if "valid" in rows else 0
    kept = rows[rows["valid"]] if invalid else rows
    kept = kept.assign(violation_percent=100.0 * kept["violation_rate"]).reset_index(drop=True)
    return StoredSweep(folder.parent.name, folder.name, folder, facts, kept, invalid)


def read_columns(path: Path) -> pd.DataFrame:
    """The table of a sweep. Raises UsageError when it cannot be read or lacks a column that is needed."""
    rows = read_table(path).to_pandas()
    for name in NEEDED:
        if name not in rows:
            raise UsageError(f"{path}: column {name} is missing; must have {', '.join(NEEDED)}")
    return rows


def measures_in(sweep: StoredSweep) -> tuple[Measures, ...]:
    """The rows of a sweep over routes as measures; the prototype's metric is not in them (NaN)."""
    nan = float("nan")
    return tuple(
        Measures(
            system=str(row["system"]),
            route=str(row.get(ROUTE, "")),
            seed=int(row["seed"]),
            violation_percent=float(row["violation_percent"]),
            prototype_percent=nan,
            mean_cores=float(row["mean_cores"]),
        )
        for row in sweep.rows.to_dict("records")
    )
