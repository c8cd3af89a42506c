"""The engine: which requests leave the line, when, together, and for which replica.

The shell (gateway or twin) reports what happened (`arrive`, `finish`, `wake`) and performs the returned effects.
Events of one instant must come in the order of `EventKind`: finish, arrive, tick. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.engine.queue import WaitingLine
from harness.engine.window import Window
from harness.types import (
    Allocation,
    Counts,
    Drop,
    EngineEffect,
    EngineSettings,
    InFlight,
    Observation,
    Queued,
    ReplicaState,
    ServiceSample,
    StartBatch,
    Wait,
    threads_for,
)

Predict = Callable[[int, float], float]  # (batch size, cores) -> seconds


@dataclass(slots=True)
class _Batch:
    flight: InFlight
    requests: tuple[Queued, ...]
    cores: float


class Engine:
    """Queue, batching, dispatch and shedding for one stage.

    predict_s: expected service time of a batch; used to close by slack.
    fastest_s: an optimistic service time; a request is hopeless only when even this is too slow.
    """

    def __init__(self, settings: EngineSettings, predict_s: Predict, fastest_s: Predict, window_s: float = 5.0) -> None:
        self.settings = settings
        self._predict_s = predict_s
        self._fastest_s = fastest_s
        self._line = WaitingLine(settings.order)
        self._window = Window(window_s)
        self._replicas: dict[str, ReplicaState] = {}
        self._batches: dict[int, _Batch] = {}
        self._next_batch_id = 0

    # What happened

    def arrive(self, now_s: float, request: Queued) -> list[EngineEffect]:
        """A request has arrived."""
        self._window.arrived(request)
        self._line.push(request)
        return self._dispatch(now_s)

    def finish(self, now_s: float, batch_id: int, *, ok: bool = True) -> list[EngineEffect]:
        """A batch has come back from its replica, answered or (`ok=False`) failed."""
        batch = self._batches.pop(batch_id)
        self._release(batch.flight.replica)
        if ok:
            late = sum(now_s > request.deadline_s for request in batch.requests)
            sample = ServiceSample(batch.flight.size, batch.cores, now_s - batch.flight.started_s)
            self._window.finished(now_s, sample, late=late)
        else:
            self._window.failed(batch.flight.size)
        return self._dispatch(now_s)

    def wake(self, now_s: float) -> list[EngineEffect]:
        """The time of an earlier `Wait` has come."""
        return self._dispatch(now_s)

    def configure(self, now_s: float, settings: EngineSettings) -> list[EngineEffect]:
        """Change batch size, order, closing or drop rule; what is queued stays queued."""
        self.settings = settings
        self._line.reorder(settings.order)
        return self._dispatch(now_s)

    def set_replica(self, now_s: float, name: str, cores: float, threads: int | None = None) -> list[EngineEffect]:
        """A replica has joined, or its cores are now these."""
        known = self._replicas.get(name) or ReplicaState(name, cores, threads_for(cores))
        self._replicas[name] = replace(known, cores=cores, threads=threads or threads_for(cores))
        return self._dispatch(now_s)

    def drain_replica(self, name: str) -> bool:
        """Give this replica no more work. True when it holds none and is forgotten already."""
        state = replace(self._replicas[name], phase="draining")
        self._replicas[name] = state
        if state.batches_in_flight == 0:
            del self._replicas[name]
        return name not in self._replicas

    # What can be seen

    def queue_length(self) -> int:
        """Requests that wait."""
        return len(self._line)

    def counts(self) -> Counts:
        """Requests by outcome since the start."""
        return self._window.counts()

    def replicas(self) -> tuple[ReplicaState, ...]:
        """All replicas, draining ones included."""
        return tuple(self._replicas.values())

    def observe(self, now_s: float) -> Observation:
        """All a policy may know now. Changes nothing."""
        serving = [r for r in self._replicas.values() if r.phase == "ready"]
        cores = max((r.cores for r in serving), default=0.0)
        return Observation(
            now_s=now_s,
            window_s=self._window.window_s,
            allocation=Allocation(cores, self.settings.batch_size, len(serving)),
            recent=self._window.recent(now_s),
            arrivals_per_s=self._window.arrivals_per_s(now_s),
            queue=tuple(self._line),
            in_flight=tuple(batch.flight for batch in self._batches.values()),
            replicas=self.replicas(),
            service=self._window.services(now_s),
            counts=self.counts(),
        )

    # Decisions

    def _dispatch(self, now_s: float) -> list[EngineEffect]:
        effects: list[EngineEffect] = []
        while self._line:
            replica = self._free_replica()
            if replica is None:
                break
            effects += self._shed(now_s, replica.cores)
            if not self._line:
                break
            leave_s = self._leave_s(now_s, replica.cores)
            if leave_s > now_s:
                effects.append(Wait(leave_s))
                break
            effects += self._start(now_s, replica)
        return effects

    def _shed(self, now_s: float, cores: float) -> list[EngineEffect]:
        """Drop from the head of the line whatever the drop rule gives up on."""
        effects: list[EngineEffect] = []
        while self._line and (reason := self._drop_reason(now_s, self._line.head(), cores)):
            self._window.dropped()
            effects.append(Drop(self._line.pop(), reason))
        return effects

    def _drop_reason(self, now_s: float, request: Queued, cores: float) -> str:
        if self.settings.drop == "never":
            return ""
        if now_s > request.deadline_s:
            return "expired"
        if self.settings.drop == "hopeless" and now_s + self._fastest_s(1, cores) > request.deadline_s:
            return "hopeless"
        return ""

    def _leave_s(self, now_s: float, cores: float) -> float:
        """When the batch that could be formed now has to leave; `now_s` or earlier means at once."""
        settings = self.settings
        if settings.close == "idle" or len(self._line) >= settings.batch_size:
            return now_s
        if settings.close == "timeout":
            return self._line.oldest_arrival_s() + settings.timeout_s
        return self._line.head().deadline_s - self._predict_s(settings.batch_size, cores)

    def _start(self, now_s: float, replica: ReplicaState) -> list[EngineEffect]:
        effects: list[EngineEffect] = []
        chosen: list[Queued] = []
        while self._line and len(chosen) < self.settings.batch_size:
            effects += self._shed(now_s, replica.cores)
            if self._line:
                chosen.append(self._line.pop())
        batch_id, self._next_batch_id = self._next_batch_id, self._next_batch_id + 1
        flight = InFlight(batch_id, replica.name, len(chosen), now_s, _earliest(chosen))
        self._batches[batch_id] = _Batch(flight, tuple(chosen), replica.cores)
        self._replicas[replica.name] = replace(replica, batches_in_flight=replica.batches_in_flight + 1)
        return [*effects, StartBatch(batch_id, replica.name, tuple(chosen), now_s, replica.cores)]

    def _free_replica(self) -> ReplicaState | None:
        """The ready replica with the fewest batches, the first of equals; None when all are full."""
        limit = self.settings.batches_in_flight
        free = [r for r in self._replicas.values() if r.phase == "ready" and r.batches_in_flight < limit]
        return min(free, key=lambda r: r.batches_in_flight, default=None)

    def _release(self, name: str) -> None:
        state = self._replicas[name]
        state = replace(state, batches_in_flight=state.batches_in_flight - 1)
        self._replicas[name] = state
        if state.phase == "draining" and state.batches_in_flight == 0:
            del self._replicas[name]


def _earliest(requests: Sequence[Queued]) -> float:
    return min(request.deadline_s for request in requests)
