"""The reference: numbers kept in git as text, one line per system and seed, with why and when they were taken."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.nightly.judge import Comparison
from harness.nightly.numbers import Numbers, plain
from harness.settings import from_mapping

REFERENCE_VERSION = 1
SURROUNDINGS = ("numpy", "scipy", "python", "cpu")  # what else may move a last digit; a host is named by these, too


@dataclass(frozen=True, slots=True)
class Reference:
    """Numbers, and under which circumstances they were taken: date, commit, dirty, reason, numpy, python, cpu, ...

    older: by scenario, those of the scenarios whose rows were kept at the last renewal, which `taken` is of.
    """

    rows: tuple[Numbers, ...] = ()
    taken: Mapping[str, Any] = field(default_factory=dict)
    older: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def surroundings_changed(self, now: Mapping[str, Any]) -> list[str]:
        """What is not as it was when the reference was taken, one line each."""
        sources = [("", self.taken), *((f"{scenario}: ", taken) for scenario, taken in sorted(self.older.items()))]
        return [
            f"{place}{name}: {taken[name]} then, {now.get(name)} now"
            for place, taken in sources
            for name in SURROUNDINGS
            if name in taken and taken[name] != now.get(name)
        ]


def reference_path(folder: Path, matrix: str) -> Path:
    """Where a matrix's reference lies."""
    return folder / f"{matrix}.json"


def history_path(folder: Path, matrix: str) -> Path:
    """Where every renewal is written down, one line each."""
    return folder / f"{matrix}-history.jsonl"


def read_reference(path: Path) -> Reference:
    """The reference, empty when there is no file. Raises UsageError for a file that is not one."""
    if not path.exists():
        return Reference()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version, rows, taken, older = data["schema_version"], data["rows"], data["taken"], data.get("older", {})
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a reference: {error!r}") from error
    if version != REFERENCE_VERSION:
        raise UsageError(f"{path}: schema version {version}; this program reads version {REFERENCE_VERSION}")
    return Reference(tuple(_row(row, f"{path}: row {at}") for at, row in enumerate(rows, 1)), taken, older)


def _row(row: Mapping[str, Any], place: str) -> Numbers:
    """A row as it was written; null is what has no value."""
    return from_mapping(Numbers, {name: value for name, value in row.items() if value is not None}, place)


def write_reference(path: Path, reference: Reference) -> None:
    """Write it whole or not at all; a line per row, so that a difference of two versions shows what moved."""
    rows = sorted(reference.rows, key=lambda row: row.key)
    lines = ",\n".join(json.dumps(plain(row)) for row in rows)
    taken = json.dumps(dict(reference.taken), indent=2, sort_keys=True)
    kept = json.dumps({name: dict(of) for name, of in reference.older.items()}, indent=2, sort_keys=True)
    older = f'"older": {kept},\n' if reference.older else ""
    text = f'{{\n"schema_version": {REFERENCE_VERSION},\n"taken": {taken},\n{older}"rows": [\n{lines}\n]\n}}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def renewed(
    before: Reference, after: Sequence[Numbers], taken: Mapping[str, Any], skipped: Collection[str] = ()
) -> Reference:
    """The reference with the rows of now. Of a scenario that was skipped the old rows stay, with when and of which code
    they were taken; those of one that is no longer in the matrix go."""
    stay = set(skipped) - {row.scenario for row in after}
    kept = [row for row in before.rows if row.scenario in stay]
    older = {row.scenario: before.older.get(row.scenario, before.taken) for row in kept}
    return Reference((*kept, *after), taken, older)


def write_history(path: Path, taken: Mapping[str, Any], found: Comparison) -> None:
    """Add a line: why, when, of which commit, and what moved."""
    moved = [
        {"scenario": c.scenario, "system": c.system, "metric": c.metric, "before": c.before, "after": c.after}
        for c in found.changes
        if c.kind != "rounding"
    ]
    line = {**taken, "same": len(found.same), "fresh": len(found.fresh), "unlike": list(found.unlike), "moved": moved}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
