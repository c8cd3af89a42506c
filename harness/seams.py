"""The protocols between the parts: the only places where one implementation can stand in for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.types import Allocation, Applied, Decision, Observation, Service, Usage


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds on this clock."""

    def sleep_until(self, t_s: float) -> None:
        """Return at or after `t_s`; at once when it has passed."""


class Policy(Protocol):
    """Decides. Pure: the same observation gives the same decision; what it must remember it returns as `memory`."""

    def decide(self, observation: Observation) -> Decision:
        """The allocation wanted from now on."""


class Backend(Protocol):
    """Runs a service and moves its allocation. Every `_s` it returns is CLOCK_MONOTONIC of this host."""

    @property
    def name(self) -> str:
        """`docker`, `process`, ... as recorded in the manifest."""

    @property
    def url(self) -> str:
        """Base URL of the gateway, once started."""

    def start(self, service: Service, allocation: Allocation) -> None:
        """Start gateway and replicas and return when they answer. Raises BenchError with the reason."""

    def apply(self, decision: Decision) -> Applied:
        """Move to the decision's target, in the order that keeps serving, and read the result back."""

    def usage(self) -> Sequence[Usage]:
        """One reading per replica that exists, after a first and a last row, at 0 cores, of any that came or went."""

    def facts(self) -> dict[str, str]:
        """What the manifest should say about how this backend ran: image digest, CPU limiter, engine version."""

    def stop(self) -> None:
        """Remove everything that was started. Safe to call twice, and after a failed start."""
