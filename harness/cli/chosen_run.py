"""Which run a command is about: a folder, the id of a run, or the newest."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, unknown_name
from harness.index import index, newest_run

RESULTS = Path(__file__).resolve().parents[2] / "results"
RUN_HELP = "Folder of a run, or its id (see `results`).  [default: the newest run]"


def chosen_run(run: str, results: Path) -> Path:
    """The folder of the run. Raises UsageError when there is none."""
    if not run:
        return newest_run(results, valid_only=False).folder
    folder = Path(run)
    if folder.is_dir():
        return run_above(folder)
    known = {entry.name: entry.folder for entry in index(results)}
    if run in known:
        return known[run]
    if "/" in run:
        raise UsageError(f"{run}: no such folder")
    raise unknown_name(str(results), "run", run, known)


def run_above(folder: Path) -> Path:
    """The run a folder is, or lies in: the folder of one system, or of one system and seed, will do, too.

    Raises UsageError when there is no run.
    """
    for place in (folder, *folder.resolve().parents[:2]):
        if any(place.glob("*/seed-*/manifest.json")) or any(place.glob("plans/seed-*/plan.parquet")):
            return place
    raise UsageError(f"{folder}: holds no run; expected <system>/seed-<k>/manifest.json below it")
