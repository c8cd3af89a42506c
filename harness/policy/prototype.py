"""What the public prototype's controllers share: what they read each tick, and the rate they are configured with.

Source: the public prototype of Sponge (arXiv:2404.00704).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.types import Observation


@dataclass(frozen=True, slots=True)
class Reading:
    """How the prototype comes to know a request. blind_s: for so long after the start it knows none. stale_s: how old
    its knowledge is, s."""

    blind_s: float = 0.0
    stale_s: float = 0.0

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        for name in ("blind_s", "stale_s"):
            if getattr(self, name) < 0:
                raise bad_value(place, name, getattr(self, name), "must be >= 0")


def remaining_ms(observation: Observation, reading: Reading = Reading()) -> int:
    """The SLO left to the last request seen when it reached the server, in whole ms.

    `observation.memory` must be what this returned at the last tick: without a newer request it stays, and before the
    first one it is 0, as in the prototype.
    """
    if observation.now_s < reading.blind_s:
        return 0
    until_s = observation.now_s - reading.stale_s
    last = next((request for request in reversed(observation.recent) if request.arrived_s <= until_s), None)
    if last is None:
        return int(observation.memory or 0)
    return int(round((last.deadline_s - last.arrived_s) * 1e3, 6))  # rounded: 914 ms is not 913.9999999


def configured_rate_rps(conditions: Conditions, otherwise_rps: float) -> float:
    """The constant rate the prototype is told beforehand: the scenario's, or the published one when it states none."""
    return conditions.rate_rps or otherwise_rps
