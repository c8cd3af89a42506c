"""What a sweep varies: a grid over the keys of a scenario, and named cases. Pure: from tables to points."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from harness.errors import UsageError, bad_value, unknown_name
from harness.scenario import SWEEP, Scenario, scenario_from
from harness.settings import from_mapping

Axes = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """Something a grid cannot say: several keys changed together, for some of the systems.

    systems: who takes part; empty is everybody.
    """

    name: str
    set: dict[str, Any] = field(default_factory=dict)
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """The `[sweep]` table of a scenario. axes: dotted key -> values; every combination is a point, in every case."""

    axes: Axes = field(default_factory=dict)
    cases: tuple[Case, ...] = ()
    seeds: int = 1

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        if self.seeds < 1:
            raise bad_value(place, "seeds", self.seeds, "must be >= 1")
        for key, values in self.axes.items():
            if not isinstance(values, list) or not values:
                raise bad_value(f"{place}: axes", key, values, "must be a list of at least one value")
            if any(value in values[:at] for at, value in enumerate(values)):
                raise bad_value(f"{place}: axes", key, values, "must not name a value twice")
            if len({_column_kind(value) for value in values}) > 1:
                raise bad_value(f"{place}: axes", key, values, "must be of one kind: all numbers, all texts, ...")
        names = [case.name for case in self.cases]
        if len(set(names)) != len(names):
            raise bad_value(place, "cases", names, "each case must have a name of its own")


def _column_kind(value: Any) -> str:
    """What a value is as a cell of a table, whose columns have one type each; a list is written as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return "text" if isinstance(value, str | list) else type(value).__name__


@dataclass(frozen=True, slots=True)
class PointSpec:
    """One scenario of a sweep. values: of the axes; systems: who runs in it."""

    case: str
    values: Mapping[str, Any]
    scenario: Scenario
    systems: tuple[str, ...]

    def describe(self) -> str:
        """The point in words, for errors and progress."""
        parts = [self.case] if self.case else []
        return ", ".join([*parts, *(f"{key} = {shown(value)}" for key, value in self.values.items())]) or "as it is"


def sweep_of(table: Mapping[str, Any], place: str) -> SweepSpec:
    """The sweep a scenario's table describes; an empty one when it has none. Raises UsageError."""
    spec = from_mapping(SweepSpec, table.get(SWEEP, {}), f"{place}: {SWEEP}")
    spec.validate(f"{place}: {SWEEP}")
    return spec


def points_of(
    table: Mapping[str, Any], spec: SweepSpec, place: str, known_systems: Collection[str], systems: Sequence[str] = ()
) -> list[PointSpec]:
    """All points, checked: the cases in order, and in each the combinations of the axes, the last axis fastest.

    systems: who runs, in place of the scenario's; a case's own systems that are not among them do not run. Raises
    UsageError for a key or value the scenario does not know, with the nearest, and when no point has a system to run.
    """
    found = []
    for case in spec.cases or (Case(""),):
        for values in itertools.product(*spec.axes.values()):
            chosen = dict(zip(spec.axes, values, strict=True))
            scenario = scenario_at(table, {**case.set, **chosen}, place, known_systems)
            wanted = systems or scenario.systems
            for name in (*wanted, *case.systems):
                if name not in known_systems:
                    raise unknown_name(f"{place}: {SWEEP}", "system", name, known_systems)
            runs = tuple(name for name in (case.systems or wanted) if not systems or name in systems)
            found.append(PointSpec(case.name, chosen, scenario, runs))
    if not any(point.systems for point in found):
        cases = ", ".join(repr(case.name) for case in spec.cases)
        raise UsageError(f"{place}: {SWEEP}: no system to run; none of {', '.join(systems)} is in the cases {cases}")
    return found


def scenario_at(
    table: Mapping[str, Any], changes: Mapping[str, Any], place: str, known_systems: Collection[str]
) -> Scenario:
    """The scenario with these dotted keys changed. Raises UsageError."""
    changed = copy.deepcopy(dict(table))
    changed.pop(SWEEP, None)
    for key, value in changes.items():
        put(changed, key, fitted(key, value), f"{place}: {SWEEP}")
    said = ", ".join(f"{key} = {shown(value)}" for key, value in changes.items())
    return scenario_from(changed, f"{place} with {said}" if said else place, known_systems)


def put(table: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set a dotted key. Raises UsageError when it leads through something that is no table."""
    *way, last = key.split(".")
    at = table
    for part in way:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise UsageError(f"{place}: key {key!r} leads through {part!r}, which is not a table")
    at[last] = value


def fitted(key: str, value: Any) -> Any:
    """The value as the key wants it: where a list belongs, one value stands for a list of one."""
    hint: Any = Scenario
    for part in key.split("."):
        if get_origin(hint) is dict:
            hint = get_args(hint)[1]
        elif isinstance(hint, type) and is_dataclass(hint):
            hint = get_type_hints(hint).get(part)
    return [value] if get_origin(hint) is tuple and not isinstance(value, list) else value


def shown(value: Any) -> str:
    """A value as people read it."""
    return ",".join(map(shown, value)) if isinstance(value, list) else f"{value}"
