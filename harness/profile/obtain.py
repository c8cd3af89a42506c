"""A profile for a model on a backend: the one at hand, or a new one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harness import __version__
from harness.latency import LatencyModel
from harness.profile.grid import Grid
from harness.profile.measure import Surveyor, Watch
from harness.profile.probe import ANSWER_TIMEOUT_S, GatewayProbe
from harness.profile.store import load_profile, profile_path, save_profile
from harness.profile.values import Profile, fit_samples
from harness.replica.models import ModelFile
from harness.run.host import CpuClock
from harness.seams import Backend
from harness.types import Allocation, EngineSettings, Service


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What to profile.

    host: facts about this machine a latency depends on. seed: of the order of measurement. run_id: marks everything
    the backend creates.
    """

    model: ModelFile
    image_shape: tuple[int, int, int]
    grid: Grid
    host: Mapping[str, Any]
    run_id: str
    seed: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    def identity(self, facts: Mapping[str, str]) -> dict[str, str]:
        """All a latency on this backend depends on. `facts`: the backend's."""
        machine = {f"host_{key}": str(value) for key, value in self.host.items()}
        own = {
            "model_sha256": self.model.sha256,
            "image_shape": ",".join(map(str, self.image_shape)),
            "sponge_bench": __version__,
        }
        return {**machine, **facts, **own}

    def service(self) -> Service:
        """What the backend runs while we measure. The gateway's latency model is never asked: nothing is dropped."""
        gateway = {
            "model_name": self.model.name,
            "image_shape": list(self.image_shape),
            "engine": asdict(EngineSettings()),
            "latency": LatencyModel(0.0, 0.0, 0.0, 0.0, name="unused").to_dict(),
            "default_budget_s": ANSWER_TIMEOUT_S,
        }
        most = max(self.grid.cores)
        return Service(self.model.name, str(self.model.path), self.image_shape, most, gateway, self.run_id, self.labels)


def obtain_profile(
    request: ProfileRequest, backend: Backend, watch: Watch | None = None, *, fresh: bool = False
) -> tuple[Profile, bool]:
    """(profile, whether it was measured now). `fresh`: measure even when one is at hand.

    The backend must not be started; it is stopped when this returns. Raises BenchError, and UsageError for a grid
    that cannot be fitted or a cached file that is not a profile.
    """
    request.grid.validate("profile")
    found = None if fresh else _at_hand(request, backend.facts())
    if found is not None:
        return found, False
    try:
        backend.start(request.service(), Allocation(max(request.grid.cores), 1))
        facts = backend.facts()
        found = None if fresh else _at_hand(request, facts)  # some facts are known only now, as the image's digest
        if found is not None:
            return found, False
        profile = _measured(request, backend, facts, watch)
    finally:
        backend.stop()
    save_profile(profile)
    return profile, True


def _at_hand(request: ProfileRequest, facts: Mapping[str, str]) -> Profile | None:
    found = load_profile(profile_path(request.model.name, request.identity(facts)))
    if found is None or found.disturbed:  # a profile of a busy machine serves the run it was made for and no other
        return None
    return found if found.grid.covers(request.grid) else None


def _measured(request: ProfileRequest, backend: Backend, facts: Mapping[str, str], watch: Watch | None) -> Profile:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    backend.usage()  # from here on: what was used before is not ours
    clock = CpuClock.read()
    with GatewayProbe(backend.url, request.model.name, request.image_shape) as probe:
        random = np.random.default_rng(request.seed)
        measured = Surveyor(backend, probe, request.grid, random, watch).survey()
    load, took_s = CpuClock.read().load_since(clock), time.monotonic() - clock.t_s
    used_cores = sum(usage.used_cores for usage in backend.usage())
    return Profile(
        name=request.model.name,
        identity=request.identity(facts),
        grid=request.grid,
        samples=measured.samples,
        skipped=measured.skipped,
        latency=fit_samples(measured.samples, request.model.name),
        measured_utc=started,
        took_s=took_s,
        other_cores=max(0.0, load["busy_cores"] + load["stolen_cores"] - used_cores),
    )
