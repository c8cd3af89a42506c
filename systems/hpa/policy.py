"""`hpa`: replicas of one size, their count from CPU utilisation, as Kubernetes' autoscaler (autoscaling/v2) does.

The arithmetic is harness/policy/hpa.py; here is what the controller remembers between two syncs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.horizontal import ReplicaUnit, check_start_replicas, largest_batch, replica_unit
from harness.policy.hpa import Behavior, Pod, Stamped, desired_replicas, rate_limited, stabilized
from harness.policy.metrics import Measured, UsageHistory
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation

ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class HpaSettings:
    """target_percent: CPU utilisation aimed at, of what is granted. tolerance: of usage over target, around 1.

    sync_s: between two looks. metrics_window_s: over which usage is averaged. cpu_initialization_s: how long a young
        replica's usage is ignored until it was ready for a whole metrics window. behavior: how fast the count moves.
    batch_share: of the SLO, what the largest batch may take on one replica; the autoscaler itself knows no batches.
    replica_cores: of each replica; left out, the smallest allocation of the scenario's grid. start_replicas: before
        the first request; left out, as many as there may be.
    """

    target_percent: int = 80
    tolerance: float = 0.1
    sync_s: float = 15.0
    metrics_window_s: float = 15.0
    cpu_initialization_s: float = 300.0
    min_replicas: int = 1
    behavior: Behavior = field(default_factory=Behavior)
    batch_share: float = 0.5
    replica_cores: float | None = None
    start_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Birth:
    """When a replica was first seen, and first seen ready (None: not yet)."""

    seen_s: float
    ready_s: float | None


@dataclass(frozen=True, slots=True)
class HpaMemory:
    """What the controller remembers. changes: of the count, by itself. births: by replica."""

    synced_s: float
    usage: UsageHistory = field(default_factory=UsageHistory)
    births: tuple[tuple[str, Birth], ...] = ()
    recommendations: tuple[Stamped, ...] = ()
    changes: tuple[Stamped, ...] = ()


class HpaPolicy:
    """Kubernetes' horizontal autoscaler over replicas of one size."""

    def __init__(self, settings: HpaSettings, unit: ReplicaUnit, start: int, batch: int) -> None:
        self._settings = settings
        self._unit = unit
        self._start = start
        self._batch = batch

    def decide(self, observation: Observation) -> Decision:
        """A new count at every sync, the current one in between."""
        if observation.memory is None:
            return self._begin(observation)
        memory = self._seen(observation)
        if observation.now_s < memory.synced_s + self._settings.sync_s - ROUNDING_S:
            return self._decision(observation, observation.allocation.replicas, "between two syncs", memory)
        return self._sync(observation, replace(memory, synced_s=observation.now_s))

    def _begin(self, observation: Observation) -> Decision:
        """The starting count is also the first recommendation, as when the autoscaler meets a deployment."""
        first = Stamped(observation.now_s, self._start)
        memory = replace(self._seen(observation), recommendations=(first,))
        return self._decision(observation, self._start, "start", memory)

    def _sync(self, observation: Observation, memory: HpaMemory) -> Decision:
        settings, now_s = self._settings, observation.now_s
        current = self._unit.within(observation.allocation.replicas, settings.min_replicas)
        asked = desired_replicas(current, self._pods(observation, memory), settings.target_percent, settings.tolerance)
        if asked is None:
            return self._decision(observation, current, "no metrics of ready replicas: keep", memory)
        steady = stabilized(current, asked, memory.recommendations, now_s, settings.behavior)
        limited = rate_limited(current, steady, memory.changes, now_s, settings.behavior)
        count = self._unit.within(limited, settings.min_replicas)
        memory = replace(
            memory,
            recommendations=self._recent(memory.recommendations, Stamped(now_s, asked)),
            changes=self._recent(memory.changes, Stamped(now_s, count - current)),
        )
        reason = f"utilisation asks for {asked}, stabilised {steady}, limited {limited}"
        return self._decision(observation, count, reason, memory)

    def _seen(self, observation: Observation) -> HpaMemory:
        """The memory with the readings and replicas of this tick."""
        memory: HpaMemory = observation.memory or HpaMemory(observation.now_s)
        known = dict(memory.births)
        births = []
        for replica in observation.replicas:
            birth = known.get(replica.name, Birth(observation.now_s, None))
            if birth.ready_s is None and replica.phase == "ready":
                birth = replace(birth, ready_s=observation.now_s)
            births.append((replica.name, birth))
        usage = memory.usage.with_readings(observation.usage, self._settings.metrics_window_s)
        return replace(memory, usage=usage, births=tuple(births))

    def _pods(self, observation: Observation, memory: HpaMemory) -> list[Pod]:
        """The replicas as the controller counts them: without draining ones, with those asked for but not seen yet."""
        measured, births = memory.usage.measured(), dict(memory.births)
        pods = []
        for replica in observation.replicas:
            if replica.phase != "draining":
                of_it = measured.get(replica.name)
                unready = self._is_unready(observation.now_s, births[replica.name], of_it)
                pods.append(Pod(_milli(replica.cores), _milli(of_it.cores) if of_it else None, unready))
        awaited = observation.allocation.replicas - len(pods)
        return pods + [Pod(_milli(self._unit.cores), None, unready=True)] * awaited

    def _is_unready(self, now_s: float, birth: Birth, measured: Measured | None) -> bool:
        """Not ready; or young, and not measured over a whole window since it became ready."""
        if birth.ready_s is None:
            return True
        young = now_s < birth.seen_s + self._settings.cpu_initialization_s
        whole_s = birth.ready_s + self._settings.metrics_window_s - ROUNDING_S
        return young and measured is not None and measured.to_s < whole_s

    def _recent(self, stamped: tuple[Stamped, ...], new: Stamped) -> tuple[Stamped, ...]:
        """With the new one, without those no window or period reaches any more."""
        behavior = self._settings.behavior
        reach_s = max(behavior.stabilize_up_s, behavior.stabilize_down_s, behavior.up_period_s, behavior.down_period_s)
        return (*(s for s in stamped if s.t_s > new.t_s - reach_s), new)

    def _decision(self, observation: Observation, replicas: int, reason: str, memory: HpaMemory) -> Decision:
        return Decision(self._unit.allocation(observation.allocation, replicas, self._batch), reason, memory)


def _milli(cores: float) -> int:
    return round(cores * 1000)


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(HpaSettings, settings, place)
    _check(chosen, place)
    unit = replica_unit(conditions, chosen.replica_cores, place)
    start = check_start_replicas(unit, chosen.start_replicas, place)
    batch = largest_batch(conditions.latency, unit.cores, chosen.batch_share * conditions.slo_s, conditions.max_batch)
    return HpaPolicy(chosen, unit, start, batch)


def _check(chosen: HpaSettings, place: str) -> None:
    for name in ("target_percent", "sync_s", "metrics_window_s", "min_replicas"):
        if not getattr(chosen, name) > 0:
            raise bad_value(place, name, getattr(chosen, name), "must be > 0")
    for name in ("tolerance", "cpu_initialization_s"):
        if getattr(chosen, name) < 0:
            raise bad_value(place, name, getattr(chosen, name), "must be >= 0")
    if not 0 < chosen.batch_share <= 1:
        raise bad_value(place, "batch_share", chosen.batch_share, "must be in (0, 1]")
    for name, value in asdict(chosen.behavior).items():
        if value < 0:
            raise bad_value(f"{place}: behavior", name, value, "must be >= 0")
