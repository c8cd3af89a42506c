"""The actuators of the twin: every change takes time, may wait for room, and can fail.

Actions come from `plan_actions`, in its order, one after the other; replicas that start together start side by side.
Outcomes are those of an in-place resize in Kubernetes: ok, deferred (no room now), infeasible (more than the node has),
and failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from harness.control import plan_actions
from harness.engine import Engine
from harness.sim.spec import TwinSpec
from harness.sim.twin import Twin
from harness.types import (
    Action,
    AddReplica,
    Allocation,
    Applied,
    Decision,
    Outcome,
    RemoveReplica,
    Resize,
    SetBatch,
    SetThreads,
    threads_for,
)

DRAIN_POLL_S = 0.02
Done = Callable[[Applied, float], None]  # and when the control loop is free again


class Place(Protocol):
    """Where actions take effect, at the time they are told."""

    def call_at(self, t_s: float, act: Callable[[float], None]) -> None:
        """Call `act(t_s)` at that time."""

    def perform(self, now_s: float, action: Action) -> None:
        """Let the action take effect."""

    def replicas(self) -> dict[str, float]:
        """Cores of every replica that exists."""

    def batch_size(self) -> int:
        """The batch bound in force."""

    def is_gone(self, name: str) -> bool:
        """Whether a drained replica has given back what it held; then it is removed."""


class TwinPlace:
    """The twin and its engine."""

    def __init__(self, twin: Twin, engine: Engine) -> None:
        self._twin = twin
        self._engine = engine

    def call_at(self, t_s: float, act: Callable[[float], None]) -> None:
        """Call `act(t_s)` at that time."""
        self._twin.call_at(t_s, act)

    def perform(self, now_s: float, action: Action) -> None:
        """Let the action take effect."""
        match action:
            case Resize(name, cores):
                self._twin.resize(now_s, name, cores)
            case SetThreads(name, threads):
                self._twin.set_threads(now_s, name, threads)
            case SetBatch(batch_size):
                self.set_batch_size(now_s, batch_size)
            case AddReplica(name, cores):
                self._twin.join(now_s, name, cores, threads_for(cores))
            case RemoveReplica(name):
                self._twin.perform(now_s, self._engine.core.leave(now_s, name))

    def set_batch_size(self, now_s: float, batch_size: int) -> None:
        """Change the batch bound."""
        self._engine.settings = replace(self._engine.settings, batch_size=batch_size)
        self._twin.perform(now_s, self._engine.core.configure(now_s, self._engine.settings))

    def replicas(self) -> dict[str, float]:
        """Cores of every replica that exists."""
        return {name: machine.cores for name, machine in self._twin.machines.items()}

    def batch_size(self) -> int:
        """The batch bound in force."""
        return self._engine.settings.batch_size

    def is_gone(self, name: str) -> bool:
        """Whether a drained replica has given back what it held; then it is removed."""
        if name in self._engine.core.places:
            return False
        del self._twin.machines[name]
        return True


@dataclass(frozen=True, slots=True)
class Delays:
    """Draws delays and failures of a spec. One generator, used in the order of events."""

    spec: TwinSpec
    generator: np.random.Generator

    def observe_s(self) -> float:
        """From a tick to what its policy sees, s."""
        return self._draw(self.spec.observe_delay_s)

    def decide_s(self) -> float:
        """From what a policy saw to the request for a change, s."""
        return self._draw(self.spec.decide_delay_s)

    def of(self, action: Action) -> float:
        """From the request for an action to its effect, s."""
        match action:
            case Resize():
                return self._draw(self.spec.resize_delay_s)
            case AddReplica():
                return self._draw(self.spec.cold_start_s)
            case _:
                return self._draw(self.spec.control_delay_s)

    def fails(self, action: Action) -> bool:
        """Whether this action comes to nothing."""
        if self.spec.failure_share == 0 or not isinstance(action, Resize | AddReplica):
            return False
        return bool(self.generator.random() < self.spec.failure_share)

    def _draw(self, values: Sequence[float]) -> float:
        return values[0] if len(values) == 1 else values[int(self.generator.integers(len(values)))]


class Actuators:
    """Applies one decision at a time; the control loop waits for it, as in real time."""

    def __init__(self, place: Place, delays: Delays) -> None:
        self._place = place
        self._delays = delays

    def apply(self, now_s: float, decision: Decision, done: Done) -> None:
        """Begin to move to the target; `done` is called when it is in force, or will not be."""
        change = _Change(self._place, self._delays, now_s, decision.target, done)
        outcome, detail = self._room(decision.target)
        if outcome == "ok":
            current = self._in_force(decision.target)
            change.begin(plan_actions(current, decision.target, tuple(self._place.replicas())))
        else:
            change.end(now_s, outcome, detail)

    def _in_force(self, target: Allocation) -> Allocation:
        """What is really there, also after a change that failed half way."""
        cores = _off(list(self._place.replicas().values()), target.cores)
        return replace(target, cores=cores, batch_size=self._place.batch_size())

    def _room(self, target: Allocation) -> tuple[Outcome, str]:
        """Whether the node can hold the target, and the old allocation until then."""
        node_cores = self._delays.spec.node_cores
        if node_cores == 0:
            return "ok", ""
        if target.granted_cores > node_cores + 1e-9:
            return "infeasible", f"{target.granted_cores:g} cores; the node has {node_cores:g}"
        cores = self._place.replicas()
        kept = list(cores)[: target.replicas]
        both = sum(max(cores[name], target.cores) for name in kept) + sum(cores[n] for n in cores if n not in kept)
        both += max(0, target.replicas - len(kept)) * target.cores
        if both > node_cores + 1e-9:
            return "deferred", f"old and new together need {both:g} cores; the node has {node_cores:g}"
        return "ok", ""


class _Change:
    """One decision on its way."""

    def __init__(self, place: Place, delays: Delays, requested_s: float, target: Allocation, done: Done) -> None:
        self._place = place
        self._delays = delays
        self._requested_s = requested_s
        self._target = target
        self._done = done
        self._cores_s: float | None = None  # when cores or replicas last came into force
        self._left: list[tuple[Action, ...]] = []
        self._ended = False

    def begin(self, actions: Sequence[Action]) -> None:
        """Take the actions one after the other, starts of replicas together."""
        self._left = _groups(actions)
        self._next(self._requested_s)

    def end(self, now_s: float, outcome: Outcome = "ok", detail: str = "") -> None:
        """Report what is in force."""
        if self._ended:
            return
        self._ended = True
        replicas, batch_size = list(self._place.replicas().values()), self._place.batch_size()
        off = _off(replicas, self._target.cores)
        at_s = now_s if self._cores_s is None else self._cores_s
        applied = Applied(self._target, self._requested_s, at_s, at_s, off, outcome, detail, len(replicas), batch_size)
        self._done(applied, now_s)

    def _next(self, now_s: float) -> None:
        if not self._left:
            self.end(now_s)
            return
        group = self._left.pop(0)
        waiting = [len(group)]

        def one_done(at_s: float) -> None:
            waiting[0] -= 1
            if waiting[0] == 0:
                self._next(at_s)

        for action in group:
            self._start(now_s, action, one_done)

    def _start(self, now_s: float, action: Action, one_done: Callable[[float], None]) -> None:
        def effect(at_s: float) -> None:
            if self._delays.fails(action):
                self._left.clear()
                self.end(at_s, "failed", f"{action} failed")
                return
            self._place.perform(at_s, action)
            if isinstance(action, Resize | AddReplica):
                self._cores_s = at_s
            if isinstance(action, RemoveReplica):
                self._await_gone(at_s, action.replica, one_done)
            else:
                one_done(at_s)

        self._place.call_at(now_s + self._delays.of(action), effect)

    def _await_gone(self, now_s: float, name: str, one_done: Callable[[float], None]) -> None:
        if self._place.is_gone(name):
            self._cores_s = now_s
            one_done(now_s)
        else:
            self._place.call_at(now_s + DRAIN_POLL_S, lambda at_s: self._await_gone(at_s, name, one_done))


def _off(cores: Sequence[float], wanted: float) -> float:
    """Cores per replica in force; of several that differ, the ones that are not as wanted."""
    return next((c for c in cores if c != wanted), cores[0] if cores else 0.0)


def _groups(actions: Sequence[Action]) -> list[tuple[Action, ...]]:
    """Neighbouring starts of replicas as one group, everything else alone."""
    groups: list[tuple[Action, ...]] = []
    for action in actions:
        if isinstance(action, AddReplica) and groups and isinstance(groups[-1][0], AddReplica):
            groups[-1] = (*groups[-1], action)
        else:
            groups.append((action,))
    return groups
