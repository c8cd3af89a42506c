"""Find and read stored runs: `results/<scenario>/<run_id>/<system>/seed-<k>/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.results import CoreSeries, core_series
from harness.results.folders import manifest_if_any, session_folders, session_name, unfinished
from harness.tables import PLAN, REQUESTS, read_parquet


def run_command(scenario: str) -> str:
    """What makes a run that claims and figures can use."""
    return f"sponge-bench run {scenario} --backend simulated --seeds 5"


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on one seed of a run."""

    folder: Path
    system: str
    seed: int
    manifest: Mapping[str, Any]

    @property
    def duration_s(self) -> float:
        """The plan's duration."""
        return float(self.manifest["scenario"]["plan"]["duration_s"])

    def requests(self) -> pa.Table:
        """requests.parquet. Raises UsageError when it is missing or of another schema."""
        return read_parquet(self.folder / "requests.parquet", REQUESTS)

    def cores(self) -> CoreSeries:
        """Granted cores over the plan. Raises UsageError when decisions.parquet is missing or of another schema."""
        return core_series(self.folder)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run: its cells by system in the scenario's order, then by seed.

    invalid: cells left out, as text. started_utc: of its first session, empty when it is not known. unfinished: what
    was asked for and has not ended, as text.
    """

    scenario: str
    run_id: str
    folder: Path
    cells: tuple[Cell, ...]
    invalid: tuple[str, ...] = ()
    started_utc: str = ""
    unfinished: tuple[str, ...] = ()

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems that have a valid cell, in order."""
        return tuple(dict.fromkeys(cell.system for cell in self.cells))

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({cell.seed for cell in self.cells}))

    @property
    def facts(self) -> Mapping[str, Any]:
        """The manifest of the first cell; what is read from it is the same in all of a run."""
        return self.cells[0].manifest

    def of(self, system: str) -> tuple[Cell, ...]:
        """The cells of a system, by seed."""
        return tuple(cell for cell in self.cells if cell.system == system)

    def plan(self, seed: int) -> pa.Table:
        """The plan of a seed. Raises UsageError when it is missing or of another schema."""
        return read_parquet(self.folder / "plans" / f"seed-{seed}" / "plan.parquet", PLAN)

    def source(self) -> dict[str, Any]:
        """What a caption and the file beside a figure name: folder, scenario and its sha256, seeds, backend, commit."""
        facts = self.facts
        return {
            "folder": str(self.folder),
            "scenario": self.scenario,
            "scenario_sha256": facts.get("scenario_sha256", ""),
            "run_id": self.run_id,
            "seeds": list(self.seeds),
            "systems": list(self.systems),
            "backend": facts.get("backend", {}).get("backend", ""),
            "git_commit": facts.get("git_commit", ""),
            "git_dirty": facts.get("git_dirty"),
            "invalid_left_out": list(self.invalid),
            "synthetic_trace": any(trace.get("synthetic_because") for trace in facts.get("traces", ())),
        }


def newest_finished(results: Path, scenario: str, *systems: str) -> StoredRun | None:
    """The run of a scenario that started last, of those with a valid cell of each of these systems.

    Passed over: a run made for something else, say for a single system, and one that has not ended for every system
    and seed it was asked for.
    """
    runs = [read_run(path) for path in (results / scenario).glob("*") if path.is_dir()]
    found = [run for run in runs if run.cells and not run.unfinished and set(systems) <= set(run.systems)]
    return max(found, key=lambda run: (run.started_utc, run.run_id), default=None)


def read_run(folder: Path) -> StoredRun:
    """The valid, finished cells of a run; the others are named in `invalid`."""
    read = {place: manifest_if_any(place) for place in session_folders(folder)}
    cells = [
        Cell(place, manifest["system"]["name"], int(manifest["seed"]), manifest)
        for place, manifest in read.items()
        if manifest.get("valid") is True
    ]
    order = list(cells[0].manifest["scenario"]["systems"]) if cells else []
    cells.sort(key=lambda cell: (_rank(order, cell.system), cell.system, cell.seed))
    return StoredRun(
        folder.parent.name,
        folder.name,
        folder,
        tuple(cells),
        invalid=tuple(sorted(session_name(place) for place, m in read.items() if m.get("valid") is not True)),
        started_utc=min((str(m["started_utc"]) for m in read.values() if m.get("started_utc")), default=""),
        unfinished=tuple(unfinished({session_name(place): manifest for place, manifest in read.items()})),
    )


def _rank(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
