"""The latency model of a simulated run: a published set, or the profile measured on this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.profile import Profile
from harness.profile.store import load_profile
from harness.profile.values import by_cell, identity_key
from harness.published import published_model
from harness.scenario import Scenario
from harness.sim.service import Cell


@dataclass(frozen=True, slots=True)
class TwinModel:
    """What a simulated replica is like. ratios: measured / fitted service time per (batch, cores), sorted; empty for
    a model without measurements. source: where it comes from, for the manifest."""

    latency: LatencyModel
    source: Mapping[str, Any]
    ratios: Mapping[Cell, Sequence[float]] = field(default_factory=dict)


def twin_model(scenario: Scenario, model_name: str, host: Mapping[str, Any]) -> TwinModel:
    """The published profile the scenario names, else the newest cached profile of this model on this host.

    Raises UsageError with the command that measures one.
    """
    if scenario.profile.published:
        name = scenario.profile.published
        return TwinModel(published_model(name), {"kind": "published", "name": name})
    found = cached_profiles(model_name, scenario.service.image_shape, host)
    if not found:
        raise UsageError(
            f"scenario {scenario.name}: no latency profile of {model_name} on this host is at hand, and the scenario "
            f"names no published one; measure it: sponge-bench profile --model {model_name}"
        )
    return measured_model(max(found, key=lambda profile: profile.measured_utc))


def measured_model(profile: Profile) -> TwinModel:
    """The twin's model of a measured profile."""
    predict_s = profile.latency.predict_s
    ratios = {
        cell: tuple(float(t) for t in np.sort(np.asarray(times) / predict_s(*cell)))
        for cell, times in by_cell(profile.samples).items()
    }
    source = {
        "kind": "measured",
        "name": profile.name,
        "measured_utc": profile.measured_utc,
        "key": identity_key(profile.identity),
    }
    return TwinModel(profile.latency, {**source, "backend": profile.identity["backend"]}, ratios)


def cached_profiles(model_name: str, image_shape: Sequence[int], host: Mapping[str, Any]) -> list[Profile]:
    """Profiles of this model and image shape on this host, measured through any backend."""
    wanted = {f"host_{key}": str(value) for key, value in host.items()}
    wanted["image_shape"] = ",".join(map(str, image_shape))
    folder = cache_dir() / "profiles"
    found = (load_profile(path) for path in sorted(folder.glob(f"{model_name}-*.json")))
    return [p for p in found if p is not None and wanted.items() <= p.identity.items()]
