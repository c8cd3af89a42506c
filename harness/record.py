"""Keeping what happened: journals while it happens, Parquet and a manifest when it is over.

A folder of one system and seed holds `requests`, `decisions` and `usage`, each as `<name>.arrows` during the run and
`<name>.parquet` after it, and `manifest.json`, written at the start (state `running`) and again at the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from harness.backends.owner import parse_owner
from harness.settings import read_json
from harness.tables import DECISIONS, REQUESTS, SCHEMA_VERSION, USAGE, Journal, read_journal, write_parquet
from harness.types import Applied, Decision, Observation, Usage

SCHEMAS: Mapping[str, pa.Schema] = {"requests": REQUESTS, "decisions": DECISIONS, "usage": USAGE}
SORT_KEYS = {"requests": "id", "decisions": "tick_s", "usage": "t_s"}


class Recorder:
    """Journals of one system and seed. The load driver writes `requests`; this writes `decisions` and `usage`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._decisions = Journal(folder / "decisions.arrows", DECISIONS)
        self._usage = Journal(folder / "usage.arrows", USAGE)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._decisions)
        self._stack.enter_context(self._usage)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def decision(self, observation: Observation, decision: Decision, applied: Applied, decide_s: float) -> None:
        """One tick: what was seen, wanted and done. `decide_s` is how long deciding took."""
        self._decisions.append([decision_row(observation, decision, applied, decide_s)])

    def usage(self, readings: list[Usage]) -> None:
        """Readings of the replicas' resources."""
        self._usage.append([usage_row(reading) for reading in readings])


def decision_row(
    observation: Observation, decision: Decision, applied: Applied, decide_s: float | None
) -> dict[str, Any]:
    """A row of decisions.parquet. decide_s: None where deciding takes no time, in the twin."""
    target = decision.target
    return {
        "tick_s": observation.now_s,
        "stage": target.stage,
        "target_cores": target.cores,
        "target_replicas": target.replicas,
        "target_batch_size": target.batch_size,
        "target_variant": target.variant,
        "reason": decision.reason,
        "decide_s": decide_s,
        "requested_at_s": applied.requested_s,
        "applied_at_s": applied.acknowledged_s,
        "effective_s": applied.effective_s,
        "effective_cores": applied.effective_cores,
        "effective_replicas": applied.effective.replicas,
        "outcome": applied.outcome,
        "detail": applied.detail,
        "arrival_rate_rps": len(observation.recent) / observation.window_s,
        "queue_length": len(observation.queue),
        "min_budget_s": min((r.deadline_s - observation.now_s for r in observation.queue), default=None),
    }


def usage_row(reading: Usage) -> dict[str, Any]:
    """A row of usage.parquet."""
    return {name: getattr(reading, name) for name in USAGE.names}


def finalise(folder: Path) -> dict[str, pa.Table]:
    """Turn the journals of a folder into Parquet, sorted; the tables by name. Done twice, it changes nothing."""
    return {name: _finalise(folder, name) for name in SCHEMAS}


def _finalise(folder: Path, name: str) -> pa.Table:
    journal, parquet = folder / f"{name}.arrows", folder / f"{name}.parquet"
    if not journal.exists():
        return pq.read_table(parquet) if parquet.exists() else SCHEMAS[name].empty_table()
    table = read_journal(journal, SCHEMAS[name]).sort_by(SORT_KEYS[name])
    write_parquet(parquet, table)
    journal.unlink()
    return table


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json whole or not at all."""
    path = folder / "manifest.json"
    partial = path.with_name("manifest.json.partial")
    text = json.dumps({"schema_version": SCHEMA_VERSION, **manifest}, indent=2, sort_keys=True, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder. Raises UsageError when there is none or it is not JSON."""
    return read_json(folder / "manifest.json")


def recover(results: Path) -> list[Path]:
    """Finish what a killed harness left: its journals become Parquet, its `running` manifests say `interrupted`.

    Returns the folders that were finished. A folder whose harness still runs is left alone.
    """
    unfinished = (folder for folder in results.glob("*/*/*/seed-*") if _is_unfinished(folder))
    folders = sorted(folder for folder in unfinished if not _is_owned(folder))
    for folder in folders:
        finalise(folder)
        for partial in folder.glob("*.partial"):  # of a table that was being written: nothing whole is in it
            partial.unlink()
        manifest = _manifest_if_any(folder)
        reason = "the harness was killed before the run ended"
        ending = {"state": "interrupted", "valid": False, "invalid_reasons": [reason]}
        write_manifest(folder, {**manifest, **ending})
    return folders


def _is_unfinished(folder: Path) -> bool:
    """A journal is left, or its Parquet was written but the last manifest was not."""
    return any(folder.glob("*.arrows")) or _manifest_if_any(folder).get("state") == "running"


def _is_owned(folder: Path) -> bool:
    owner = parse_owner(_manifest_if_any(folder).get("owner", ""))
    return owner is not None and owner.is_alive()


def _manifest_if_any(folder: Path) -> dict[str, Any]:
    return read_manifest(folder) if (folder / "manifest.json").exists() else {}
