"""`fa2`: FA2 for one stage, with a measured rate and measured budgets.

Source: FA2 (RTAS'22); its dynamic program over a task graph is, for one stage, a scan (harness/policy/fa2.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.fa2 import Fa2Problem, solve_single_stage
from harness.policy.horizontal import ReplicaUnit, check_start_replicas, replica_unit
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation


@dataclass(frozen=True, slots=True)
class Fa2Settings:
    """headroom: share of the SLO the plan may use, the rest is reserve.

    replica_cores: of each replica; left out, the smallest allocation of the scenario's grid. start_replicas: before
        the first request; left out, as many as there may be.
    """

    headroom: float = 0.9
    replica_cores: float | None = None
    start_replicas: int | None = None


class Fa2Policy:
    """The smallest count of replicas that keeps up with the rate and meets the tightest budget that can be met."""

    def __init__(self, conditions: Conditions, settings: Fa2Settings, unit: ReplicaUnit, start: int) -> None:
        self._conditions = conditions
        self._unit = unit
        self._start = start
        self._margin_s = (1 - settings.headroom) * conditions.slo_s

    def decide(self, observation: Observation) -> Decision:
        """The replicas and batch for what arrived in the window; the current ones when none of it can be met."""
        current = observation.allocation
        if observation.counts.arrived == 0:
            return Decision(self._unit.allocation(current, self._start, 1), "no requests seen yet: start")
        budget_s = self._budget_s(observation)
        if budget_s is None:
            held = self._unit.allocation(current, current.replicas, current.batch_size)
            return Decision(held, "no budget a replica could meet: hold")
        choice = solve_single_stage(self._problem(observation), budget_s)
        if choice is None:
            most = self._unit.allocation(current, self._unit.most, current.batch_size)
            return Decision(most, "no count keeps up: all replicas")
        target = self._unit.allocation(current, choice.replicas, choice.batch)
        return Decision(target, f"smallest count for {budget_s * 1e3:.0f} ms")

    def _budget_s(self, observation: Observation) -> float | None:
        """The least budget of the window one replica can still meet; the SLO's when nothing came."""
        alone_s = self._conditions.latency.predict_s(1, self._unit.cores)
        budgets_s = [r.deadline_s - r.arrived_s - self._margin_s for r in observation.recent]
        if not budgets_s:
            return self._conditions.slo_s - self._margin_s
        return min((budget_s for budget_s in budgets_s if budget_s >= alone_s), default=None)

    def _problem(self, observation: Observation) -> Fa2Problem:
        seen_s = min(observation.window_s, observation.now_s)
        rate_rps = len(observation.recent) / seen_s if seen_s > 0 else self._conditions.rate_rps
        conditions = self._conditions
        return Fa2Problem(conditions.latency, self._unit.cores, self._unit.most, conditions.max_batch, rate_rps)


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(Fa2Settings, settings, place)
    if not 0 < chosen.headroom <= 1:
        raise bad_value(place, "headroom", chosen.headroom, "must be in (0, 1]")
    unit = replica_unit(conditions, chosen.replica_cores, place)
    return Fa2Policy(conditions, chosen, unit, check_start_replicas(unit, chosen.start_replicas, place))
