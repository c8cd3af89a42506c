"""What a scenario says about its twin: service times, actuators, transport, routing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.engine.routing import Routing
from harness.errors import bad_value

LOOP_DELAYS = ("observe_delay_s", "decide_delay_s")
CHANGE_DELAYS = ("resize_delay_s", "control_delay_s", "cold_start_s")
WAYS = ("inbound_s", "outbound_s")
DELAYS = (*LOOP_DELAYS, *CHANGE_DELAYS, *WAYS)


@dataclass(frozen=True, slots=True)
class TwinSpec:
    """Delays are lists of values, each drawn with equal probability, s; one value is a constant.

    service: `sampled` (fitted mean times a measured residual) or `mean` (exactly the fitted time).
    observe_delay_s: from a tick to the instant its policy sees; decide_delay_s: from there to the request for a change.
    resize_delay_s: from the request for other cores to their being in force. control_delay_s: a call to the gateway.
    cold_start_s: from the request for a replica to its first batch. inbound_s: socket to queue; outbound_s: end of
    service to client. node_cores: what all replicas together may have; 0 means no limit. failure_share: of resizes and
    starts that fail, 0..1.
    routing: `shared` (one queue, any free replica) or a queue per replica and `round-robin`, `random`, `least-loaded`.
    """

    service: Literal["sampled", "mean"] = "sampled"
    observe_delay_s: tuple[float, ...] = (0.0,)
    decide_delay_s: tuple[float, ...] = (0.0,)
    resize_delay_s: tuple[float, ...] = (0.01,)
    control_delay_s: tuple[float, ...] = (0.001,)
    cold_start_s: tuple[float, ...] = (3.0,)
    inbound_s: tuple[float, ...] = (0.0,)
    outbound_s: tuple[float, ...] = (0.0,)
    node_cores: float = 0.0
    failure_share: float = 0.0
    routing: Routing = "shared"

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        for name in DELAYS:
            values = getattr(self, name)
            if not values or min(values) < 0:
                raise bad_value(place, name, list(values), "must be at least one number >= 0")
        if self.node_cores < 0:
            raise bad_value(place, "node_cores", self.node_cores, "must be >= 0; 0 means no limit")
        if not 0 <= self.failure_share <= 1:
            raise bad_value(place, "failure_share", self.failure_share, "must be within 0..1")
