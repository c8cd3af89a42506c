"""The rules of the data path, on plain numbers: which requests leave the line, when, together, for which replica.

`Engine` shows these rules in values (`Queued`, `StartBatch`, ...); the twin uses them directly. Both run this file,
so there is one set of rules. It avoids what costs time at a million events per second, and compiles with Cython.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.engine.queue import WaitingLine
from harness.engine.window import Window
from harness.types import EngineSettings

Predict = Callable[[int, float], float]  # (batch size, cores) -> seconds; the same answer for the same question
UNKNOWN_S: Final = -1.0


class Ticket:
    """A request in the line."""

    def __init__(self, id_: int, arrived_s: float, deadline_s: float) -> None:
        self.id = id_
        self.arrived_s = arrived_s
        self.deadline_s = deadline_s


class Place:
    """A replica. soonest_s: an optimistic service time of one request on its cores, once somebody asked."""

    def __init__(self, name: str, cores: float, threads: int) -> None:
        self.name = name
        self.cores = cores
        self.threads = threads
        self.draining = False
        self.batches = 0
        self.soonest_s: float = UNKNOWN_S


class Act:
    """What the rules want done: a batch started, a request shed, or a wake-up."""


class Batch(Act):
    """These requests leave together for this replica. cores: what it had then."""

    def __init__(self, id_: int, place: Place, tickets: list[Ticket], started_s: float) -> None:
        self.id = id_
        self.place = place
        self.tickets = tickets
        self.started_s = started_s
        self.cores = place.cores


class Shed(Act):
    """This request is refused."""

    def __init__(self, ticket: Ticket, reason: str) -> None:
        self.ticket = ticket
        self.reason = reason


class Wake(Act):
    """Come back at this time."""

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s


class Core:
    """One line, its batches in flight, its replicas. Events of an instant come in the order of `EventKind`."""

    def __init__(self, settings: EngineSettings, predict_s: Predict, fastest_s: Predict, window_s: float) -> None:
        self.line = WaitingLine(settings.order)
        self.window = Window(window_s)
        self.places: dict[str, Place] = {}
        self.batches: dict[int, Batch] = {}
        self._predict_s = predict_s
        self._fastest_s = fastest_s
        self._next_batch_id = 0
        self._take_settings(settings)

    def _take_settings(self, settings: EngineSettings) -> None:
        self.batch_size = settings.batch_size
        self.timeout_s = settings.timeout_s
        self.batches_in_flight = settings.batches_in_flight
        self.close_idle = settings.close == "idle"
        self.close_timeout = settings.close == "timeout"
        self.drops = settings.drop != "never"
        self.drops_hopeless = settings.drop == "hopeless"

    # What happened

    def arrive(self, now_s: float, ticket: Ticket) -> list[Act]:
        """A request has arrived."""
        self.window.note_arrival(ticket.id, ticket.arrived_s, ticket.deadline_s)
        self.line.push(ticket, ticket.deadline_s)
        return self.dispatch(now_s)

    def finish(self, now_s: float, batch_id: int) -> list[Act]:
        """A batch has come back from its replica, answered."""
        batch: Batch = self.batches.pop(batch_id)
        self._release(batch.place)
        late = 0
        for ticket in batch.tickets:
            if now_s > ticket.deadline_s:
                late += 1
        self.window.note_service(now_s, len(batch.tickets), batch.cores, now_s - batch.started_s, late)
        return self.dispatch(now_s)

    def fail(self, now_s: float, batch_id: int) -> list[Act]:
        """A batch has come back from its replica, failed."""
        batch: Batch = self.batches.pop(batch_id)
        self._release(batch.place)
        self.window.failed(len(batch.tickets))
        return self.dispatch(now_s)

    def configure(self, now_s: float, settings: EngineSettings) -> list[Act]:
        """Change batch size, order, closing or drop rule; what is queued stays queued."""
        self._take_settings(settings)
        self.line.reorder(settings.order)
        return self.dispatch(now_s)

    def set_replica(self, now_s: float, name: str, cores: float, threads: int) -> list[Act]:
        """A replica has joined, or its cores are now these."""
        place = self.places.get(name)
        if place is None:
            place = Place(name, cores, threads)
            self.places[name] = place
        place.cores = cores
        place.threads = threads
        place.soonest_s = UNKNOWN_S
        return self.dispatch(now_s)

    def drain_replica(self, name: str) -> bool:
        """Give this replica no more work. True when it holds none and is forgotten already."""
        place = self.places[name]
        place.draining = True
        if place.batches == 0:
            del self.places[name]
            return True
        return False

    def leave(self, now_s: float, name: str) -> list[Act]:  # noqa: ARG002 (for those who move what waited there)
        """The same as an event: what it makes possible elsewhere."""
        self.drain_replica(name)
        return []

    def waiting(self) -> list[Ticket]:
        """All requests that wait, the next one first."""
        return self.line.in_order()

    def waiting_many(self) -> int:
        """How many wait."""
        return self.line.many

    # Rules

    def dispatch(self, now_s: float) -> list[Act]:
        """All that can leave the line now, and when to come back if something must wait."""
        acts: list[Act] = []
        line = self.line
        while line.many:
            place = self._free_place()
            if place is None:
                break
            if self.drops:
                self._shed(now_s, place, acts)
                if not line.many:
                    break
            leave_s = now_s if self.close_idle else self._leave_s(now_s, place.cores)
            if leave_s > now_s:
                acts.append(Wake(leave_s))
                break
            acts.append(self._start(now_s, place, acts))
        return acts

    def _shed(self, now_s: float, place: Place, acts: list[Act]) -> None:
        """Drop from the head of the line whatever the drop rule gives up on."""
        line = self.line
        soonest_s = now_s + self._soonest_s(place) if self.drops_hopeless else now_s
        while line.many:
            ticket: Ticket = line.head()
            if now_s > ticket.deadline_s:
                reason = "expired"
            elif soonest_s > ticket.deadline_s:
                reason = "hopeless"
            else:
                return
            line.pop()
            self.window.dropped()
            acts.append(Shed(ticket, reason))

    def _soonest_s(self, place: Place) -> float:
        if place.soonest_s == UNKNOWN_S:
            place.soonest_s = self._fastest_s(1, place.cores)
        return place.soonest_s

    def _leave_s(self, now_s: float, cores: float) -> float:
        """When the batch that could be formed now has to leave; `now_s` or earlier means at once."""
        if self.line.many >= self.batch_size:
            return now_s
        if self.close_timeout:
            return self.line.oldest_arrival_s() + self.timeout_s
        head: Ticket = self.line.head()
        return head.deadline_s - self._predict_s(self.batch_size, cores)

    def _start(self, now_s: float, place: Place, acts: list[Act]) -> Batch:
        line = self.line
        chosen: list[Ticket] = []
        while line.many and len(chosen) < self.batch_size:
            if self.drops and not line.edf:  # behind a head that can make it, later deadlines can, too
                self._shed(now_s, place, acts)
            if line.many:
                chosen.append(line.pop())
        batch = Batch(self._next_batch_id, place, chosen, now_s)
        self._next_batch_id += 1
        self.batches[batch.id] = batch
        place.batches += 1
        return batch

    def _free_place(self) -> Place | None:
        """The ready replica with the fewest batches, the first of equals; None when all are full."""
        best: Place | None = None
        fewest = self.batches_in_flight
        for place in self.places.values():
            if not place.draining and place.batches < fewest:
                best, fewest = place, place.batches
        return best

    def _release(self, place: Place) -> None:
        place.batches -= 1
        if place.draining and place.batches == 0:
            del self.places[place.name]
