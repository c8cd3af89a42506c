"""The engine in real time: waits, batches and answers on an asyncio loop.

Time is the loop's own (`loop.time()`), so the same code runs on a loop with virtual time, where parity tests drive it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from harness.engine import Engine
from harness.oip import Message
from harness.types import Drop, EngineEffect, Observation, Queued, StartBatch, Wait

Image = memoryview | bytes | bytearray


class ReplicaError(Exception):
    """A replica did not answer a batch; the text says why."""


class Transport(Protocol):
    """How batches reach replicas."""

    async def send(self, replica: str, images: Sequence[Image]) -> Sequence[Message]:
        """One answer per image, in order. Raises ReplicaError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a submitted request. Times are on the loop's clock; `reason` is empty when it was served."""

    queued_s: float
    started_s: float = 0.0
    finished_s: float = 0.0
    batch_id: int = -1
    batch_size: int = 0
    replica: str = ""
    cores: float = 0.0
    outputs: Message | None = None
    dropped: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    image: Image
    answer: asyncio.Future[Answer]


class Station:
    """Accepts requests, performs the engine's effects, resolves answers.

    watch: called with every answer, for metrics.
    """

    def __init__(self, engine: Engine, transport: Transport, watch: Callable[[Answer], None] | None = None) -> None:
        self.engine = engine
        self._transport = transport
        self._watch = watch
        self._waiting: dict[int, _Waiting] = {}
        self._serial = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def now(self) -> float:
        """The clock of everything this station reports."""
        return self._loop.time()

    async def submit(self, image: Image, budget_s: float) -> Answer:
        """Queue an image that must be answered within `budget_s`, and wait for what becomes of it."""
        now_s = self.now()
        self._serial += 1
        request = Queued(self._serial, now_s, now_s + budget_s)
        waiting = _Waiting(image, self._loop.create_future())
        self._waiting[request.id] = waiting
        self.perform(self.engine.arrive(now_s, request))
        return await waiting.answer

    def observe(self) -> Observation:
        """What a policy may know now."""
        return self.engine.observe(self.now())

    def perform(self, effects: Sequence[EngineEffect]) -> None:
        """Do what the engine asks."""
        for effect in effects:
            if isinstance(effect, StartBatch):
                task = self._loop.create_task(self._serve(effect))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif isinstance(effect, Drop):
                self._resolve(effect.request, Answer(effect.request.arrived_s, dropped=effect.reason))
            else:
                self._wait(effect)

    def _wait(self, wait: Wait) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(wait.until_s, self._wake, wait.until_s)

    def _wake(self, until_s: float) -> None:
        self._timer = None
        self.perform(self.engine.wake(max(self.now(), until_s)))

    async def _serve(self, batch: StartBatch) -> None:
        images = [self._waiting[r.id].image for r in batch.requests]
        answer = Answer(0.0, batch.started_s, 0.0, batch.batch_id, len(images), batch.replica, batch.cores)
        failed, outputs = "the gateway met a fault of its own", list[Message | None]()
        try:
            outputs = list(await self._transport.send(batch.replica, images))
            failed = "" if len(outputs) == len(images) else f"{len(outputs)} answers to {len(images)} images"
        except ReplicaError as error:
            failed = str(error)
        finally:  # whatever happened: every request has an answer, and the replica is free again
            finished_s = self.now()
            answer = replace(answer, finished_s=finished_s, failed=failed)
            for request, output in zip(batch.requests, [None] * len(images) if failed else outputs, strict=True):
                self._resolve(request, replace(answer, queued_s=request.arrived_s, outputs=output))
            self.perform(self.engine.finish(finished_s, batch.batch_id, ok=not failed))

    def _resolve(self, request: Queued, answer: Answer) -> None:
        waiting = self._waiting.pop(request.id)
        if self._watch is not None:
            self._watch(answer)
        if not waiting.answer.done():
            waiting.answer.set_result(answer)


def answer_parameters(answer: Answer) -> dict[str, Any]:
    """The stamps of an answer as the protocol carries them (see docs/protocol.md)."""
    stamps: dict[str, Any] = {"queued_monotonic_s": answer.queued_s}
    if answer.batch_id >= 0:
        stamps |= {
            "started_monotonic_s": answer.started_s,
            "finished_monotonic_s": answer.finished_s,
            "batch_id": answer.batch_id,
            "batch_size": answer.batch_size,
            "replica": answer.replica,
            "cores": answer.cores,
        }
    return stamps
