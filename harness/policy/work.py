"""Work a policy looks ahead to: who waits, and who came and may come again, as columns. Pure; compiles with Cython."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Expected(NamedTuple):
    """A request that waits (released now) or is expected (released later). Seconds on the run clock."""

    release_s: float
    deadline_s: float


def column(kind: str, values: Sequence[float]) -> array[Any]:
    """The values as an array of this type code; an array stays what it is."""
    return values if isinstance(values, array) else array(kind, values)


class Came:
    """Requests that came, ascending by time, with their order by deadline. The columns are only read.

    many: how many. by_deadline: rows in that order, equals in any; rank: the place of each row in it.
    """

    def __init__(self, times_s: Sequence[float], deadlines_s: Sequence[float]) -> None:
        self.many = len(times_s)
        self.times_s = column("d", times_s)
        self.deadlines_s = column("d", deadlines_s)
        order = np.argsort(np.asarray(self.deadlines_s))
        rank = np.empty(self.many, np.int64)
        rank[order] = np.arange(self.many)
        self.by_deadline = array("q", order.astype(np.int64).tobytes())
        self.rank = array("q", rank.tobytes())


class Work:
    """Requests to serve: those that wait at `now_s`, and rows [first, end) of what came, moved by `shift_s`.

    waiting_s: deadlines of those that wait, ascending. `margin_s` is taken off the deadlines of what came.
    """

    def __init__(
        self,
        now_s: float,
        waiting_s: Sequence[float],
        came: Came,
        first: int,
        end: int,
        shift_s: float,
        margin_s: float,
    ) -> None:
        self.now_s = now_s
        self.waiting = len(waiting_s)
        self.waiting_s = array("d", waiting_s)
        self.came = came
        self.first = first
        self.end = end
        self.shift_s = shift_s
        self.margin_s = margin_s

    def __len__(self) -> int:
        return self.waiting + self.end - self.first


def work_of(requests: Sequence[Expected]) -> Work:
    """Work given request by request, ascending by release."""
    came = Came([r.release_s for r in requests], [r.deadline_s for r in requests])
    return Work(0.0, [], came, 0, len(requests), 0.0, 0.0)


class Past:
    """What waits now and what came before, from which possible futures are made. margin_s: reserve on deadlines."""

    def __init__(self, now_s: float, queue_deadlines_s: Sequence[float], came: Came, margin_s: float) -> None:
        self.now_s = now_s
        self.came = came
        self.margin_s = margin_s
        self.waiting_s = sorted([deadline_s - margin_s for deadline_s in queue_deadlines_s])

    def again(self, shift_s: float) -> Work:
        """The queue, and all that came coming again `shift_s` later."""
        return self._work(self.waiting_s, 0, self.came.many, shift_s)

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
        low, high = 0, self.came.many
        while low < high:
            middle = (low + high) // 2
            if came_s[middle] + shift_s - now_s > length_s:
                high = middle
            else:
                low = middle + 1
        return low


def median_ratio(
    batch_sizes: Sequence[int],
    cores: Sequence[float],
    service_s: Sequence[float],
    predict_s: Callable[[int, float], float],
    least: int,
) -> float:
    """The median of observed over predicted service time; 0 with fewer than `least` observations."""
    many = len(service_s)
    sizes, counts, times_s = column("q", batch_sizes), column("d", cores), column("d", service_s)
    ratios = array("d", bytes(8 * many))
    predicted_s: dict[tuple[int, float], float] = {}
    found, last_batch, last_cores, last_s = 0, 0, 0.0, 0.0
    for at in range(many):
        batch, core_count = sizes[at], counts[at]
        if core_count <= 0:
            continue
        if batch != last_batch or core_count != last_cores:
            last_batch, last_cores = batch, core_count
            if (batch, core_count) not in predicted_s:
                predicted_s[(batch, core_count)] = predict_s(batch, core_count)
            last_s = predicted_s[(batch, core_count)]
        ratios[found] = times_s[at] / last_s
        found += 1
    if found < least:
        return 0.0
    ordered = np.sort(np.asarray(ratios)[:found])
    half = found // 2
    return float(ordered[half] if found % 2 else (ordered[half - 1] + ordered[half]) / 2)
