"""The control loop: every tick observe, decide, apply; off the data path, in the harness process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

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
        self._policy = policy
        self._backend = backend
        self._recorder = recorder
        self._observe = observe
        self._epoch_s = epoch_s
        self._allocation = start
        self._memory: Any = None

    def now(self) -> float:
        """Seconds on the run clock."""
        return time.monotonic() - self._epoch_s

    def record_usage(self) -> tuple[Usage, ...]:
        """Read and record the replicas' resources."""
        readings = tuple(replace(usage, t_s=usage.t_s - self._epoch_s) for usage in self._backend.usage())
        self._recorder.usage(list(readings))
        return readings

    def tick(self) -> Tick:
        """One observe, decide, apply."""
        usage = self.record_usage()
        observation = replace(self._observe(), allocation=self._allocation, usage=usage, memory=self._memory)
        began_s = time.perf_counter()
        decision = self._policy.decide(observation)
        decide_s = time.perf_counter() - began_s
        applied = self._apply(decision)
        self._memory = decision.memory
        self._recorder.decision(observation, decision, applied, decide_s)
        return Tick(observation, decision, applied)

    def _apply(self, decision: Decision) -> Applied:
        if decision.target == self._allocation:
            now_s = self.now()
            return Applied(decision.target, now_s, now_s, now_s, decision.target.cores)
        applied = self._backend.apply(decision).shifted(-self._epoch_s)
        if applied.outcome == "ok":
            self._allocation = decision.target
        else:
            self._allocation = replace(self._allocation, cores=applied.effective_cores)
        return applied


def next_tick_s(now_s: float, tick_s: float) -> float:
    """The next multiple of the interval after `now_s`; a tick that took too long skips, it does not pile up."""
    return (int(now_s / tick_s) + 1) * tick_s
