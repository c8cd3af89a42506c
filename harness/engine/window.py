"""What the data path remembers of the recent past, for the policy to see."""

from __future__ import annotations

import math
from collections import Counter, deque

from harness.types import Counts, Queued, ServiceSample


class Window:
    """Arrivals and service times of the last `window_s` seconds, and counts since the start."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._arrivals: deque[Queued] = deque()
        self._services: deque[tuple[float, ServiceSample]] = deque()
        self._arrived = self._served = self._dropped = self._failed = self._late = 0

    def arrived(self, request: Queued) -> None:
        """Remember an arrival; arrivals come in order of time."""
        self._arrived += 1
        self._arrivals.append(request)
        horizon_s = request.arrived_s - self.window_s
        while self._arrivals[0].arrived_s < horizon_s:
            self._arrivals.popleft()

    def finished(self, now_s: float, sample: ServiceSample, *, late: int) -> None:
        """Remember an answered batch; `late` of its requests missed their deadline."""
        self._served += sample.batch_size
        self._late += late
        self._services.append((now_s, sample))
        while self._services[0][0] < now_s - self.window_s:
            self._services.popleft()

    def dropped(self) -> None:
        """Count a request that was shed."""
        self._dropped += 1

    def failed(self, requests: int) -> None:
        """Count requests whose replica failed."""
        self._failed += requests

    def recent(self, now_s: float) -> tuple[Queued, ...]:
        """Arrivals in [now - window, now]."""
        return tuple(r for r in self._arrivals if r.arrived_s >= now_s - self.window_s)

    def arrivals_per_s(self, now_s: float) -> tuple[int, ...]:
        """Counts for the whole seconds of the window that end now, oldest first."""
        seconds = math.floor(self.window_s)
        age = Counter(math.floor(now_s - r.arrived_s) for r in self._arrivals)
        return tuple(age.get(k, 0) for k in reversed(range(seconds)))

    def services(self, now_s: float) -> tuple[ServiceSample, ...]:
        """Service times of batches answered in the window."""
        return tuple(sample for t_s, sample in self._services if t_s >= now_s - self.window_s)

    def counts(self) -> Counts:
        """Counts since the start."""
        return Counts(self._arrived, self._served, self._dropped, self._failed, self._late)
