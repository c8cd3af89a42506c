"""The runs a comparison takes, and the refusal of those that are not alike.

Alike means: whatever could move a number is the same, but for the system, the seed and the stretch of the traces. What
is not the same is named with both values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RunInvalid, UsageError
from harness.results import finished_manifest
from harness.results.folders import ended_folders, some_of, unfinished_in

# Keys of the manifest, dotted; a prefix stands for everything below it.
MUST_BE_EQUAL = (
    "schema_version",
    "scenario",
    "backend.backend",
    "backend.model.key",
    "backend.image",
    "model",
    "latency",
    "host.cpu",
    "host.cores",
    "host.kernel",
    "host.cgroup",
    "packages",
)
# Of the scenario: what names it, whom it asks for, and where in the traces it begins.
MAY_DIFFER = (
    "scenario.name",
    "scenario.title",
    "scenario.systems",
    "scenario.plan.arrivals.start_s",
    "scenario.plan.network.start_s",
)
# The same for every run of one system; a scenario, which all share, may give a system its own twin.
OF_A_SYSTEM = ("system.settings", "system.resolved_engine", "backend.twin")
WHOLE = ("latency",)  # shown by digest; its parts say nothing to a reader
ABSENT = "absent"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """One system on one plan: a folder of results with its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def system(self) -> str:
        """Name of the system under test."""
        return str(self.manifest["system"]["name"])

    @property
    def plan(self) -> str:
        """Digest of the plan that was replayed: runs with the same are paired."""
        return str(self.manifest["plan_sha256"])

    @property
    def invocation(self) -> Path:
        """The run folder it came from: what one command produced."""
        return self.folder.parents[1]

    @property
    def window(self) -> tuple[Any, ...]:
        """Seed and stretch of the traces: what decides the plan of a scenario."""
        plan = self.manifest["scenario"]["plan"]
        starts = [plan.get(part, {}).get("start_s") for part in ("arrivals", "network")]
        return (self.manifest["seed"], *starts)


def gather(paths: Sequence[Path]) -> list[Run]:
    """All runs below the given run folders that ended, alike and valid. Raises UsageError or RunInvalid naming what is
    not."""
    found = [Run(folder, finished_manifest(folder)) for path in unique(paths) for folder in ended_folders(path)]
    refuse_copies(found)
    refuse_invalid(found)
    refuse_unlike(found)
    return found


def not_ended(paths: Sequence[Path]) -> list[str]:
    """In words, what of each run folder did not end and is left out."""
    found = {path: unfinished_in(path) for path in paths}
    return [f"{path.name}: did not end and is left out: {some_of(names)}." for path, names in found.items() if names]


def unique(paths: Iterable[Path]) -> list[Path]:
    """Each folder once. Raises UsageError for one given twice: its runs would count double."""
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise UsageError(f"{path}: is given twice; each run may count once")
        seen[path.resolve()] = path
    return list(seen.values())


def refuse_copies(runs: Iterable[Run]) -> None:
    """Raise UsageError for a run that is another one, copied: it would count double."""
    seen: dict[tuple[str, ...], Run] = {}
    for run in runs:
        when = [str(run.manifest.get(key) or "") for key in ("owner", "started_utc", "ended_utc")]
        key = (run.system, str(run.manifest["seed"]), run.plan, *when)
        if all(when) and (other := seen.setdefault(key, run)) is not run:
            raise UsageError(f"{run.folder}: is {other.folder} (same process, start and end), copied; give one of them")


def refuse_invalid(runs: Iterable[Run]) -> None:
    """Raise RunInvalid for the first run that must not be used."""
    for run in runs:
        if not run.manifest["valid"]:
            reasons = "; ".join(run.manifest["invalid_reasons"])
            raise RunInvalid(f"{run.folder}: valid = False ({reasons}); only valid runs can be compared")


def refuse_unlike(runs: Sequence[Run]) -> None:
    """Raise UsageError for the first key on which two runs differ and must not."""
    first = runs[0]
    systems: dict[str, Run] = {}
    plans: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        _same(first, run, MUST_BE_EQUAL)
        _same(systems.setdefault(run.system, run), run, OF_A_SYSTEM)
        other = plans.setdefault(run.window, run)
        if other.plan != run.plan:
            raise _unlike("plan_sha256", other, other.plan, run, run.plan)
        _same_code(first, run)


def _same_code(first: Run, run: Run) -> None:
    """Runs of different commands must be of one known commit, and of no changes that nobody recorded."""
    if run.invocation == first.invocation:
        return
    ours, theirs = _commit(first), _commit(run)
    if ours != theirs or ours == UNKNOWN or "uncommitted" in ours:
        raise _unlike("git_commit", first, ours, run, theirs)


def _commit(run: Run) -> str:
    changed = " with uncommitted changes" if run.manifest.get("git_dirty") else ""
    return f"{str(run.manifest.get('git_commit') or UNKNOWN)[:12]}{changed}"


def _same(first: Run, run: Run, prefixes: Sequence[str]) -> None:
    ours, theirs = (dict(_facts(r.manifest, prefixes)) for r in (first, run))
    for key in dict.fromkeys((*ours, *theirs)):
        if ours.get(key, ABSENT) != theirs.get(key, ABSENT):
            raise _unlike(key, first, ours.get(key, ABSENT), run, theirs.get(key, ABSENT))


def _facts(manifest: Mapping[str, Any], prefixes: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for prefix in prefixes:
        value: Any = manifest
        for part in prefix.split("."):
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        yield from _flat(prefix, value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Leaves below a key, by dotted name, without those that may differ."""
    if key in MAY_DIFFER:
        return
    if key in WHOLE:
        yield key, "sha256 " + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
    elif isinstance(value, Mapping):
        for name in value:
            yield from _flat(f"{key}.{name}", value[name])
    else:
        yield key, value


def _unlike(key: str, one: Run, ours: object, other: Run, theirs: object) -> UsageError:
    if ours == theirs:
        return UsageError(f"{key} = {ours} in {one.folder} and {other.folder}; nobody knows that the same code ran")
    where = f"{key} = {ours} in {one.folder}, but {theirs} in {other.folder}"
    return UsageError(f"{where}; runs that differ in it cannot be compared")
