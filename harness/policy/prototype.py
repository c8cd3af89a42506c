"""What the public prototype's controllers share: what they read each tick, and the rate they are configured with.

Source: the public prototype of Sponge (arXiv:2404.00704).
"""

from __future__ import annotations

from harness.policy.conditions import Conditions
from harness.types import Observation


def remaining_ms(observation: Observation) -> int:
    """The SLO left to the last request seen when it reached the server, in whole ms.

    `observation.memory` must be what this returned at the last tick: without a newer request it stays, and before the
    first one it is 0, as in the prototype.
    """
    if not observation.recent:
        return int(observation.memory or 0)
    last = observation.recent[-1]
    return int(round((last.deadline_s - last.arrived_s) * 1e3, 6))  # rounded: 914 ms is not 913.9999999


def configured_rate_rps(conditions: Conditions, otherwise_rps: float) -> float:
    """The constant rate the prototype is told beforehand: the scenario's, or the published one when it states none."""
    return conditions.rate_rps or otherwise_rps
