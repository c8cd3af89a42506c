"""One entry per run or sweep, read from the manifests in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.results.folders import (
    SESSION_MANIFESTS,
    manifest_if_any,
    object_if_any,
    session_folders,
    session_name,
    some_of,
    unfinished,
)
from harness.results.provenance import trace_note

Kind = Literal["run", "sweep"]
SWEEP_MANIFEST = "sweep.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One run (several systems and seeds under one run id) or one sweep.

    folder: results/<scenario>/<name>. started_utc: of its first session, ISO 8601, empty when it is not known.
    commit: the git commit of the code, empty when not known or when sessions differ. dirty: the checkout differed
    from its commit. planned: requests over all sessions. problems: why it is not valid, one line each. traces: that
    they are generated, if they are.
    """

    kind: Kind
    scenario: str
    name: str
    folder: Path
    started_utc: str
    backend: str
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    planned: int
    commit: str
    dirty: bool
    problems: tuple[str, ...]
    traces: str = ""

    @property
    def valid(self) -> bool:
        """Every session ended and may be used."""
        return not self.problems


def entry_folders(results: Path) -> list[Path]:
    """Folders results/<scenario>/<name> that hold a run or a sweep, by path."""
    sessions = {path.parents[2] for path in results.glob(f"*/*/{SESSION_MANIFESTS}")}
    sweeps = {path.parent for path in results.glob(f"*/*/{SWEEP_MANIFEST}")}
    return sorted(sessions | sweeps)


def manifests_of(folder: Path) -> list[Path]:
    """The files an entry is read from."""
    sessions = [session / "manifest.json" for session in session_folders(folder)]
    return [*sessions, *sorted(folder.glob(SWEEP_MANIFEST))]


def in_time(entries: Iterable[Entry]) -> list[Entry]:
    """Oldest first; one whose time is not known comes first of all."""
    return sorted(entries, key=lambda entry: (entry.started_utc, str(entry.folder)))


def read_entry(folder: Path) -> Entry:
    """The entry of one folder. A manifest that cannot be read is one of its problems, never an error."""
    if (folder / SWEEP_MANIFEST).exists():
        return _sweep(folder)
    read = {session_name(session): manifest_if_any(session) for session in session_folders(folder)}
    problems = [line for name, manifest in read.items() if (line := _problem(name, manifest))]
    missing = [name for name in unfinished(read) if name not in read]
    if missing:
        problems.append(f"did not run: {some_of(missing)}")
    manifests = [manifest for manifest in read.values() if manifest]
    return Entry(
        kind="run",
        scenario=folder.parent.name,
        name=folder.name,
        folder=folder,
        started_utc=min((str(m["started_utc"]) for m in manifests if m.get("started_utc")), default=""),
        backend=_only(_backend(m) for m in manifests),
        systems=tuple(dict.fromkeys(name.partition("/")[0] for name in read)),
        seeds=tuple(sorted({int(name.rpartition("-")[2]) for name in read})),
        planned=sum(int(m.get("plan", {}).get("planned", 0)) for m in manifests),
        commit=_only(str(m.get("git_commit") or "") for m in manifests),
        dirty=any(m.get("git_dirty") for m in manifests),
        problems=tuple(problems),
        traces=trace_note(manifests),
    )


def _sweep(folder: Path) -> Entry:
    """A sweep is whole when its table is there: the table is written when all points are done."""
    found = object_if_any(folder / SWEEP_MANIFEST)
    facts = found or {}
    problems = [] if found is not None else [f"{SWEEP_MANIFEST}: not a JSON object"]
    if not (folder / "sweep.parquet").exists():
        problems.append("sweep.parquet: not there; the sweep did not end")
    if facts.get("valid") is False:
        problems += [str(reason) for reason in facts.get("invalid_reasons", ["invalid"])]
    return Entry(
        kind="sweep",
        scenario=folder.parent.name,
        name=folder.name,
        folder=folder,
        started_utc=str(facts.get("started_utc", "")),
        backend=str(facts.get("backend", "simulated")),
        systems=tuple(map(str, facts.get("systems", ()))),
        seeds=tuple(map(int, facts.get("seeds", ()))),
        planned=int(facts.get("planned", 0)),
        commit=str(facts.get("git_commit") or ""),
        dirty=bool(facts.get("git_dirty")),
        problems=tuple(problems),
    )


def _problem(name: str, manifest: Mapping[str, Any]) -> str:
    if not manifest:
        return f"{name}: manifest.json is not a manifest"
    if manifest.get("valid") is True and manifest.get("state") == "done":
        return ""
    state = manifest.get("state", "unknown")
    going = " (it goes on, or was killed: see `sponge-bench status`)" if state == "running" else ""
    reasons = manifest.get("invalid_reasons") or [f"state {state}{going}"]
    return f"{name}: {'; '.join(map(str, reasons))}"


def _backend(manifest: Mapping[str, Any]) -> str:
    return str((manifest.get("backend") or {}).get("backend", ""))


def _only(values: Iterable[str]) -> str:
    """The value all have; empty when there are several."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else ""
