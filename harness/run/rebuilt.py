"""A stored run as a simulation again: a simulated one exactly as it was, a real one as its twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.replica.models import ModelFile
from harness.run.bench import build_system, conditions_of, gateway_config
from harness.run.fidelity_calibration import Calibration
from harness.run.foresight import Known, foresight_of
from harness.run.plans import plan_path
from harness.run.simulated import calibrated
from harness.run.twin_model import (
    TwinModel,
    cached_profiles,
    calibration_of,
    everywhere,
    measured_model,
    remembered_model,
)
from harness.scenario import Scenario
from harness.settings import from_mapping
from harness.sim.simulation import Simulation
from harness.sim.spec import TwinSpec
from harness.types import Allocation, EngineSettings
from systems import SYSTEMS


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One system and seed of a stored run, ready to be simulated on its plan."""

    scenario: Scenario
    model: TwinModel
    simulation: Simulation


def is_simulated(manifest: Mapping[str, Any]) -> bool:
    """Whether a run happened in virtual time."""
    return bool(manifest["backend"]["backend"] == "simulated")


def rebuilt(folder: Path, manifest: Mapping[str, Any], calibration: Calibration | None = None) -> Rebuilt:
    """The folder of one system and seed as a simulation. calibration: of other runs, for the twin of a real one.

    Raises UsageError when a simulated run cannot be had again exactly: its manifest does not say what its twin was
    like, or the measured model it used is no longer at hand.
    """
    place = str(folder / "manifest.json")
    scenario = from_mapping(Scenario, manifest["scenario"], f"{place}: scenario")
    system, seed = manifest["system"]["name"], int(manifest["seed"])
    known = None
    if is_simulated(manifest):
        model, spec = model_of_simulated(scenario, manifest, place), spec_of_simulated(manifest, place)
        known = Known(spec, seed, model.ratios)
    else:
        model = model_of_real(scenario, manifest, calibration)
        spec = model.spec(scenario.twin_of(system, f"{place}: twin"))
    conditions = conditions_of(scenario, model.latency)
    foresees = system in SYSTEMS and SYSTEMS[system].foresee is not None
    plan = plan_path(folder.parents[1], seed)
    foresight = foresight_of(scenario, system, conditions, plan, known) if foresees else None
    policy, _ = build_system(system, conditions, scenario, foresight)
    engine = from_mapping(EngineSettings, manifest["system"]["resolved_engine"], f"{place}: system: engine")
    served = ModelFile(Path(), manifest["model"]["name"], manifest["model"]["sha256"], 0, 0)  # nobody opens it
    start = from_mapping(Allocation, manifest["start"], f"{place}: start")
    gateway = gateway_config(scenario, served, model.latency, engine)
    simulation = Simulation(gateway, policy, start, scenario.tick_s, spec, seed, model.ratios)
    return Rebuilt(scenario, model, simulation)


def spec_of_simulated(manifest: Mapping[str, Any], place: str) -> TwinSpec:
    """The twin's parameters as a simulated run had them. Raises UsageError when its manifest has none."""
    return from_mapping(TwinSpec, _recorded(manifest, "twin", place), f"{place}: backend: twin")


def model_of_simulated(scenario: Scenario, manifest: Mapping[str, Any], place: str) -> TwinModel:
    """The very model a simulated run used. Raises UsageError, naming both, when only another one is at hand."""
    wanted = _recorded(manifest, "model", place)
    found = _models_at_hand(scenario, manifest, wanted)
    for model in found:
        if dict(model.source) == dict(wanted):
            return model
    others = "; ".join(_words(model.source) for model in found) or "no such profile"
    raise UsageError(f"{place}: was simulated with {_words(wanted)}; at hand: {others}. Run the scenario again")


def model_of_real(scenario: Scenario, manifest: Mapping[str, Any], calibration: Calibration | None) -> TwinModel:
    """The twin's model of a real run: the profile the run itself used, with a calibration from other runs."""
    latency = LatencyModel.from_dict(manifest["latency"])
    same = [
        p for p in cached_profiles(manifest["model"]["name"], scenario.service.image_shape, {}) if p.latency == latency
    ]
    if same:
        plain = measured_model(same[0])
    else:
        plain = remembered_model(latency, {"kind": "measured", "name": latency.name, "from": "the run's manifest"})
        note = "note: this run's profile is no longer cached; the spread of its cells together is taken for each"
        plain = replace(plain, notes=(note,))
    return everywhere(plain, scenario, calibration)


def _models_at_hand(scenario: Scenario, manifest: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[TwinModel]:
    latency = LatencyModel.from_dict(manifest["latency"])
    if wanted.get("kind") == "published":
        source = {"kind": "published", "name": wanted.get("name")}
        return [calibrated(TwinModel(latency, source), scenario.profile)]
    profiles = cached_profiles(manifest["model"]["name"], scenario.service.image_shape, {})
    return [everywhere(measured_model(p), scenario, calibration_of(p)) for p in profiles if p.latency == latency]


def _recorded(manifest: Mapping[str, Any], what: str, place: str) -> Mapping[str, Any]:
    found = manifest["backend"].get(what)
    if not isinstance(found, Mapping):
        raise UsageError(f"{place}: backend has no {what!r}, so its twin cannot be had again; run the scenario again")
    return found


def _words(source: Mapping[str, Any]) -> str:
    return "the latency profile " + " ".join(map(str, source.values()))
