"""The event loop of the twin: a total order of events (time, kind, serial), and nothing that reads a clock.

It drives the rules of `harness.engine.core`, the same as the gateway's. Compiles with Cython, together with them.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator
from typing import Final

from harness.engine.core import Act, Batch, Core, Shed, Ticket, Wake
from harness.sim.ledger import Ledger
from harness.sim.machine import Machine
from harness.sim.service import ServiceTimes

# harness.types.EventKind as plain numbers, and a test holds them equal.
FINISH: Final = 0
ARRIVE: Final = 1
TICK: Final = 2
NEVER_S: Final = float("inf")

Piece = tuple[int, int, "array[float]", "array[float]"]  # first id, how many; arrival and deadline of each


class Event:
    """Something that happens at its time."""

    def happen(self, twin: Twin, now_s: float) -> None:
        """Do it."""


class Finish(Event):
    """A machine is done with its batch, unless its end has moved since."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._version = machine.version

    def happen(self, twin: Twin, now_s: float) -> None:
        """Tell the rules and let the machine go on."""
        if self._machine.version == self._version:
            twin.finish(now_s, self._machine)


class WakeUp(Event):
    """The rules asked to be woken, unless they have asked anew since."""

    def __init__(self, serial: int) -> None:
        self._serial = serial

    def happen(self, twin: Twin, now_s: float) -> None:
        """Wake them."""
        twin.wake(now_s, self._serial)


class Call(Event):
    """Anything else, of the control loop or the actuators."""

    def __init__(self, act: Callable[[float], None]) -> None:
        self._act = act

    def happen(self, twin: Twin, now_s: float) -> None:  # noqa: ARG002 (it knows whom to call)
        """Do it."""
        self._act(now_s)


class Twin:
    """A gateway and its replicas in virtual time. feed: the arrivals, piece by piece, ascending over all pieces."""

    def __init__(self, core: Core, service: ServiceTimes, ledger: Ledger, feed: Iterator[Piece]) -> None:
        self.core = core
        self.machines: dict[str, Machine] = {}
        self.outstanding = 0  # requests that have arrived and not ended
        self.last_s = 0.0  # the last end of a batch
        self._service = service
        self._ledger = ledger
        self._feed = feed
        self._events: list[tuple[float, int, int, Event]] = []
        self._serial = 0
        self._wake_serial = 0
        self._more = True  # arrivals are to come

    def has_work(self) -> bool:
        """Whether any request has not ended, or not even arrived."""
        return self._more or self.outstanding > 0

    def call_at(self, t_s: float, act: Callable[[float], None]) -> None:
        """Call `act(t_s)` at that time, after what finishes and arrives then."""
        self._push(t_s, TICK, Call(act))

    def run(self) -> None:
        """Until all requests have ended and nothing else is to happen."""
        first, end, times_s, deadlines_s = self._next_piece()
        at = 0
        events, core = self._events, self.core
        while True:
            due_s = NEVER_S
            if at < end:
                due_s = times_s[at]
            if events:
                t_s, kind, _, event = events[0]
                if t_s < due_s or (t_s == due_s and kind == FINISH):
                    heapq.heappop(events)
                    event.happen(self, t_s)
                    continue
            if due_s == NEVER_S:
                return
            self.outstanding += 1
            ticket = Ticket(first + at, due_s, deadlines_s[at])
            at += 1
            if at == end:
                first, end, times_s, deadlines_s = self._next_piece()
                at = 0
            acts = core.arrive(due_s, ticket)
            if acts:
                self.perform(due_s, acts)

    def finish(self, now_s: float, machine: Machine) -> None:
        """The machine's batch is answered."""
        batch = machine.running
        assert batch is not None
        self._ledger.served(batch, now_s)
        self.last_s = now_s
        self.outstanding -= len(batch.tickets)
        if machine.finish(now_s):
            self._push(machine.ends_s, FINISH, Finish(machine))
        acts = self.core.finish(now_s, batch.id)
        if acts:
            self.perform(now_s, acts)

    def wake(self, now_s: float, serial: int) -> None:
        """Wake the rules if this is the last wake-up they asked for."""
        if serial == self._wake_serial:
            self.perform(now_s, self.core.dispatch(now_s))

    def perform(self, now_s: float, acts: list[Act]) -> None:
        """Do what the rules want."""
        for act in acts:
            if isinstance(act, Batch):
                machine = self.machines[act.place.name]
                if machine.take(now_s, act):
                    self._push(machine.ends_s, FINISH, Finish(machine))
            elif isinstance(act, Shed):
                self._ledger.shed(act.ticket, now_s, act.reason)
                self.outstanding -= 1
            elif isinstance(act, Wake):
                self._wake_serial += 1
                self._push(act.until_s, TICK, WakeUp(self._wake_serial))

    def join(self, now_s: float, name: str, cores: float, threads: int) -> None:
        """A replica is ready."""
        self.machines[name] = Machine(name, cores, threads, self._service)
        self.perform(now_s, self.core.set_replica(now_s, name, cores, threads))

    def resize(self, now_s: float, name: str, cores: float) -> None:
        """A replica's quota is now this: what it serves goes on at the new speed, and the rules are told."""
        machine = self.machines[name]
        if machine.resize(now_s, cores):
            self._push(machine.ends_s, FINISH, Finish(machine))
        self.perform(now_s, self.core.set_replica(now_s, name, cores, machine.threads))

    def set_threads(self, now_s: float, name: str, threads: int) -> None:
        """A replica uses so many threads from its next batch on."""
        machine = self.machines[name]
        machine.threads = threads
        self.perform(now_s, self.core.set_replica(now_s, name, machine.cores, threads))

    def _next_piece(self) -> Piece:
        for piece in self._feed:
            if piece[1]:
                return piece
        self._more = False
        return 0, 0, array("d"), array("d")

    def _push(self, t_s: float, kind: int, event: Event) -> None:
        self._serial += 1
        heapq.heappush(self._events, (t_s, kind, self._serial, event))
