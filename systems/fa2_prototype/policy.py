"""`fa2-prototype`: the Sponge authors' variant of FA2, on the last request seen and a configured rate.

Nothing feasible: the old count stays. It starts from one replica. Source: the public prototype of Sponge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.fa2 import Fa2Problem, solve_prototype
from harness.policy.horizontal import ReplicaUnit, check_start_replicas, replica_unit
from harness.policy.prototype import Reading, configured_rate_rps, remaining_ms
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation


@dataclass(frozen=True, slots=True)
class Fa2PrototypeSettings:
    """headroom: share of the SLO the plan may use. rate_rps: assumed where the scenario states no rate.

    replica_cores: of each replica; left out, the smallest allocation of the scenario's grid. start_replicas: before
        the first request; left out, as many as there may be. blind_s, stale_s: see `harness.policy.prototype.Reading`.
    """

    headroom: float = 0.9
    rate_rps: float = 20.0
    blind_s: float = 0.0
    stale_s: float = 0.0
    replica_cores: float | None = None
    start_replicas: int | None = None


class Fa2PrototypePolicy:
    """The prototype's scan, tick by tick."""

    def __init__(self, conditions: Conditions, settings: Fa2PrototypeSettings, unit: ReplicaUnit, start: int) -> None:
        self._conditions = conditions
        self._settings = settings
        self._unit = unit
        self._start = start
        self._reading = Reading(settings.blind_s, settings.stale_s)

    def decide(self, observation: Observation) -> Decision:
        """What the rule chooses for the last remaining SLO seen; the current replicas when it chooses nothing."""
        current, left_ms = observation.allocation, remaining_ms(observation, self._reading)
        if observation.counts.arrived == 0:
            start = self._unit.allocation(current, self._start, 1)
            return Decision(start, "no requests seen yet: start", left_ms)
        slo_ms = round(self._conditions.slo_s * 1e3, 6)
        choice = solve_prototype(self._problem(), left_ms, slo_ms, self._settings.headroom)
        if choice is None:
            held = self._unit.allocation(current, current.replicas, current.batch_size)
            return Decision(held, f"nothing feasible for {left_ms} ms: hold", left_ms)
        target = self._unit.allocation(current, choice.replicas, choice.batch)
        return Decision(target, f"smallest count for {left_ms} ms", left_ms)

    def _problem(self) -> Fa2Problem:
        conditions = self._conditions
        rate_rps = configured_rate_rps(conditions, self._settings.rate_rps)
        return Fa2Problem(conditions.latency, self._unit.cores, self._unit.most, conditions.max_batch, rate_rps)


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(Fa2PrototypeSettings, settings, place)
    if not 0 < chosen.headroom <= 1:
        raise bad_value(place, "headroom", chosen.headroom, "must be in (0, 1]")
    if not chosen.rate_rps > 0:
        raise bad_value(place, "rate_rps", chosen.rate_rps, "must be > 0")
    Reading(chosen.blind_s, chosen.stale_s).validate(place)
    unit = replica_unit(conditions, chosen.replica_cores, place)
    return Fa2PrototypePolicy(conditions, chosen, unit, check_start_replicas(unit, chosen.start_replicas, place))
