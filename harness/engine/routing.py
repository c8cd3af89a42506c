"""A line per replica instead of one for all: every request is given to a replica when it arrives, and stays there.

The rules of a line are those of `harness.engine.core`, one core per replica; here is only who gets which request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from harness.engine.core import Act, Batch, Core, Predict, Ticket, Wake
from harness.types import EngineSettings

Routing = Literal["shared", "round-robin", "random", "least-loaded"]
Choose = Callable[[Sequence[Core]], int]  # lines that take requests, in order of their joining -> the place of one


def chooser(routing: Routing, generator: np.random.Generator) -> Choose:
    """How a request's replica is chosen. least-loaded: fewest requests waiting and in service, the first of equals."""
    turn = [-1]

    def round_robin(lines: Sequence[Core]) -> int:
        turn[0] = (turn[0] + 1) % len(lines)
        return turn[0]

    def at_random(lines: Sequence[Core]) -> int:
        return int(generator.integers(len(lines)))

    def least_loaded(lines: Sequence[Core]) -> int:
        loads = [_load(line) for line in lines]
        return loads.index(min(loads))

    return {"round-robin": round_robin, "random": at_random}.get(routing, least_loaded)


def _load(line: Core) -> int:
    return line.line.many + sum(len(batch.tickets) for batch in line.batches.values())


class RoutedCore(Core):
    """Cores of one replica each, behind the interface of one. Its own line holds who came when there was no replica.

    A replica that drains gives back who waits there, and they are given to others, in their order.
    """

    def __init__(
        self, settings: EngineSettings, predict_s: Predict, fastest_s: Predict, window_s: float, choose: Choose
    ) -> None:
        super().__init__(settings, predict_s, fastest_s, window_s)
        self._settings = settings
        self._predictions = predict_s, fastest_s
        self._choose = choose
        self._lines: dict[str, Core] = {}
        self._wakes_s: dict[str, float] = {}
        self._holders: dict[int, tuple[str, int]] = {}  # batch -> replica, and the batch's number there
        self._started = 0

    # What happened

    def arrive(self, now_s: float, ticket: Ticket) -> list[Act]:
        """A request has arrived."""
        self.window.note_arrival(ticket.id, ticket.arrived_s, ticket.deadline_s)
        self.line.push(ticket, ticket.deadline_s)
        return self._route(now_s)

    def finish(self, now_s: float, batch_id: int) -> list[Act]:
        """A batch has come back from its replica, answered."""
        name, number = self._taken_back(batch_id)
        return self._acts(name, self._lines[name].finish(now_s, number))

    def fail(self, now_s: float, batch_id: int) -> list[Act]:
        """A batch has come back from its replica, failed."""
        name, number = self._taken_back(batch_id)
        return self._acts(name, self._lines[name].fail(now_s, number))

    def configure(self, now_s: float, settings: EngineSettings) -> list[Act]:
        """Change batch size, order, closing or drop rule; what is queued stays queued."""
        self._settings = settings
        self.line.reorder(settings.order)
        return self._each(lambda line: line.configure(now_s, settings))

    def set_replica(self, now_s: float, name: str, cores: float, threads: int) -> list[Act]:
        """A replica has joined, or its cores are now these."""
        if name not in self._lines:
            self._lines[name] = Core(self._settings, *self._predictions, self.window.window_s)
            self._lines[name].window = self.window
        line = self._lines[name]
        acts = self._acts(name, line.set_replica(now_s, name, cores, threads))
        self.places[name] = line.places[name]
        return [*acts, *self._route(now_s)] if self.line.many else acts

    def drain_replica(self, name: str) -> bool:
        """Give this replica no more work; who waits there is given to others at the next event."""
        line = self._lines[name]
        while line.line.many:
            ticket = line.line.pop()
            self.line.push(ticket, ticket.deadline_s)
        self._wakes_s.pop(name, None)
        gone = line.drain_replica(name)
        self._forget_if_gone(name)
        return gone

    def leave(self, now_s: float, name: str) -> list[Act]:
        """The same as an event: what waited there starts elsewhere."""
        self.drain_replica(name)
        return self._route(now_s)

    def dispatch(self, now_s: float) -> list[Act]:
        """All that can leave the lines now, and when to come back if something must wait."""
        return self._each(lambda line: line.dispatch(now_s))

    # What can be seen

    def waiting(self) -> list[Ticket]:
        """All requests that wait, in the order of one line: by deadline or by arrival."""
        tickets = [ticket for line in (self, *self._lines.values()) for ticket in line.line.in_order()]
        edf = self.line.edf
        return sorted(tickets, key=lambda t: (t.deadline_s if edf else t.arrived_s, t.arrived_s, t.id))

    def waiting_many(self) -> int:
        """How many wait."""
        return self.line.many + sum(line.line.many for line in self._lines.values())

    # Who gets what

    def _route(self, now_s: float) -> list[Act]:
        acts: list[Act] = []
        names = [name for name, line in self._lines.items() if not line.places[name].draining]
        while names and self.line.many:
            ticket = self.line.pop()
            name = names[self._choose([self._lines[n] for n in names])]
            line = self._lines[name]
            line.line.push(ticket, ticket.deadline_s)
            acts += self._taken(name, line.dispatch(now_s))
        return self._with_wake(acts)

    def _each(self, event: Callable[[Core], list[Act]]) -> list[Act]:
        acts: list[Act] = []
        for name, line in list(self._lines.items()):
            acts += self._taken(name, event(line))
        return self._with_wake(acts)

    def _acts(self, name: str, acts: list[Act]) -> list[Act]:
        taken = self._taken(name, acts)
        self._forget_if_gone(name)
        return self._with_wake(taken)

    def _taken(self, name: str, acts: list[Act]) -> list[Act]:
        """What one line wants done, its batches numbered among all; its wake-up is remembered."""
        self._wakes_s.pop(name, None)
        for act in acts:
            if isinstance(act, Wake):
                self._wakes_s[name] = act.until_s
            elif isinstance(act, Batch):
                self._holders[self._started] = (name, act.id)
                act.id = self._started
                self.batches[act.id] = act
                self._started += 1
        return [act for act in acts if not isinstance(act, Wake)]

    def _with_wake(self, acts: list[Act]) -> list[Act]:
        """One wake-up for all lines, the earliest: a later request for one replaces the one before."""
        return [*acts, Wake(min(self._wakes_s.values()))] if self._wakes_s else acts

    def _taken_back(self, batch_id: int) -> tuple[str, int]:
        del self.batches[batch_id]
        return self._holders.pop(batch_id)

    def _forget_if_gone(self, name: str) -> None:
        if name not in self._lines[name].places:
            del self._lines[name], self.places[name]
