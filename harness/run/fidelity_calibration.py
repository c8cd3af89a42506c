"""A calibration: the parameters of the twin measured on real runs, kept in the cache beside the profile.

What a profile cannot know, because it serves one batch at a time on a machine that does nothing else: how long a batch
takes while load generator, gateway and harness work beside it, how long a change of cores takes, and the way into and
out of the gateway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.errors import UsageError
from harness.profile.store import keep, kept_path, load_kept
from harness.record import read_manifest
from harness.run.fidelity_observed import Cell, Observed, observed
from harness.sim.spec import DELAYS, TwinSpec

VERSION = 2
MOST_VALUES = 400  # of a distribution; more are thinned to quantiles
FEWEST_BATCHES = 8  # of a cell; fewer say too little about it
MUCH_OTHER_CORES = 0.6  # gateway, load generator and harness together stay well below this


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured parameters of the twin.

    identity: what they depend on, the same as a profile's. runs: the folders they came from, `<run>/<system>/seed-<k>`.
    other_cores: mean cores this host spent on anything but the replicas meanwhile. cells: service times by (batch,
    cores), s. The delays are those of `TwinSpec`; an empty one was not seen.
    """

    identity: Mapping[str, str]
    scenario: str
    runs: tuple[str, ...]
    measured_utc: str
    other_cores: float
    cells: Mapping[Cell, tuple[float, ...]]
    observe_delay_s: tuple[float, ...] = ()
    decide_delay_s: tuple[float, ...] = ()
    resize_delay_s: tuple[float, ...] = ()
    control_delay_s: tuple[float, ...] = ()
    cold_start_s: tuple[float, ...] = ()
    inbound_s: tuple[float, ...] = ()
    outbound_s: tuple[float, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether so much else ran on this host that it should not be trusted for another run."""
        return self.other_cores > MUCH_OTHER_CORES

    @property
    def delays(self) -> dict[str, tuple[float, ...]]:
        """The delays that were seen, by their names in `TwinSpec`."""
        return {name: getattr(self, name) for name in DELAYS if getattr(self, name)}

    @property
    def run_ids(self) -> set[str]:
        """Names of the runs it came from."""
        return {name.partition("/")[0] for name in self.runs}

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal calibration back."""
        cells = [[batch, cores, list(times_s)] for (batch, cores), times_s in self.cells.items()]
        return {**asdict(replace(self, cells={})), "cells": cells, "version": VERSION}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError."""
        plain = {key: value for key, value in values.items() if key != "version"}
        plain["cells"] = {(int(b), float(c)): tuple(times_s) for b, c, times_s in values["cells"]}
        plain |= {name: tuple(values[name]) for name in ("runs", *DELAYS)}
        return cls(**plain)


def calibrate(folders: Sequence[Path]) -> Calibration:
    """A calibration from the folders (one per system and seed) of real runs on one machine and backend.

    Raises UsageError for a run of the twin, one that did not end, or runs that do not belong together.
    """
    if not folders:
        raise UsageError("calibration: no run to take it from")
    manifests = [real_manifest(folder) for folder in folders]
    identities = [identity_of(manifest) for manifest in manifests]
    for folder, identity in zip(folders, identities, strict=True):
        differing = sorted(key for key in identities[0] if identity.get(key) != identities[0][key])
        if differing:
            raise UsageError(f"{folder}: another {', '.join(differing)} than {folders[0]}; calibrate from one of them")
    seen = [observed(folder, manifest) for folder, manifest in zip(folders, manifests, strict=True)]
    return Calibration(
        identity=identities[0],
        scenario=manifests[0]["scenario"]["name"],
        runs=tuple(run_name(folder) for folder in folders),
        measured_utc=max(manifest["started_utc"] for manifest in manifests),
        other_cores=float(np.mean([other_cores(m, o) for m, o in zip(manifests, seen, strict=True)])),
        cells=cells_of(seen),
        **delays_of(seen),
    )


def run_name(folder: Path) -> str:
    """`<run>/<system>/seed-<k>`."""
    return "/".join(folder.resolve().parts[-3:])


def real_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a real run that ended. Raises UsageError."""
    manifest = read_manifest(folder)
    state = manifest.get("state")
    if state != "done":
        raise UsageError(f"{folder}: state = {state!r}; must be a run that ended")
    if manifest["backend"]["backend"] == "simulated":
        raise UsageError(f"{folder}: backend = 'simulated'; must be a run on a real backend (docker, process)")
    return manifest


def identity_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What a latency depends on, as `ProfileRequest.identity` says it, read from a manifest."""
    host = {f"host_{key}": str(manifest["host"][key]) for key in ("cpu", "cores", "kernel", "cgroup")}
    shape = ",".join(map(str, manifest["scenario"]["service"]["image_shape"]))
    own = {"model_sha256": manifest["model"]["sha256"], "image_shape": shape, "sponge_bench": __version__}
    return {**host, **manifest["backend"], **own}


def other_cores(manifest: Mapping[str, Any], seen: Observed) -> float:
    """Mean cores spent on anything but serving, or stolen by the hypervisor, while a run was replayed."""
    load = manifest["load"]
    busy_cores = load["host_load"]["busy_cores"] + load["host_load"]["stolen_cores"]
    return max(0.0, float(busy_cores) - seen.used_core_s / float(load["elapsed_s"]))


def cells_of(seen: Iterable[Observed]) -> dict[Cell, tuple[float, ...]]:
    """Service times of every cell that was met often enough, s, ascending."""
    cells: defaultdict[Cell, list[float]] = defaultdict(list)
    for one in seen:
        for batch in one.batches:
            cells[batch.cell].append(batch.service_s)
    return {cell: thinned(times_s) for cell, times_s in sorted(cells.items()) if len(times_s) >= FEWEST_BATCHES}


def delays_of(seen: Sequence[Observed]) -> dict[str, tuple[float, ...]]:
    """The delays of several runs together, by their names in `TwinSpec`."""
    return {
        "observe_delay_s": thinned([d for o in seen for d in o.ticks.observe_s]),
        "decide_delay_s": thinned([d for o in seen for d in o.ticks.decide_s]),
        "resize_delay_s": thinned([d for o in seen for d in o.changes.resize_s]),
        "control_delay_s": thinned([d for o in seen for d in o.changes.control_s]),
        "cold_start_s": thinned([d for o in seen for d in o.changes.cold_start_s]),
        "inbound_s": thinned([d for o in seen for d in o.inbound_s]),
        "outbound_s": thinned([d for o in seen for d in o.outbound_s]),
    }


def thinned(values: Sequence[float]) -> tuple[float, ...]:
    """The values ascending, or that many of their quantiles, evenly spaced."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) > MOST_VALUES:
        ordered = np.quantile(ordered, (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES)
    return tuple(ordered.tolist())


def measured_spec(spec: TwinSpec, delays: Mapping[str, tuple[float, ...]]) -> TwinSpec:
    """The spec with measured delays wherever it says no other than the default."""
    default = TwinSpec()
    measured: dict[str, Any] = {n: v for n, v in delays.items() if getattr(spec, n) == getattr(default, n)}
    return replace(spec, **measured)


def calibration_path(name: str, identity: Mapping[str, str]) -> Path:
    """Where the calibration of this identity is, or would be."""
    return kept_path("calibrations", name, identity)


def load_calibration(path: Path) -> Calibration | None:
    """The calibration in this file; None when there is none of this version. Raises UsageError when it is not one."""
    return load_kept(path, "calibration", VERSION, Calibration.from_json)


def kept_calibration(name: str, identity: Mapping[str, str]) -> Calibration | None:
    """The cached calibration of this identity; None when there is none, or a busy machine disturbed it: such a one
    serves the run it was made for and no other. Raises UsageError when it is not a calibration."""
    found = load_calibration(calibration_path(name, identity))
    return None if found is None or found.disturbed else found


def calibration_for(run_id: str, manifest: Mapping[str, Any]) -> Calibration | None:
    """The cached calibration that belongs to what a real run used, unless it comes from this very run."""
    found = kept_calibration(manifest["model"]["name"], identity_of(manifest))
    return None if found is not None and run_id in found.run_ids else found


def save_calibration(name: str, calibration: Calibration) -> Path:
    """Keep it; returns the file. Raises UsageError when the folder cannot be written."""
    return keep(calibration_path(name, calibration.identity), "calibration", calibration.to_json())
