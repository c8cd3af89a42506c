"""A wrapper for any policy: what it decides stays on the grid and within the bounds of the scenario."""

from __future__ import annotations

from dataclasses import replace

from harness.policy.conditions import Conditions
from harness.seams import Policy
from harness.types import Decision, Observation


class Bounded:
    """Moves a target to the nearest allowed allocation and says so in the reason."""

    def __init__(self, policy: Policy, conditions: Conditions) -> None:
        self._policy = policy
        self._conditions = conditions

    def decide(self, observation: Observation) -> Decision:
        """The inner policy's decision, within bounds."""
        decision = self._policy.decide(observation)
        wanted = decision.target
        allowed = replace(
            wanted,
            cores=self._conditions.cores.at_least(wanted.cores),
            batch_size=min(max(wanted.batch_size, 1), self._conditions.max_batch),
            replicas=max(wanted.replicas, 1),
        )
        if allowed == wanted:
            return decision
        reason = f"{decision.reason} (bounded from {wanted.cores:g} cores, batch {wanted.batch_size})"
        return replace(decision, target=allowed, reason=reason)
