"""The named matrix: which scenarios every night, and when a change counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UsageError, bad_value, unknown_name
from harness.nightly.numbers import JUDGED
from harness.settings import from_mapping, read_toml


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario of the matrix: a name, or a path from the matrix's folder. systems: empty means all there are.

    traces: `generated` from a fixed seed, the same on every machine, or `measured`, which must be had from somewhere.
    """

    scenario: str
    traces: Literal["generated", "measured"] = "measured"
    systems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The scenario's name."""
        return Path(self.scenario).stem if self.scenario.endswith(".toml") else self.scenario


@dataclass(frozen=True, slots=True)
class Again:
    """The pair that is one system twice. first_other_seed: where the seeds of its second half begin."""

    scenario: str
    system: str
    first_other_seed: int = 101


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse a metric may get. absolute: in its own unit; relative: share of before. The larger one counts."""

    metric: str
    absolute: float = 0.0
    relative: float = 0.0

    def allowed(self, before: float) -> float:
        """The largest worsening that is no regression, in the metric's unit."""
        return max(self.absolute, self.relative * abs(before))

    def text(self) -> str:
        """As people read it."""
        parts = [JUDGED[self.metric].change(self.absolute)] if self.absolute else []
        return " or ".join([*parts, *([f"{self.relative:.1%}"] if self.relative else [])])


@dataclass(frozen=True, slots=True)
class Real:
    """The short run on a real backend."""

    scenario: str
    systems: tuple[str, ...]
    seeds: int = 3


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it. folder: where the file lies, from which the cells' paths are read."""

    name: str
    folder: Path
    seeds: int
    cells: tuple[Cell, ...]
    again: Again
    margins: tuple[Margin, ...]
    real: Real | None = None

    def seed_list(self) -> tuple[int, ...]:
        """Seeds 1..n."""
        return tuple(range(1, self.seeds + 1))

    def other_seeds(self) -> tuple[int, ...]:
        """As many seeds that no cell uses."""
        return tuple(range(self.again.first_other_seed, self.again.first_other_seed + self.seeds))

    def scenario_path(self, scenario: str) -> str:
        """What `load_scenario` takes."""
        return str(self.folder / scenario) if scenario.endswith(".toml") else scenario

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        if self.seeds < 2:
            raise bad_value(place, "seeds", self.seeds, "must be >= 2")
        _each_once(place, "cells", [cell.name for cell in self.cells])
        _each_once(place, "margins", [margin.metric for margin in self.margins])
        for margin in self.margins:
            if margin.metric not in JUDGED:
                raise unknown_name(f"{place}: margins", "metric", margin.metric, JUDGED)
            if margin.absolute < 0 or margin.relative < 0 or not margin.absolute + margin.relative:
                raise UsageError(f"{place}: margins: {margin.metric}: absolute or relative must be > 0, neither < 0")
        if self.again.first_other_seed <= self.seeds:
            raise bad_value(f"{place}: again", "first_other_seed", self.again.first_other_seed, "must be > seeds")
        if self.again.scenario not in [cell.scenario for cell in self.cells]:
            raise bad_value(f"{place}: again", "scenario", self.again.scenario, "must be the scenario of a cell")
        home = next(cell for cell in self.cells if cell.scenario == self.again.scenario)
        if home.systems and self.again.system not in home.systems:
            raise bad_value(f"{place}: again", "system", self.again.system, "must be among the systems of its cell")


def load_matrix(path: Path) -> Matrix:
    """The matrix of a TOML file. Raises UsageError."""
    place = str(path)
    data = {"name": path.stem, **read_toml(path), "folder": path.parent}
    matrix = from_mapping(Matrix, data, place)
    matrix.validate(place)
    return matrix


def _each_once(place: str, key: str, names: Sequence[str]) -> None:
    if not names:
        raise UsageError(f"{place}: {key} is empty; must have at least one")
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"{place}: {key}: {', '.join(sorted(twice))} is there twice; must be there once")
