"""What the data path remembers of the recent past, for the policy to see.

Columns, because a busy second holds a thousand requests and every tick shows several seconds of them.
"""

from __future__ import annotations

import math
from array import array
from itertools import pairwise
from typing import Final

from harness.engine.requests import Requests, Samples
from harness.types import Counts, Queued, ServiceSample

_ROOM: Final = 256  # rows to begin with


class Arrivals:
    """Requests in order of arrival, rows [first, end) of the columns; the oldest can be forgotten."""

    def __init__(self) -> None:
        self.ids = array("q", bytes(8 * _ROOM))
        self.arrived_s = array("d", bytes(8 * _ROOM))
        self.deadlines_s = array("d", bytes(8 * _ROOM))
        self.first = 0
        self.end = 0
        self._room = _ROOM

    def __len__(self) -> int:
        return self.end - self.first

    def add(self, id_: int, arrived_s: float, deadline_s: float) -> None:
        """Remember a request that came after all others."""
        if self.end == self._room:
            self._make_room()
        at = self.end
        self.ids[at] = id_
        self.arrived_s[at] = arrived_s
        self.deadlines_s[at] = deadline_s
        self.end = at + 1

    def forget_before(self, horizon_s: float) -> None:
        """Forget what arrived before `horizon_s`."""
        while self.first < self.end and self.arrived_s[self.first] < horizon_s:
            self.first += 1

    def first_younger(self, now_s: float, age_s: float) -> int:
        """The row of the first that arrived less than `age_s` ago; with 0, of the first yet to come."""
        arrived_s = self.arrived_s
        low, high = self.first, self.end
        while low < high:
            middle = (low + high) // 2
            if now_s - arrived_s[middle] < age_s:
                high = middle
            else:
                low = middle + 1
        return low

    def since(self, horizon_s: float) -> Requests:
        """Those that arrived at `horizon_s` or later."""
        at = _first_not_before(self.arrived_s, self.first, self.end, horizon_s)
        return Requests(
            array("q", bytes(self.ids[at : self.end])),
            array("d", bytes(self.arrived_s[at : self.end])),
            array("d", bytes(self.deadlines_s[at : self.end])),
        )

    def _make_room(self) -> None:
        """Move to columns with as much room again as is used."""
        first, end = self.first, self.end
        self._room = max(_ROOM, 2 * (end - first))
        free = bytes(8 * (self._room - (end - first)))
        self.ids = array("q", bytes(self.ids[first:end]) + free)
        self.arrived_s = array("d", bytes(self.arrived_s[first:end]) + free)
        self.deadlines_s = array("d", bytes(self.deadlines_s[first:end]) + free)
        self.first, self.end = 0, end - first


class Services:
    """Answered batches in order of their end, rows [first, end) of the columns; the oldest can be forgotten."""

    def __init__(self) -> None:
        self.ended_s = array("d", bytes(8 * _ROOM))
        self.batch_sizes = array("q", bytes(8 * _ROOM))
        self.cores = array("d", bytes(8 * _ROOM))
        self.service_s = array("d", bytes(8 * _ROOM))
        self.first = 0
        self.end = 0
        self._room = _ROOM

    def __len__(self) -> int:
        return self.end - self.first

    def add(self, ended_s: float, batch_size: int, cores: float, service_s: float) -> None:
        """Remember a batch that ended after all others."""
        if self.end == self._room:
            self._make_room()
        at = self.end
        self.ended_s[at] = ended_s
        self.batch_sizes[at] = batch_size
        self.cores[at] = cores
        self.service_s[at] = service_s
        self.end = at + 1

    def forget_before(self, horizon_s: float) -> None:
        """Forget what ended before `horizon_s`."""
        while self.first < self.end and self.ended_s[self.first] < horizon_s:
            self.first += 1

    def since(self, horizon_s: float) -> Samples:
        """Those that ended at `horizon_s` or later."""
        at = _first_not_before(self.ended_s, self.first, self.end, horizon_s)
        return Samples(
            array("q", bytes(self.batch_sizes[at : self.end])),
            array("d", bytes(self.cores[at : self.end])),
            array("d", bytes(self.service_s[at : self.end])),
        )

    def _make_room(self) -> None:
        """Move to columns with as much room again as is used."""
        first, end = self.first, self.end
        self._room = max(_ROOM, 2 * (end - first))
        free = bytes(8 * (self._room - (end - first)))
        self.ended_s = array("d", bytes(self.ended_s[first:end]) + free)
        self.batch_sizes = array("q", bytes(self.batch_sizes[first:end]) + free)
        self.cores = array("d", bytes(self.cores[first:end]) + free)
        self.service_s = array("d", bytes(self.service_s[first:end]) + free)
        self.first, self.end = 0, end - first


def _first_not_before(times_s: array[float], first: int, end: int, horizon_s: float) -> int:
    """The first row of [first, end) whose time is at `horizon_s` or later."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if times_s[middle] < horizon_s:
            low = middle + 1
        else:
            high = middle
    return low


class Window:
    """Arrivals and service times of the last `window_s` seconds, and counts since the start."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._arrivals = Arrivals()
        self._services = Services()
        self._arrived = 0
        self._served = 0
        self._dropped = 0
        self._failed = 0
        self._late = 0

    def arrived(self, request: Queued) -> None:
        """Remember an arrival; arrivals come in order of time."""
        self.note_arrival(request.id, request.arrived_s, request.deadline_s)

    def note_arrival(self, id_: int, arrived_s: float, deadline_s: float) -> None:
        """The same without a value."""
        self._arrived += 1
        self._arrivals.add(id_, arrived_s, deadline_s)
        self._arrivals.forget_before(arrived_s - self.window_s)

    def finished(self, now_s: float, sample: ServiceSample, *, late: int) -> None:
        """Remember an answered batch; `late` of its requests missed their deadline."""
        self.note_service(now_s, sample.batch_size, sample.cores, sample.service_s, late)

    def note_service(self, now_s: float, batch_size: int, cores: float, service_s: float, late: int) -> None:
        """The same without a value."""
        self._served += batch_size
        self._late += late
        self._services.add(now_s, batch_size, cores, service_s)
        self._services.forget_before(now_s - self.window_s)

    def dropped(self) -> None:
        """Count a request that was shed."""
        self._dropped += 1

    def failed(self, requests: int) -> None:
        """Count requests whose replica failed."""
        self._failed += requests

    def recent(self, now_s: float) -> Requests:
        """Arrivals in [now - window, now]."""
        return self._arrivals.since(now_s - self.window_s)

    def arrivals_per_s(self, now_s: float) -> tuple[int, ...]:
        """Counts for the whole seconds of the window that end now, oldest first."""
        arrivals = self._arrivals
        seconds = math.floor(self.window_s)
        borders = [arrivals.first_younger(now_s, age) for age in range(seconds, -1, -1)]
        return tuple(end - first for first, end in pairwise(borders))

    def services(self, now_s: float) -> Samples:
        """Service times of batches answered in the window."""
        return self._services.since(now_s - self.window_s)

    def counts(self) -> Counts:
        """Counts since the start."""
        return Counts(self._arrived, self._served, self._dropped, self._failed, self._late)
