"""What the data path remembers of the recent past, for the policy to see.

Columns, because a busy second holds a thousand requests and every tick shows several seconds of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Final

from harness.engine.requests import Requests, Samples
from harness.types import Counts, Queued, ServiceSample

_COMPACT_AT: Final = 4096  # forgotten rows that are worth a copy of the rest


class Arrivals:
    """Requests in order of arrival; the oldest can be forgotten."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.arrived_s: list[float] = []
        self.deadlines_s: list[float] = []
        self.first = 0

    def __len__(self) -> int:
        return len(self.ids) - self.first

    def add(self, id_: int, arrived_s: float, deadline_s: float) -> None:
        """Remember a request that came after all others."""
        self.ids.append(id_)
        self.arrived_s.append(arrived_s)
        self.deadlines_s.append(deadline_s)

    def forget_before(self, horizon_s: float) -> None:
        """Forget what arrived before `horizon_s`."""
        arrived_s, first, end = self.arrived_s, self.first, len(self.arrived_s)
        while first < end and arrived_s[first] < horizon_s:
            first += 1
        self.first = first
        if first > _COMPACT_AT and 2 * first > end:
            del self.ids[:first], self.arrived_s[:first], self.deadlines_s[:first]
            self.first = 0

    def first_younger(self, now_s: float, age_s: float) -> int:
        """The row of the first that arrived less than `age_s` ago; with 0, of the first yet to come."""
        arrived_s = self.arrived_s
        low, high = self.first, len(arrived_s)
        while low < high:
            middle = (low + high) // 2
            if now_s - arrived_s[middle] < age_s:
                high = middle
            else:
                low = middle + 1
        return low

    def since(self, horizon_s: float) -> Requests:
        """Those that arrived at `horizon_s` or later."""
        at = bisect_left(self.arrived_s, horizon_s, self.first)
        return Requests(self.ids[at:], self.arrived_s[at:], self.deadlines_s[at:])


class Services:
    """Answered batches in order of their end; the oldest can be forgotten."""

    def __init__(self) -> None:
        self.ended_s: list[float] = []
        self.batch_sizes: list[int] = []
        self.cores: list[float] = []
        self.service_s: list[float] = []
        self.first = 0

    def __len__(self) -> int:
        return len(self.ended_s) - self.first

    def add(self, ended_s: float, batch_size: int, cores: float, service_s: float) -> None:
        """Remember a batch that ended after all others."""
        self.ended_s.append(ended_s)
        self.batch_sizes.append(batch_size)
        self.cores.append(cores)
        self.service_s.append(service_s)

    def forget_before(self, horizon_s: float) -> None:
        """Forget what ended before `horizon_s`."""
        ended_s, first, end = self.ended_s, self.first, len(self.ended_s)
        while first < end and ended_s[first] < horizon_s:
            first += 1
        self.first = first
        if first > _COMPACT_AT and 2 * first > end:
            del self.ended_s[:first], self.batch_sizes[:first], self.cores[:first], self.service_s[:first]
            self.first = 0

    def since(self, horizon_s: float) -> Samples:
        """Those that ended at `horizon_s` or later."""
        at = bisect_left(self.ended_s, horizon_s, self.first)
        return Samples(self.batch_sizes[at:], self.cores[at:], self.service_s[at:])


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
