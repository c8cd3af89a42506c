"""The catalogue of public traces: which exist, where their bytes are, what they may be used for, how to read them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from harness.errors import unknown_name
from harness.traces.model import Provenance

CATALOGUE = Path(__file__).resolve().parents[2] / "traces"

Terms = Literal["open", "unstated", "restricted"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One published set. terms: `open` may be fetched without asking; the others need the user's word first."""

    name: str
    title: str
    kind: Literal["network", "arrivals"]
    licence: str
    terms: Terms
    citation: str
    technology: str = ""
    direction: str = ""
    sample_s: float = 0.0
    notes: str = ""


@dataclass(frozen=True, slots=True)
class TraceFile:
    """One file of a set. name: what a person calls the trace (or the traces) in it; empty for documents.

    file: its path in a mirror. url: pinned to a commit; empty when the file is only found in a package.
    """

    dataset: Dataset
    file: str
    bytes: int
    sha256: str
    repository: str
    url: str = ""
    commit: str = ""
    parser: str = ""
    name: str = ""
    technology: str = ""
    mobility: str = ""
    direction: str = ""

    def provenance(self, transforms: tuple[str, ...] = ()) -> Provenance:
        """What every trace read from this file says of its origin; `transforms` are what its reader had to do."""
        return Provenance(
            dataset=self.dataset.name,
            file=self.file,
            source_sha256=self.sha256,
            licence=self.dataset.licence,
            citation=self.dataset.citation,
            transforms=transforms,
        )


@cache
def datasets() -> Mapping[str, Dataset]:
    """All datasets by name."""
    rows = tomllib.loads((CATALOGUE / "datasets.toml").read_text(encoding="utf-8"))
    return {name: Dataset(name=name, **row) for name, row in rows.items()}


@cache
def files() -> tuple[TraceFile, ...]:
    """All files, in the order of the catalogue."""
    rows: list[dict[str, Any]] = json.loads((CATALOGUE / "files.json").read_text(encoding="utf-8"))
    return tuple(_file(row) for row in rows)


def _file(row: dict[str, Any]) -> TraceFile:
    dataset = datasets()[row["dataset"]]
    rest = {"technology": dataset.technology, "direction": dataset.direction, **row, "dataset": dataset}
    return TraceFile(**rest)


@dataclass(frozen=True, slots=True)
class NamedSlice:
    """A named part of a trace: the trace and what is done to it, in the words of `harness.traces.transforms`."""

    name: str
    trace: str
    transforms: tuple[str, ...]
    used_by: str


@cache
def slices() -> Mapping[str, NamedSlice]:
    """All named slices by name."""
    rows = tomllib.loads((CATALOGUE / "slices.toml").read_text(encoding="utf-8"))
    return {
        name: NamedSlice(name, row["trace"], tuple(row["transforms"]), row["used_by"]) for name, row in rows.items()
    }


def find(name: str) -> tuple[TraceFile, str]:
    """The file that holds a trace, and the trace's key inside it ("" when the file holds just one).

    `5gophers/car-1/verizon` is the file named `5gophers/car-1` and the key `verizon`. Raises UsageError with the
    nearest name when no file fits.
    """
    named = by_name()
    parts = name.split("/")
    for cut in range(len(parts), 0, -1):
        if found := named.get("/".join(parts[:cut])):
            return found, "/".join(parts[cut:])
    raise unknown_name("traces", "trace", name, [*named, *slices()])


@cache
def by_name() -> Mapping[str, TraceFile]:
    """The files that hold traces, by name."""
    return {file.name: file for file in files() if file.name}
