"""What each replica used, from counters that only grow: rows whose CPU time sums to all of a replica's life."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends.cgroup import Counters
from harness.types import Usage


class Meter:
    """Remembers the reading before of every replica, and the first and last rows of those that came and went.

    Times are CLOCK_MONOTONIC, s. A first row and a last one have 0 cores: nothing was granted before it or after.
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}  # by replica: when, and CPU time used until then
        self._edges: list[Usage] = []

    def begin(self, name: str, now_s: float) -> None:
        """A replica is about to be launched: all its CPU time comes after this."""
        self._before[name] = now_s, 0.0
        self._edges.append(Usage(now_s, name, 0.0, 0.0, 0, 0.0))

    def read(self, name: str, cores: float, counters: Counters, now_s: float) -> Usage:
        """The row of a reading: the mean cores used since the one before."""
        before_s, cpu_s = self._before.get(name, (now_s, counters.cpu_s))
        self._before[name] = now_s, counters.cpu_s
        used = (counters.cpu_s - cpu_s) / (now_s - before_s) if now_s > before_s else 0.0
        return Usage(now_s, name, cores, used, counters.memory_bytes, counters.throttled_s)

    def end(self, name: str, counters: Counters, now_s: float) -> None:
        """The last reading of a replica that is about to be removed."""
        self._edges.append(self.read(name, 0.0, counters, now_s))
        del self._before[name]

    def take_edges(self) -> Sequence[Usage]:
        """First and last rows since the call before, in order of time."""
        edges, self._edges = self._edges, []
        return edges

    def clear(self) -> None:
        """Forget everything."""
        self._before.clear()
        self._edges.clear()
