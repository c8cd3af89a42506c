"""`static-*`: one replica, fixed cores (a count or a share of the largest), a fixed batch bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError, bad_value
from harness.policy.conditions import Conditions, CoreGrid
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Allocation, Decision, Observation


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """cores: as they are, on the scenario's grid; or cores_share: of the scenario's largest core count, in (0, 1].

    batching: up to the scenario's batch bound; without, every request is a batch of its own.
    """

    cores: float | None = None
    cores_share: float | None = None
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
    cores = _cores(chosen, conditions.cores, place)
    return StaticPolicy(Allocation(cores, conditions.max_batch if chosen.batching else 1))


def _cores(chosen: StaticSettings, grid: CoreGrid, place: str) -> float:
    if (chosen.cores is None) == (chosen.cores_share is None):
        given = "both are" if chosen.cores is not None else "neither is"
        raise UsageError(f"{place}: {given} given; must give either cores or cores_share")
    if chosen.cores is not None:
        if not any(math.isclose(chosen.cores, value) for value in grid.values()):
            raise bad_value(place, "cores", chosen.cores, f"must be on the scenario's grid of cores, {grid.describe()}")
        return chosen.cores
    share = chosen.cores_share or 0.0
    if not 0 < share <= 1:
        raise bad_value(place, "cores_share", share, "must be in (0, 1]")
    return grid.at_least(grid.max_cores * share)
