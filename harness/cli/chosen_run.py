"""Which run a command is about: a folder, the id of a run, or the newest."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, unknown_name
from harness.index import Entry, index, newest_run
from harness.index.entries import SWEEP_MANIFEST, in_time, read_entry
from harness.results.folders import SESSION_MANIFESTS, session_folders

RESULTS = Path(__file__).resolve().parents[2] / "results"
RUN_HELP = "Folder of a run, or its id (see `results`).  [default: the newest run]"


def chosen_run(run: str, results: Path) -> Path:
    """The folder of the run. Raises UsageError when there is none."""
    if not run:
        return newest_run(results, valid_only=False).folder
    folder = Path(run)
    if folder.is_dir():
        return run_above(folder)
    known = {entry.name: entry for entry in index(results)}
    if run in known:
        return run_of(known[run])
    if "/" in run:
        raise UsageError(f"{run}: no such folder")
    raise unknown_name(str(results), "run", run, [name for name, one in known.items() if one.kind == "run"])


def run_above(folder: Path) -> Path:
    """The run a folder is, or lies in: the folder of one system, or of one system and seed, will do, too.

    Raises UsageError when there is no run.
    """
    for place in (folder, *folder.resolve().parents[:2]):
        if (place / SWEEP_MANIFEST).exists():
            return run_of(read_entry(place))
        if session_folders(place) or any(place.glob("plans/seed-*/plan.parquet")):
            return place
    below = in_time(map(read_entry, {path.parents[2] for path in folder.glob(f"*/{SESSION_MANIFESTS}")}))
    if below:
        raise UsageError(f"{folder}: holds {len(below)} runs, name one of them; the newest is {below[-1].folder}")
    raise UsageError(f"{folder}: holds no run; expected <system>/seed-<k>/manifest.json below it")


def run_of(entry: Entry) -> Path:
    """The folder of an entry that is a run. Raises UsageError for a sweep: its points are rows, not runs."""
    if entry.kind == "sweep":
        raise UsageError(
            f"{entry.folder}: a sweep, whose result is the table sweep.parquet in it; this command is about one run. "
            f"To look into a point of it, run that: sponge-bench run {entry.scenario}"
        )
    return entry.folder
