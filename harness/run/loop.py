"""The control loop: every tick observe, decide, apply; off the data path, in the harness process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.control import Steering, kept
from harness.record import Recorder
from harness.seams import Backend, Policy
from harness.types import Allocation, Applied, Decision, Observation, Usage

Observe = Callable[[], Observation]  # on the run clock


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did."""

    observation: Observation
    decision: Decision
    applied: Applied


class ControlLoop:
    """Remembers the allocation in force and what the policy asked to remember; everything else it is given.

    epoch_s: the run clock's zero on CLOCK_MONOTONIC.
    """

    def __init__(
        self, policy: Policy, backend: Backend, recorder: Recorder, observe: Observe, epoch_s: float, start: Allocation
    ) -> None:
        self._steering = Steering(policy, start)
        self._backend = backend
        self._recorder = recorder
        self._observe = observe
        self._epoch_s = epoch_s

    def now(self) -> float:
        """Seconds on the run clock."""
        return time.monotonic() - self._epoch_s

    def record_usage(self) -> tuple[Usage, ...]:
        """Read and record the replicas' resources; returned are readings alone, without first and last rows."""
        readings = tuple(replace(usage, t_s=usage.t_s - self._epoch_s) for usage in self._backend.usage())
        self._recorder.usage(list(readings))
        return tuple(usage for usage in readings if usage.granted_cores > 0)

    def tick(self) -> Tick:
        """One observe, decide, apply."""
        usage = self.record_usage()
        observation = self._steering.seen(self._observe(), usage)
        began_s = time.perf_counter()
        decision = self._steering.decide(observation)
        decide_s = time.perf_counter() - began_s
        applied = self._apply(decision)
        self._recorder.decision(observation, decision, applied, decide_s)
        return Tick(observation, decision, applied)

    def _apply(self, decision: Decision) -> Applied:
        if self._steering.keeps(decision):
            return kept(decision, self.now())
        applied = self._backend.apply(decision).shifted(-self._epoch_s)
        self._steering.settle(applied)
        return applied
