"""A scenario: the conditions under which systems are compared. One TOML file each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UsageError, bad_value, unknown_name
from harness.plan import PlanSpec
from harness.policy.conditions import CoreGrid
from harness.published import published_model
from harness.settings import from_mapping, read_toml
from harness.sim.spec import TwinSpec
from harness.types import Allocation, Close, DropRule, EngineSettings, Order

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
MODELS = ("resnet18", "tinycnn", "yolo-n")  # harness.replica.models.BUILDERS, which is slow to import
LARGEST_BATCH = 64  # images a replica takes at once (harness.replica.server.MAX_IMAGES)
SWEEP = "sweep"  # the table that is not part of the conditions: which of them a sweep varies


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What is served. model: a built-in network or the path of an ONNX file. image_shape: height, width, channels of
    the raw image a client sends (uint8)."""

    model: str
    image_shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The data path every system shares, unless a system's own file says otherwise."""

    max_batch: int = 8
    order: Order = "edf"
    close: Close = "idle"
    drop: DropRule = "hopeless"

    def settings(self, overrides: Mapping[str, Any], place: str) -> EngineSettings:
        """Engine settings with a system's own differences."""
        shared = {"order": self.order, "close": self.close, "drop": self.drop}
        return from_mapping(EngineSettings, {**shared, **overrides}, place)


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """Which cells of the latency grid are measured when no profile is cached, and how often each.

    published: a published profile that simulated runs take instead; a scenario that only ever runs in the twin needs
    no cores and batches. service_ratios: real / published service time in those runs, drawn with equal probability;
    empty means exactly the published times. Policies know the published times only.
    """

    cores: tuple[float, ...] = ()
    batches: tuple[int, ...] = ()
    repeats: int = 5
    published: str = ""
    service_ratios: tuple[float, ...] = ()

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        _at_least(place, "repeats", self.repeats, 1)
        if self.service_ratios and (not self.published or min(self.service_ratios) <= 0):
            raise bad_value(place, "service_ratios", self.service_ratios, "must be > 0, and need a published profile")
        if self.published:
            published_model(self.published)
        elif not self.cores or not self.batches:
            raise UsageError(f"{place}: cores and batches must be given where no published profile is named")


@dataclass(frozen=True, slots=True)
class ValiditySpec:
    """When a run counts. send_lag_p99_s: the load generator's own lag, above which the run is invalid."""

    send_lag_p99_s: float = 0.005


@dataclass(frozen=True, slots=True)
class Override:
    """What one system has otherwise in this scenario: engine settings, settings of its policy (in place of those of
    its own file), and the twin's parameters (routing, cold start)."""

    engine: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    twin: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All conditions of a comparison.

    tick_s: the control interval. window_s: how far back a policy sees the requests that came. overrides: by system.
    """

    name: str
    title: str
    systems: tuple[str, ...]
    plan: PlanSpec
    service: ServiceSpec
    cores: CoreGrid
    profile: ProfileSpec
    engine: EngineSpec = field(default_factory=EngineSpec)
    validity: ValiditySpec = field(default_factory=ValiditySpec)
    twin: TwinSpec = field(default_factory=TwinSpec)
    tick_s: float = 1.0
    window_s: float = 5.0
    overrides: dict[str, Override] = field(default_factory=dict)

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        self.plan.validate(f"{place}: plan")
        self.cores.validate(f"{place}: cores")
        _at_least(place, "tick_s", self.tick_s, 0.1)
        _at_least(place, "window_s", self.window_s, self.tick_s)
        if not 1 <= self.engine.max_batch <= LARGEST_BATCH:
            rule = f"must be 1 .. {LARGEST_BATCH}, what a replica takes at once"
            raise bad_value(f"{place}: engine", "max_batch", self.engine.max_batch, rule)
        self.profile.validate(f"{place}: profile")
        self.twin.validate(f"{place}: twin")
        if not self.systems:
            raise UsageError(f"{place}: systems is empty; must name at least one system")
        if len(set(self.systems)) != len(self.systems):
            raise bad_value(place, "systems", list(self.systems), "each system may be named once")
        if self.service.model not in MODELS and not self.service.model.endswith(".onnx"):
            raise unknown_name(f"{place}: service", "model", self.service.model, MODELS)
        if any(side < 1 for side in self.service.image_shape) or self.service.image_shape[2] != 3:
            raise bad_value(place, "image_shape", self.service.image_shape, "must be height, width >= 1 and 3 channels")
        for system in self.overrides:
            self.engine_of(system, {}, f"{place}: overrides: {system}: engine")
            self.twin_of(system, f"{place}: overrides: {system}: twin")

    def engine_of(self, system: str, own: Mapping[str, Any], place: str) -> EngineSettings:
        """The engine settings of a system. own: what its file says, before the scenario's override.

        Raises UsageError naming `place`.
        """
        return self.engine.settings({**own, **self._override(system).engine}, place)

    def twin_of(self, system: str, place: str) -> TwinSpec:
        """The twin's parameters for a system. Raises UsageError naming `place`."""
        found = from_mapping(TwinSpec, {**asdict(self.twin), **self._override(system).twin}, place)
        found.validate(place)
        return found

    def settings_of(self, system: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a system's policy. own: what its file says, before the scenario's override."""
        return {**own, **self._override(system).settings}

    def _override(self, system: str) -> Override:
        return self.overrides.get(system, Override())

    def initial_allocation(self) -> Allocation:
        """What a policy is told to hold before it has seen a request: all cores, batch 1, as the published runs did."""
        return Allocation(self.cores.values()[-1], 1)

    def resolved(self) -> dict[str, Any]:
        """All settings, defaults included, as plain values."""
        return asdict(self)

    @property
    def sha256(self) -> str:
        """Over the resolved settings: two scenarios with the same are the same, however they were written."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


def scenario_names(folder: Path = SCENARIOS) -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_scenario(name_or_path: str, known_systems: Collection[str]) -> Scenario:
    """A shipped scenario by name, or one's own by the path of its TOML file. Raises UsageError."""
    table, place = read_scenario(name_or_path)
    return scenario_from(table, place, known_systems)


def read_scenario(name_or_path: str) -> tuple[dict[str, Any], str]:
    """A scenario's table as it is written, with its name, and its place for errors. Raises UsageError."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SCENARIOS / f"{name_or_path}.toml"
        if name_or_path not in scenario_names():
            raise unknown_name("scenarios", "scenario", name_or_path, scenario_names())
    place = f"scenarios/{path.name}" if path.parent == SCENARIOS else str(path)
    return {"name": path.stem, **read_toml(path)}, place


def scenario_from(table: Mapping[str, Any], place: str, known_systems: Collection[str]) -> Scenario:
    """The scenario a table describes, checked. Its sweep, if it has one, is left aside. Raises UsageError."""
    scenario = from_mapping(Scenario, {key: value for key, value in table.items() if key != SWEEP}, place)
    scenario.validate(place)
    for system in (*scenario.systems, *scenario.overrides):
        if system not in known_systems:
            raise unknown_name(place, "system", system, known_systems)
    return scenario


def _at_least(place: str, name: str, value: float, least: float) -> None:
    if value < least:
        raise bad_value(place, name, value, f"must be >= {least:g}")
