"""A small virtual-time driver of an engine: the shell at its simplest, for properties."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.engine import Engine
from harness.types import Drop, EngineEffect, EventKind, StartBatch, Wait

Act = Callable[[Engine, float], Iterable[EngineEffect] | None]
Watch = Callable[[Engine, float, list[EngineEffect]], None]


@dataclass
class Replay:
    """Drives an engine through (time, kind, act) events until nothing is left to happen.

    service_s: how long a batch takes; ok: whether its replica answers; watch: called after every event.
    Like the gateway it keeps one timer, the newest `Wait`.
    """

    engine: Engine
    service_s: Callable[[StartBatch], float]
    ok: Callable[[StartBatch], bool] = lambda _: True
    watch: Watch = lambda *_: None
    starts: list[StartBatch] = field(default_factory=list)
    drops: list[tuple[float, Drop]] = field(default_factory=list)
    finished_s: dict[int, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, int, Act]] = field(default_factory=list)
    _serial: int = 0
    _timer: int = 0

    def run(self, events: Iterable[tuple[float, EventKind, Act]]) -> "Replay":
        for t_s, kind, act in events:
            self._at(t_s, kind, act)
        while self._heap:
            now_s, _, _, act = heapq.heappop(self._heap)
            effects = list(act(self.engine, now_s) or ())
            for effect in effects:
                self._perform(effect, now_s)
            self.watch(self.engine, now_s, effects)
        return self

    def _at(self, t_s: float, kind: EventKind, act: Act) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (t_s, kind, self._serial, act))

    def _perform(self, effect: Any, now_s: float) -> None:
        if isinstance(effect, StartBatch):
            self.starts.append(effect)
            self.finished_s[effect.batch_id] = now_s + self.service_s(effect)
            self._at(
                self.finished_s[effect.batch_id],
                EventKind.FINISH,
                lambda engine, t_s: engine.finish(t_s, effect.batch_id, ok=self.ok(effect)),
            )
        elif isinstance(effect, Drop):
            self.drops.append((now_s, effect))
        else:
            self._wait(effect)

    def _wait(self, wait: Wait) -> None:
        self._timer += 1
        mine = self._timer
        self._at(wait.until_s, EventKind.TICK, lambda engine, t_s: engine.wake(t_s) if mine == self._timer else None)


@pytest.fixture(scope="session")
def replay():
    """The driver's class."""
    return Replay
