"""`vpa*`: one replica whose cores follow its measured usage, as Kubernetes' vertical autoscaler recommends them.

Resized in place (mode InPlaceOrRecreate), minReplicas = 1. The arithmetic is harness/policy/vpa.py; here is when it
runs, on what, and what it remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.horizontal import largest_batch
from harness.policy.metrics import UsageHistory
from harness.policy.vpa import Histogram, History, UpdateRule, needs_update, recommend
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation

LEAST_WEIGHT = 0.1
ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class VpaSettings:
    """version: of the recommender; up to 1.3.1 a sample weighs what was requested then (at least 0.1 core), from
        1.4.0 on they all weigh the same.
    loop_s: between two runs of recommender and updater, each with one sample. metrics_window_s: over which that sample
        is averaged. half_life_s: of a sample's weight. confidence_interval_s: history after which the range is narrow.
    settled_s: age of the service from which a request within its range may be replaced, when it is off by
        least_change of itself. warm_s: history before the run, at the usage the profile expects of the scenario's
        rate on all cores; the service is as old.
    batch_share: of the SLO, what the largest batch may take on the cores granted; the autoscaler knows no batches.
    """

    version: Literal["1.3.1", "1.4.0"] = "1.3.1"
    loop_s: float = 60.0
    metrics_window_s: float = 15.0
    half_life_s: float = 86_400.0
    confidence_interval_s: float = 86_400.0
    settled_s: float = 43_200.0
    least_change: float = 0.1
    warm_s: float = 0.0
    batch_share: float = 0.5


@dataclass(frozen=True, slots=True)
class VpaMemory:
    """What recommender and updater remember."""

    history: History
    looked_s: float
    usage: UsageHistory = field(default_factory=UsageHistory)


class VpaPolicy:
    """Kubernetes' vertical autoscaler over one replica. history: what it knows before the run."""

    def __init__(self, conditions: Conditions, settings: VpaSettings, history: History) -> None:
        self._conditions = conditions
        self._settings = settings
        self._history = history
        self._rule = UpdateRule(settings.settled_s, settings.least_change)
        self._born_s = -settings.warm_s if history.samples else 0.0

    def decide(self, observation: Observation) -> Decision:
        """New cores when the loop is due and the updater acts, the current ones otherwise."""
        memory: VpaMemory = observation.memory or VpaMemory(self._history, observation.now_s)
        readings = memory.usage.with_readings(observation.usage, self._settings.metrics_window_s)
        memory = replace(memory, usage=readings)
        current = observation.allocation.cores
        if observation.now_s < memory.looked_s + self._settings.loop_s - ROUNDING_S:
            return self._decision(observation, current, "between two looks", memory)
        memory = self._looked(observation, memory)
        if memory.history.samples == 0:
            return self._decision(observation, current, "no usage seen yet: keep", memory)
        return self._update(observation, memory)

    def _looked(self, observation: Observation, memory: VpaMemory) -> VpaMemory:
        """With a sample of every replica's usage."""
        requested = observation.allocation.cores if self._settings.version == "1.3.1" else 0.0
        history = memory.history
        for measured in memory.usage.measured().values():
            history = history.with_sample(measured.cores, max(requested, LEAST_WEIGHT), observation.now_s)
        return replace(memory, history=history, looked_s=observation.now_s)

    def _update(self, observation: Observation, memory: VpaMemory) -> Decision:
        settings, grid = self._settings, self._conditions.cores
        confidence = memory.history.confidence(settings.confidence_interval_s, settings.loop_s)
        found = recommend(memory.history, confidence).at_most(grid.values()[-1])
        current = observation.allocation.cores
        shown = f"{found.target_cores:.3g} in {found.lower_cores:.3g} .. {found.upper_cores:.3g}"
        if not needs_update(current, found, observation.now_s - self._born_s, self._rule):
            return self._decision(observation, current, f"recommended {shown}: keep", memory)
        return self._decision(observation, grid.at_least(found.target_cores), f"recommended {shown}", memory)

    def _decision(self, observation: Observation, cores: float, reason: str, memory: VpaMemory) -> Decision:
        conditions = self._conditions
        cores = conditions.cores.at_least(cores)  # what is in force may be nothing, after a failure
        budget_s = self._settings.batch_share * conditions.slo_s
        batch = largest_batch(conditions.latency, cores, budget_s, conditions.max_batch)
        return Decision(replace(observation.allocation, cores=cores, batch_size=batch, replicas=1), reason, memory)


def expected_usage_cores(conditions: Conditions, cores: float) -> float:
    """What the profile expects the scenario's rate to use of `cores`: busy all the time when no batch keeps up."""
    for batch in range(1, conditions.max_batch + 1):
        busy = conditions.rate_rps * conditions.latency.predict_s(batch, cores) / batch
        if busy <= 1:
            return cores * busy
    return cores


def warm_history(conditions: Conditions, settings: VpaSettings) -> History:
    """One sample per loop from `warm_s` before the run on; none when the scenario states no rate."""
    history = History(Histogram(settings.half_life_s))
    cores = conditions.cores.values()[-1]
    weight = max(cores, LEAST_WEIGHT) if settings.version == "1.3.1" else LEAST_WEIGHT
    samples = int(settings.warm_s / settings.loop_s) if conditions.rate_rps > 0 else 0
    for back in range(samples, 0, -1):
        history = history.with_sample(expected_usage_cores(conditions, cores), weight, -back * settings.loop_s)
    return history


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(VpaSettings, settings, place)
    for name in ("loop_s", "metrics_window_s", "half_life_s", "confidence_interval_s"):
        if not getattr(chosen, name) > 0:
            raise bad_value(place, name, getattr(chosen, name), "must be > 0")
    for name in ("settled_s", "least_change", "warm_s"):
        if getattr(chosen, name) < 0:
            raise bad_value(place, name, getattr(chosen, name), "must be >= 0")
    if not 0 < chosen.batch_share <= 1:
        raise bad_value(place, "batch_share", chosen.batch_share, "must be in (0, 1]")
    return VpaPolicy(conditions, chosen, warm_history(conditions, chosen))
