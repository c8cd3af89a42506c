"""A simulated replica: serves one batch at a time, in order of arrival, at the speed of the cores it has now."""

from __future__ import annotations

from harness.engine.core import Batch
from harness.sim.service import ServiceTimes


class Machine:
    """cores: CPU quota in force. version: changes whenever the end of the running batch does."""

    def __init__(self, name: str, cores: float, threads: int, service: ServiceTimes) -> None:
        self.name = name
        self.cores = cores
        self.threads = threads
        self.version = 0
        self.running: Batch | None = None
        self.ends_s = 0.0
        self._service = service
        self._speed_cores = cores
        self._batch_threads = threads
        self._held: list[Batch] = []
        self._busy_core_s = 0.0
        self._since_s = 0.0

    def take(self, now_s: float, batch: Batch) -> bool:
        """Take a batch in. True when it runs at once, so that `ends_s` is its end."""
        if self.running is not None:
            self._held.append(batch)
            return False
        self._begin(now_s, batch)
        return True

    def finish(self, now_s: float) -> bool:
        """The running batch is done. True when the next one runs now."""
        self._account(now_s)
        self.running = None
        if not self._held:
            return False
        self._begin(now_s, self._held.pop(0))
        return True

    def resize(self, now_s: float, cores: float) -> bool:
        """Change the quota. What runs goes on at the new speed; True when that moved its end.

        It keeps the threads it began with, so more cores than those do not help it.
        """
        self._account(now_s)
        self.cores = cores
        batch = self.running
        if batch is None:
            return False
        speed_cores = min(cores, float(self._batch_threads))
        if speed_cores == self._speed_cores:
            return False
        size = len(batch.tickets)
        ratio = self._service.mean_s(size, speed_cores) / self._service.mean_s(size, self._speed_cores)
        self.ends_s = now_s + (self.ends_s - now_s) * ratio
        self._speed_cores = speed_cores
        self.version += 1
        return True

    def used_core_s(self, now_s: float) -> float:
        """Core-seconds of work done until now."""
        self._account(now_s)
        return self._busy_core_s

    def _begin(self, now_s: float, batch: Batch) -> None:
        self._since_s = now_s
        self.running = batch
        self._batch_threads = self.threads
        self._speed_cores = min(self.cores, float(self.threads))
        self.ends_s = now_s + self._service.draw_s(len(batch.tickets), self._speed_cores)
        self.version += 1

    def _account(self, now_s: float) -> None:
        if self.running is not None:
            self._busy_core_s += (now_s - self._since_s) * self._speed_cores
        self._since_s = now_s
