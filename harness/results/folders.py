"""Where the runs of a results folder are, and what their manifests say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError

SESSION_MANIFESTS = "*/seed-*/manifest.json"
NEEDED = ("scenario", "system", "seed", "start", "counts", "send_lag", "valid", "invalid_reasons")


def session_folders(run: Path) -> list[Path]:
    """The folders of one run that hold a manifest, one per system and seed, by path; none when there are none."""
    found = (path.parent for path in run.glob(SESSION_MANIFESTS))
    return sorted(folder for folder in found if is_seed(folder))


def is_seed(folder: Path) -> bool:
    """Whether a folder is named as that of a seed."""
    return folder.name.removeprefix("seed-").isdecimal()


def run_folders(run: Path) -> list[Path]:
    """The same. Raises UsageError when there are none."""
    folders = session_folders(run)
    if not folders:
        raise UsageError(f"{run}: holds no run; expected <system>/seed-<k>/manifest.json below it")
    return folders


def ended_folders(run: Path) -> list[Path]:
    """Those of a run whose session ended. Raises UsageError when none did."""
    manifests = {folder: manifest_if_any(folder) for folder in run_folders(run)}
    ended = [folder for folder, manifest in manifests.items() if manifest.get("state") == "done"]
    if not ended:
        states = ", ".join(sorted({str(manifest.get("state", "unknown")) for manifest in manifests.values()}))
        raise UsageError(f"{run}: no session of it ended (state {states}); run it again")
    return ended


def readable_folders(run: Path) -> list[Path]:
    """Those of a run whose session left results, also where it was interrupted. Raises UsageError when none did."""
    found = [folder for folder in run_folders(run) if is_readable(folder)]
    if not found:
        left = some_of(unfinished_in(run))
        raise UsageError(f"{run}: no session of it has results yet ({left}); wait for it, or run it again")
    return found


def unfinished(manifests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What of a run did not end: sessions that were begun, and those that were asked for. All as `<system>/seed-<k>`.

    manifests: by the same names.
    """
    ended = {name for name, manifest in manifests.items() if manifest.get("state") == "done"}
    return sorted((asked_for(manifests.values()) | manifests.keys()) - ended)


def asked_for(manifests: Iterable[Mapping[str, Any]]) -> set[str]:
    """What the sessions of a run were begun for, of every one that says so. As `<system>/seed-<k>`."""
    asked = [manifest.get("asked") or {} for manifest in manifests]
    return {f"{system}/seed-{k}" for one in asked for system in one.get("systems", ()) for k in one.get("seeds", ())}


def unfinished_in(run: Path) -> list[str]:
    """The same of a folder."""
    return unfinished({session_name(folder): manifest_if_any(folder) for folder in run_folders(run)})


def session_name(folder: Path) -> str:
    """`<system>/seed-<k>`."""
    return f"{folder.parent.name}/{folder.name}"


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def manifest_if_any(folder: Path) -> dict[str, Any]:
    """The manifest of a session; empty when there is none, or the file is not one."""
    found = object_if_any(folder / "manifest.json") or {}
    return found if is_manifest(found) else {}


def object_if_any(path: Path) -> dict[str, Any] | None:
    """The object in a file, or None when it is not JSON, not an object or not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def is_manifest(value: Mapping[str, Any]) -> bool:
    """Whether the parts a manifest consists of have the form they should have, as far as they are there."""
    objects = all(isinstance(value.get(key, {}), dict) for key in ("asked", "backend", "plan", "scenario", "start"))
    lists = isinstance(value.get("invalid_reasons", []), list) and isinstance(value.get("traces") or [], list)
    if not objects or not lists:
        return False
    asked = all(isinstance(value.get("asked", {}).get(key, []), list) for key in ("systems", "seeds"))
    return asked and all(isinstance(trace, dict) for trace in value.get("traces") or [])


def is_readable(folder: Path) -> bool:
    """Whether a session got so far that its results can be read."""
    return manifest_if_any(folder).keys() >= set(NEEDED)


def finished_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run that ended. Raises UsageError when there is none, it is no JSON, or the run did not end."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if missing := [key for key in NEEDED if key not in manifest]:
        state = manifest.get("state", "unknown")
        raise UsageError(f"{path}: has no {', '.join(missing)} (state {state!r}); the run did not end")
    return manifest
