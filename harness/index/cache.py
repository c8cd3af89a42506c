"""The index kept between calls: a file beside the runs that only saves reading, and is never believed over them.

Every call looks at every manifest's time, size and inode; an entry whose manifests are not exactly those it was read
from is read again, and one whose folder is gone is forgotten. Deleting the file costs time and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.index.entries import Entry, entry_folders, in_time, manifests_of, read_entry
from harness.results.folders import object_if_any
from harness.settings import from_mapping

INDEX_VERSION = 2
INDEX_FILE = ".index.json"


def index(results: Path) -> list[Entry]:
    """All entries under a folder of results, oldest first; only what changed since the last call is read."""
    kept = _kept(results)
    now: dict[str, tuple[list[list[Any]], Entry]] = {}
    for folder in entry_folders(results):
        key, stamp = str(folder.relative_to(results)), stamp_of(folder)
        before = kept.get(key)
        entry = _entry_of(before["entry"], folder) if before and before.get("stamp") == stamp else None
        now[key] = stamp, entry or read_entry(folder)
    written = {key: {"stamp": stamp, "entry": _plain(entry)} for key, (stamp, entry) in now.items()}
    if written != kept:
        _keep(results, written)
    return in_time(entry for _, entry in now.values())


def stamp_of(folder: Path) -> list[list[Any]]:
    """What changes when a manifest, or the table of a sweep, is written, added or removed."""
    stamp: list[list[Any]] = []
    for path in [*manifests_of(folder), folder / "sweep.parquet"]:
        with suppress(FileNotFoundError):
            facts = path.stat()
            stamp.append([str(path.relative_to(folder)), facts.st_mtime_ns, facts.st_size, facts.st_ino])
    return stamp


def _kept(results: Path) -> dict[str, Any]:
    found = object_if_any(results / INDEX_FILE) or {}
    entries = found.get("entries")
    return entries if found.get("version") == INDEX_VERSION and isinstance(entries, dict) else {}


def _keep(results: Path, entries: Mapping[str, Any]) -> None:
    path = results / INDEX_FILE
    partial = path.with_name(f"{INDEX_FILE}.{os.getpid()}.partial")
    with suppress(OSError):  # a folder one may only read: the next call reads the manifests again
        partial.write_text(json.dumps({"version": INDEX_VERSION, "entries": entries}), encoding="utf-8")
        partial.replace(path)


def _plain(entry: Entry) -> dict[str, Any]:
    plain = {**asdict(entry), "folder": ""}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def _entry_of(plain: Any, folder: Path) -> Entry | None:
    """What `_plain` made; None when it is anything else."""
    if not isinstance(plain, dict):
        return None
    try:
        return from_mapping(Entry, {**plain, "folder": folder}, INDEX_FILE)
    except UsageError:
        return None
