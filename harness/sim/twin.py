"""The event loop of the twin: a total order of events (time, kind, serial), and nothing that reads a clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.engine import Engine
from harness.seams import Policy
from harness.types import (
    Allocation,
    Applied,
    Decision,
    Drop,
    EngineEffect,
    EventKind,
    Observation,
    Queued,
    StartBatch,
    threads_for,
)

ServiceTime = Callable[[int, float], float]  # (batch size, cores) -> seconds, one draw
REPLICA = "replica-0"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A planned request as the twin takes it: id, when it reaches the server, and when it must be answered."""

    id: int
    due_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a request. `reason` is empty when it was served."""

    id: int
    queued_s: float
    started_s: float
    finished_s: float
    batch_id: int
    batch_size: int
    cores: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """One tick of the control loop."""

    observation: Observation
    decision: Decision
    applied: Applied


@dataclass(slots=True)
class _Running:
    batch: StartBatch
    finish_s: float
    cores: float
    version: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """tick_s: control interval. resize_delay_s: from a decision to the new cores being in force. until_s: no ticks
    from here on; the run ends when all requests have ended."""

    tick_s: float
    resize_delay_s: float
    until_s: float


@dataclass(slots=True)
class Log:
    """What happened, in the order in which it happened."""

    ended: list[Ended] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)


class Twin:
    """One replica behind one engine, under one policy."""

    def __init__(self, engine: Engine, policy: Policy, service_s: ServiceTime, predict_s: ServiceTime) -> None:
        self._engine = engine
        self._policy = policy
        self._service_s = service_s
        self._predict_s = predict_s
        self._events: list[tuple[float, int, int, Callable[[float], None]]] = []
        self._serial = itertools.count()
        self._running: dict[int, _Running] = {}
        self._log = Log()
        self._memory: Any = None

    def run(self, arrivals: Sequence[Arrival], start: Allocation, timing: Timing) -> Log:
        """Replay `arrivals` (ascending by due_s) to the end."""
        self._allocation = start
        self._timing = timing
        settings = replace(self._engine.settings, batch_size=start.batch_size)
        self._perform(self._engine.configure(0.0, settings))
        self._perform(self._engine.set_replica(0.0, REPLICA, start.cores))
        self._at(timing.tick_s, EventKind.TICK, self._tick)
        coming = iter(arrivals)
        self._next_arrival(coming)
        while self._events:
            now_s, _, _, act = heapq.heappop(self._events)
            act(now_s)
        return self._log

    def _at(self, t_s: float, kind: EventKind, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (t_s, kind, next(self._serial), act))

    def _next_arrival(self, coming: Iterator[Arrival]) -> None:
        arrival = next(coming, None)
        if arrival is None:
            return

        def arrive(now_s: float) -> None:
            self._perform(self._engine.arrive(now_s, Queued(arrival.id, arrival.due_s, arrival.deadline_s)))
            self._next_arrival(coming)

        self._at(arrival.due_s, EventKind.ARRIVE, arrive)

    def _perform(self, effects: Sequence[EngineEffect]) -> None:
        for effect in effects:
            if isinstance(effect, StartBatch):
                self._start(effect)
            elif isinstance(effect, Drop):
                request = effect.request
                self._log.ended.append(Ended(request.id, request.arrived_s, 0.0, 0.0, -1, 0, 0.0, effect.reason))
            else:
                self._at(effect.until_s, EventKind.TICK, lambda now_s: self._perform(self._engine.wake(now_s)))

    def _start(self, batch: StartBatch) -> None:
        finish_s = batch.started_s + self._service_s(len(batch.requests), batch.cores)
        running = _Running(batch, finish_s, batch.cores)
        self._running[batch.batch_id] = running
        self._schedule_finish(running)

    def _schedule_finish(self, running: _Running) -> None:
        version = running.version

        def finish(now_s: float) -> None:
            if running.version == version:
                self._finish(now_s, running)

        self._at(running.finish_s, EventKind.FINISH, finish)

    def _finish(self, now_s: float, running: _Running) -> None:
        batch = running.batch
        del self._running[batch.batch_id]
        self._log.ended.extend(
            Ended(r.id, r.arrived_s, batch.started_s, now_s, batch.batch_id, len(batch.requests), batch.cores)
            for r in batch.requests
        )
        self._perform(self._engine.finish(now_s, batch.batch_id))

    def _tick(self, now_s: float) -> None:
        observed = self._engine.observe(now_s)
        observation = replace(observed, allocation=self._allocation, memory=self._memory)
        decision = self._policy.decide(observation)
        self._memory = decision.memory
        effective_s = now_s
        if decision.target != self._allocation:
            effective_s = now_s + self._timing.resize_delay_s
            self._at(effective_s, EventKind.FINISH, lambda at_s: self._resize(at_s, decision.target))
            self._allocation = decision.target
        applied = Applied(decision.target, now_s, effective_s, effective_s, decision.target.cores)
        self._log.decided.append(Decided(observation, decision, applied))
        if now_s + self._timing.tick_s < self._timing.until_s:
            self._at(now_s + self._timing.tick_s, EventKind.TICK, self._tick)

    def _resize(self, now_s: float, target: Allocation) -> None:
        """The new cores are in force: what runs goes on at the new speed, what waits sees the new bounds."""
        for running in self._running.values():
            self._change_speed(now_s, running, target.cores)
        settings = replace(self._engine.settings, batch_size=target.batch_size)
        self._perform(self._engine.configure(now_s, settings))
        self._perform(self._engine.set_replica(now_s, REPLICA, target.cores, threads_for(target.cores)))

    def _change_speed(self, now_s: float, running: _Running, cores: float) -> None:
        size = len(running.batch.requests)
        ratio = self._predict_s(size, cores) / self._predict_s(size, running.cores)
        running.finish_s = now_s + (running.finish_s - now_s) * ratio
        running.cores = cores
        running.version += 1
        self._schedule_finish(running)
