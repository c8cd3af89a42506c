"""The latency model of a simulated run: a published set, or the profile measured on this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.profile import Grid, Profile
from harness.profile.store import load_profile
from harness.profile.values import by_cell, identity_key
from harness.published import published_model
from harness.run.fidelity_calibration import Calibration, kept_calibration, measured_spec
from harness.run.fidelity_service import service_times
from harness.scenario import Scenario
from harness.sim.service import Cell
from harness.sim.spec import TwinSpec

LEVELS = tuple((k + 0.5) / 20 for k in range(20))  # of the spread, where the samples themselves are not at hand


@dataclass(frozen=True, slots=True)
class TwinModel:
    """What a simulated replica is like. ratios: measured / fitted service time per (batch, cores), sorted; empty for
    a model without measurements. source: where it comes from, for the manifest. delays: measured ones of `TwinSpec`.
    notes: what a person should know about it."""

    latency: LatencyModel
    source: Mapping[str, Any]
    ratios: Mapping[Cell, Sequence[float]] = field(default_factory=dict)
    delays: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def spec(self, wanted: TwinSpec) -> TwinSpec:
        """The twin's parameters: measured delays where the scenario asks for no others, and no spread of service
        times where none was measured."""
        spec = measured_spec(wanted, self.delays)
        return spec if self.ratios else replace(spec, service="mean")


def twin_model(scenario: Scenario, model_name: str, host: Mapping[str, Any], backend: str = "") -> TwinModel:
    """The published profile the scenario names, else the newest cached profile of this model on this host that covers
    the scenario's grid and that nothing disturbed (else the newest, with a note), with the calibration that belongs to
    it, if there is one. backend: whose profile is preferred to all others.

    Raises UsageError with the command that measures one.
    """
    if scenario.profile.published:
        name = scenario.profile.published
        return TwinModel(published_model(name), {"kind": "published", "name": name})
    found = cached_profiles(model_name, scenario.service.image_shape, host)
    if not found:
        raise UsageError(
            f"scenario {scenario.name}: no latency profile of {model_name} on this host is at hand, and the scenario "
            f"names no published one; measure it: {profile_command(scenario, model_name)}"
        )
    wanted = grid_of(scenario)

    def rank(p: Profile) -> tuple[bool, bool, bool, str]:
        return p.identity["backend"] == backend, p.grid.covers(wanted), not p.disturbed, p.measured_utc

    profile = max(found, key=rank)
    model = everywhere(measured_model(profile), scenario, calibration_of(profile))
    if profile.grid.covers(wanted):
        return model
    note = (
        f"note: the latency profile was measured on a smaller grid ({profile.grid.text()}) than the scenario asks for "
        f"({wanted.text()}); measure it: {profile_command(scenario, model_name)}"
    )
    return replace(model, notes=(*model.notes, note))


def grid_of(scenario: Scenario) -> Grid:
    """The grid a scenario wants its profile measured on."""
    return Grid(scenario.profile.cores, scenario.profile.batches, scenario.profile.repeats)


def profile_command(scenario: Scenario, model_name: str) -> str:
    """What measures the profile a scenario asks for."""
    grid = grid_of(scenario)
    cores, batches = (",".join(f"{value:g}" for value in axis) for axis in (grid.cores, grid.batches))
    shape = ",".join(map(str, scenario.service.image_shape))
    return (
        f".venv/bin/sponge-bench profile --model {model_name} --image-shape {shape} --cores {cores} "
        f"--batches {batches} --repeats {grid.repeats}"
    )


def calibration_of(profile: Profile) -> Calibration | None:
    """The cached calibration that belongs to a profile, if there is one."""
    return kept_calibration(profile.name, profile.identity)


def measured_model(profile: Profile) -> TwinModel:
    """The twin's model of a measured profile, in the cells that were measured."""
    source = {
        "kind": "measured",
        "name": profile.name,
        "measured_utc": profile.measured_utc,
        "key": identity_key(profile.identity),
        "backend": profile.identity["backend"],
    }
    notes = [disturbed_note("latency profile", profile.measured_utc, profile.other_cores)] if profile.disturbed else []
    return TwinModel(profile.latency, source, ratios_of(profile.latency, by_cell(profile.samples)), {}, tuple(notes))


def everywhere(model: TwinModel, scenario: Scenario, calibration: Calibration | None) -> TwinModel:
    """The model in every cell a scenario can visit, from its measured cells and, where there is a calibration, from the
    service times and delays of real runs. A model without measurements stays as it is."""
    runs = {} if calibration is None else calibration.cells
    profile = {cell: [r * model.latency.predict_s(*cell) for r in ratios] for cell, ratios in model.ratios.items()}
    if runs or profile:
        wanted = [(b + 1, cores) for b in range(scenario.engine.max_batch) for cores in scenario.cores.values()]
        model = replace(model, ratios=ratios_of(model.latency, service_times(runs, profile, wanted)))
    return model if calibration is None else told(model, calibration)


def told(model: TwinModel, calibration: Calibration) -> TwinModel:
    """The model with the delays of a calibration, and where they come from."""
    runs = ", ".join(sorted(calibration.run_ids))
    note = disturbed_note("calibration", calibration.measured_utc, calibration.other_cores)
    return replace(
        model,
        source={**model.source, "calibration": f"calibrated on {calibration.scenario}, run {runs}"},
        delays=calibration.delays,
        notes=(*model.notes, note) if calibration.disturbed else model.notes,
    )


def remembered_model(latency: LatencyModel, source: Mapping[str, Any]) -> TwinModel:
    """The twin's model of a latency model alone, as a manifest keeps it: its grid's medians, each with the spread of
    all samples together. A model without a grid has no spread."""
    middle = latency.quantile_ratio(0.5)
    spread = [latency.quantile_ratio(level) / middle for level in LEVELS]
    cells = {(cell.batch, cell.cores): [cell.service_s * one for one in spread] for cell in latency.grid}
    return TwinModel(latency, source, ratios_of(latency, cells))


def ratios_of(latency: LatencyModel, cells: Mapping[Cell, Sequence[float]]) -> dict[Cell, tuple[float, ...]]:
    """Service times of each cell over the fitted one, ascending."""
    return {
        cell: tuple(float(t) for t in np.sort(np.asarray(times_s) / latency.predict_s(*cell)))
        for cell, times_s in cells.items()
    }


def disturbed_note(what: str, measured_utc: str, other_cores: float) -> str:
    """What to say of numbers that were measured on a busy machine."""
    return (
        f"note: while this {what} was measured ({measured_utc}), {other_cores:.1f} cores of this machine did other "
        "work; it is too slow where it needs all cores. Measure again when the machine is idle"
    )


def cached_profiles(model_name: str, image_shape: Sequence[int], host: Mapping[str, Any]) -> list[Profile]:
    """Profiles of this model and image shape on this host, measured through any backend."""
    wanted = {f"host_{key}": str(value) for key, value in host.items()}
    wanted["image_shape"] = ",".join(map(str, image_shape))
    folder = cache_dir() / "profiles"
    found = (load_profile(path) for path in sorted(folder.glob(f"{model_name}-*.json")))
    return [p for p in found if p is not None and wanted.items() <= p.identity.items()]
