"""`static-*`: one replica, a fixed share of the largest core count, a fixed batch bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Allocation, Decision, Observation


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """cores_share: of the scenario's largest core count, in (0, 1]. batching: up to the scenario's batch bound."""

    cores_share: float
    batching: bool = True


class StaticPolicy:
    """Always the same target."""

    def __init__(self, target: Allocation) -> None:
        self._target = target

    def decide(self, observation: Observation) -> Decision:  # noqa: ARG002 (it looks at nothing, by design)
        """The fixed allocation."""
        return Decision(self._target, "static")


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(StaticSettings, settings, place)
    if not 0 < chosen.cores_share <= 1:
        raise bad_value(place, "cores_share", chosen.cores_share, "must be in (0, 1]")
    cores = conditions.cores.at_least(conditions.cores.max_cores * chosen.cores_share)
    return StaticPolicy(Allocation(cores, conditions.max_batch if chosen.batching else 1))
