"""Work a policy looks ahead to: who waits, and who came and may come again, as columns. Pure; compiles with mypyc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Expected(NamedTuple):
    """A request that waits (released now) or is expected (released later). Seconds on the run clock."""

    release_s: float
    deadline_s: float


class Came:
    """Requests that came, ascending by time, with their order by deadline. The lists are only read.

    by_deadline: rows in that order, equals in any; rank: the place of each row in it.
    """

    __slots__ = ("by_deadline", "deadlines_s", "rank", "times_s")

    def __init__(self, times_s: list[float], deadlines_s: list[float]) -> None:
        self.times_s = times_s
        self.deadlines_s = deadlines_s
        order = np.argsort(np.array(deadlines_s))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        self.by_deadline: list[int] = order.tolist()
        self.rank: list[int] = rank.tolist()


class Work:
    """Requests to serve: those that wait at `now_s`, and rows [first, end) of what came, moved by `shift_s`.

    waiting_s: deadlines of those that wait, ascending. `margin_s` is taken off the deadlines of what came.
    """

    __slots__ = ("came", "end", "first", "margin_s", "now_s", "shift_s", "waiting_s")

    def __init__(
        self, now_s: float, waiting_s: list[float], came: Came, first: int, end: int, shift_s: float, margin_s: float
    ) -> None:
        self.now_s = now_s
        self.waiting_s = waiting_s
        self.came = came
        self.first = first
        self.end = end
        self.shift_s = shift_s
        self.margin_s = margin_s

    def __len__(self) -> int:
        return len(self.waiting_s) + self.end - self.first


def work_of(requests: Sequence[Expected]) -> Work:
    """Work given request by request, ascending by release."""
    came = Came([r.release_s for r in requests], [r.deadline_s for r in requests])
    return Work(0.0, [], came, 0, len(requests), 0.0, 0.0)


class Past:
    """What waits now and what came before, from which possible futures are made. margin_s: reserve on deadlines."""

    def __init__(self, now_s: float, queue_deadlines_s: list[float], came: Came, margin_s: float) -> None:
        self.now_s = now_s
        self.came = came
        self.margin_s = margin_s
        self.waiting_s = sorted([deadline_s - margin_s for deadline_s in queue_deadlines_s])

    def again(self, shift_s: float) -> Work:
        """The queue, and all that came coming again `shift_s` later."""
        return self._work(self.waiting_s, 0, len(self.came.times_s), shift_s)

    def interval(self, shift_s: float, length_s: float, *, queue: bool) -> Work:
        """What came in the interval of this length `shift_s` before the next one, moved into it; with the queue."""
        first = self._first_beyond(shift_s, 0.0)
        end = max(first, self._first_beyond(shift_s, length_s))
        return self._work(self.waiting_s if queue else [], first, end, shift_s)

    def _work(self, waiting_s: list[float], first: int, end: int, shift_s: float) -> Work:
        return Work(self.now_s, waiting_s, self.came, first, end, shift_s, self.margin_s)

    def _first_beyond(self, shift_s: float, length_s: float) -> int:
        """The first row that, moved, comes later than `length_s` from now."""
        came_s, now_s = self.came.times_s, self.now_s
        low, high = 0, len(came_s)
        while low < high:
            middle = (low + high) // 2
            if came_s[middle] + shift_s - now_s > length_s:
                high = middle
            else:
                low = middle + 1
        return low
