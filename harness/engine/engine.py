"""The engine: which requests leave the line, when, together, and for which replica.

The shell (gateway or twin) reports what happened (`arrive`, `finish`, `wake`) and performs the returned effects.
Events of one instant must come in the order of `EventKind`: finish, arrive, tick. Nothing here reads a clock.
The rules themselves are in `harness.engine.core`; here they speak in values.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.engine.core import Act, Batch, Core, Place, Predict, Shed, Ticket, Wake
from harness.engine.requests import Requests
from harness.types import (
    Allocation,
    Counts,
    Drop,
    EngineEffect,
    EngineSettings,
    InFlight,
    Observation,
    Queued,
    ReplicaPhase,
    ReplicaState,
    StartBatch,
    Wait,
    threads_for,
)


class Engine:
    """Queue, batching, dispatch and shedding for one stage.

    predict_s: expected service time of a batch; used to close by slack.
    fastest_s: an optimistic service time; a request is hopeless only when even this is too slow.
    core: the rules, for a shell that has no time for values.
    """

    def __init__(self, settings: EngineSettings, predict_s: Predict, fastest_s: Predict, window_s: float = 5.0) -> None:
        self.settings = settings
        self.core = Core(settings, predict_s, fastest_s, window_s)

    # What happened

    def arrive(self, now_s: float, request: Queued) -> list[EngineEffect]:
        """A request has arrived."""
        return _effects(self.core.arrive(now_s, Ticket(request.id, request.arrived_s, request.deadline_s)))

    def finish(self, now_s: float, batch_id: int, *, ok: bool = True) -> list[EngineEffect]:
        """A batch has come back from its replica, answered or (`ok=False`) failed."""
        acts = self.core.finish(now_s, batch_id) if ok else self.core.fail(now_s, batch_id)
        return _effects(acts)

    def wake(self, now_s: float) -> list[EngineEffect]:
        """The time of an earlier `Wait` has come."""
        return _effects(self.core.dispatch(now_s))

    def configure(self, now_s: float, settings: EngineSettings) -> list[EngineEffect]:
        """Change batch size, order, closing or drop rule; what is queued stays queued."""
        self.settings = settings
        return _effects(self.core.configure(now_s, settings))

    def set_replica(self, now_s: float, name: str, cores: float, threads: int | None = None) -> list[EngineEffect]:
        """A replica has joined, or its cores are now these."""
        return _effects(self.core.set_replica(now_s, name, cores, threads or threads_for(cores)))

    def drain_replica(self, name: str) -> bool:
        """Give this replica no more work. True when it holds none and is forgotten already."""
        return self.core.drain_replica(name)

    # What can be seen

    def queue_length(self) -> int:
        """Requests that wait."""
        return self.core.waiting_many()

    def counts(self) -> Counts:
        """Requests by outcome since the start."""
        return self.core.window.counts()

    def replicas(self) -> tuple[ReplicaState, ...]:
        """All replicas, draining ones included."""
        return tuple(_state(place) for place in self.core.places.values())

    def observe(self, now_s: float) -> Observation:
        """All a policy may know now. Changes nothing."""
        core = self.core
        serving = [place for place in core.places.values() if not place.draining]
        cores = max((place.cores for place in serving), default=0.0)
        return Observation(
            now_s=now_s,
            window_s=core.window.window_s,
            allocation=Allocation(cores, self.settings.batch_size, len(serving)),
            recent=core.window.recent(now_s),
            arrivals_per_s=core.window.arrivals_per_s(now_s),
            queue=_requests(core.waiting()),
            in_flight=tuple(_flight(batch) for batch in core.batches.values()),
            replicas=self.replicas(),
            service=core.window.services(now_s),
            counts=self.counts(),
        )


def _effects(acts: Iterable[Act]) -> list[EngineEffect]:
    return [_effect(act) for act in acts]


def _effect(act: Act) -> EngineEffect:
    if isinstance(act, Batch):
        requests = tuple(_queued(ticket) for ticket in act.tickets)
        return StartBatch(act.id, act.place.name, requests, act.started_s, act.cores)
    if isinstance(act, Shed):
        return Drop(_queued(act.ticket), act.reason)
    assert isinstance(act, Wake)
    return Wait(act.until_s)


def _queued(ticket: Ticket) -> Queued:
    return Queued(ticket.id, ticket.arrived_s, ticket.deadline_s)


def _requests(tickets: list[Ticket]) -> Requests:
    return Requests([t.id for t in tickets], [t.arrived_s for t in tickets], [t.deadline_s for t in tickets])


def _flight(batch: Batch) -> InFlight:
    earliest_s = min(ticket.deadline_s for ticket in batch.tickets)
    return InFlight(batch.id, batch.place.name, len(batch.tickets), batch.started_s, earliest_s)


def _state(place: Place) -> ReplicaState:
    phase: ReplicaPhase = "draining" if place.draining else "ready"
    return ReplicaState(place.name, place.cores, place.threads, phase, place.batches)
