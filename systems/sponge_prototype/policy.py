"""`sponge-prototype`: the published rule on the remaining SLO of the last request seen and a configured rate.

Nothing feasible: the old configuration stays. Queue and batches are in system.toml: first come, first served, a batch
leaves when full or after 1 s, several in flight. Source: the public prototype of Sponge (arXiv:2404.00704).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.prototype import Reading, configured_rate_rps, remaining_ms
from harness.policy.published import PublishedProblem, solve_by_enumeration
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation


@dataclass(frozen=True, slots=True)
class PrototypeSettings:
    """headroom: share of the SLO the plan may use. rate_rps: assumed where the scenario states no rate.

    blind_s, stale_s: see `harness.policy.prototype.Reading`. infeasible: what to do when the rule finds nothing: as
        the prototype (`hold`), or all cores (`maxout`).
    """

    headroom: float = 0.9
    rate_rps: float = 20.0
    blind_s: float = 0.0
    stale_s: float = 0.0
    infeasible: Literal["hold", "maxout"] = "hold"


class SpongePrototypePolicy:
    """The published rule, tick by tick."""

    def __init__(self, conditions: Conditions, settings: PrototypeSettings) -> None:
        self._conditions = conditions
        self._settings = settings
        self._reading = Reading(settings.blind_s, settings.stale_s)

    def decide(self, observation: Observation) -> Decision:
        """What the rule chooses for the last remaining SLO seen; the current allocation when it chooses nothing."""
        left_ms = remaining_ms(observation, self._reading)
        choice = solve_by_enumeration(self._problem(left_ms))
        if choice is None and self._settings.infeasible == "maxout":
            most = replace(observation.allocation, cores=self._conditions.cores.values()[-1], replicas=1)
            return Decision(most, f"nothing feasible for {left_ms} ms: all cores", left_ms)
        if choice is None:
            return Decision(observation.allocation, f"nothing feasible for {left_ms} ms: hold", left_ms)
        target = replace(observation.allocation, cores=choice.cores, batch_size=choice.batch, replicas=1)
        return Decision(target, f"published rule for {left_ms} ms", left_ms)

    def _problem(self, left_ms: int) -> PublishedProblem:
        conditions = self._conditions
        return PublishedProblem(
            latency=conditions.latency,
            rate_rps=configured_rate_rps(conditions, self._settings.rate_rps),
            remaining_ms=left_ms,
            slo_ms=round(conditions.slo_s * 1e3, 6),
            headroom=self._settings.headroom,
            cores=conditions.cores.values(),
            max_batch=conditions.max_batch,
        )


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(PrototypeSettings, settings, place)
    if not 0 < chosen.headroom <= 1:
        raise bad_value(place, "headroom", chosen.headroom, "must be in (0, 1]")
    if not chosen.rate_rps > 0:
        raise bad_value(place, "rate_rps", chosen.rate_rps, "must be > 0")
    Reading(chosen.blind_s, chosen.stale_s).validate(place)
    return SpongePrototypePolicy(conditions, chosen)
