"""Sponge's constraint over the actual queue and the arrivals to come: a look ahead over one control interval.

Requests are served earliest deadline first, in batches of at most b, by one replica that never idles while work
waits. The published rule is the special case "all requests are here now and share one deadline".
Source: the description in arXiv:2404.00704; docs/decisions.md says what is ours.

A tick of a busy second asks about a hundred options and thousands of requests, so the work is kept as columns that
are shifted while they are read, and an option is left as soon as it is known not to be the best. Compiles with mypyc.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple


class Expected(NamedTuple):
    """A request that waits (released now) or is expected (released later). Seconds on the run clock."""

    release_s: float
    deadline_s: float


class Work:
    """Requests to serve: those that wait at `now_s`, and rows [first, end) of what came, moved by `shift_s`.

    waiting_s: deadlines of those that wait, as a heap. came_s ascends; `margin_s` is taken off every deadline of what
    came. The lists belong to others and are only read.
    """

    __slots__ = ("came_s", "deadlines_s", "end", "first", "margin_s", "now_s", "shift_s", "waiting_s")

    def __init__(
        self,
        now_s: float,
        waiting_s: list[float],
        came_s: list[float],
        deadlines_s: list[float],
        first: int,
        end: int,
        shift_s: float,
        margin_s: float,
    ) -> None:
        self.now_s = now_s
        self.waiting_s = waiting_s
        self.came_s = came_s
        self.deadlines_s = deadlines_s
        self.first = first
        self.end = end
        self.shift_s = shift_s
        self.margin_s = margin_s

    def __len__(self) -> int:
        return len(self.waiting_s) + self.end - self.first


def work_of(requests: Sequence[Expected]) -> Work:
    """Work given request by request, ascending by release."""
    releases_s, deadlines_s = [r.release_s for r in requests], [r.deadline_s for r in requests]
    return Work(0.0, [], releases_s, deadlines_s, 0, len(releases_s), 0.0, 0.0)


class Past:
    """What waits now and what came before, from which possible futures are made. margin_s: reserve on deadlines."""

    def __init__(
        self,
        now_s: float,
        queue_deadlines_s: list[float],
        came_s: list[float],
        deadlines_s: list[float],
        margin_s: float,
    ) -> None:
        self.now_s = now_s
        self.came_s = came_s
        self.deadlines_s = deadlines_s
        self.margin_s = margin_s
        self.waiting_s = [deadline_s - margin_s for deadline_s in queue_deadlines_s]
        heapq.heapify(self.waiting_s)

    def again(self, shift_s: float) -> Work:
        """The queue, and all that came coming again `shift_s` later."""
        return self._work(self.waiting_s, 0, len(self.came_s), shift_s)

    def interval(self, shift_s: float, length_s: float, *, queue: bool) -> Work:
        """What came in the interval of this length `shift_s` before the next one, moved into it; with the queue."""
        first = self._first_beyond(shift_s, 0.0)
        end = max(first, self._first_beyond(shift_s, length_s))
        return self._work(self.waiting_s if queue else [], first, end, shift_s)

    def _work(self, waiting_s: list[float], first: int, end: int, shift_s: float) -> Work:
        return Work(self.now_s, waiting_s, self.came_s, self.deadlines_s, first, end, shift_s, self.margin_s)

    def _first_beyond(self, shift_s: float, length_s: float) -> int:
        """The first row that, moved, comes later than `length_s` from now."""
        came_s, now_s = self.came_s, self.now_s
        low, high = 0, len(came_s)
        while low < high:
            middle = (low + high) // 2
            if came_s[middle] + shift_s - now_s > length_s:
                high = middle
            else:
                low = middle + 1
        return low


class ServiceTable:
    """Service times of batches of 1..b on one core count; index 0 is unused.

    mean_s: what a batch is expected to take: when the next one can start.
    tail_s: what it may take: what its deadline is held against.
    """

    __slots__ = ("mean_s", "tail_s")

    def __init__(self, mean_s: tuple[float, ...], tail_s: tuple[float, ...]) -> None:
        self.mean_s = mean_s
        self.tail_s = tail_s


def misses(work: Work | Sequence[Expected], free_s: float, batch: int, table: ServiceTable, most: int) -> int:
    """How many requests of `work` (ascending by release) would miss their deadline; counting stops above `most`.

    free_s: when the replica can start. A request that cannot make it even alone is shed and counts as missed, as in
    the engine. The batch that takes the last known request is charged as full, because more will follow it.
    """
    return _misses(work if isinstance(work, Work) else work_of(work), free_s, batch, table, most)


def _misses(work: Work, free_s: float, batch: int, table: ServiceTable, most: int) -> int:
    came_s, deadlines_s, shift_s, margin_s = work.came_s, work.deadlines_s, work.shift_s, work.margin_s
    at, end = work.first, work.end
    mean_s, tail_s = table.mean_s, table.tail_s
    alone_s = tail_s[1]
    waiting = list(work.waiting_s)
    is_heap = True
    missed, now_s = 0, free_s
    if waiting and work.now_s > now_s:
        now_s = work.now_s
    while at < end or waiting:
        if not waiting:
            is_heap = False
            release_s = came_s[at] + shift_s
            if release_s > now_s:
                now_s = release_s
        while at < end and came_s[at] + shift_s <= now_s:
            deadline_s = deadlines_s[at] + shift_s - margin_s
            at += 1
            if is_heap:
                heapq.heappush(waiting, deadline_s)
            else:
                waiting.append(deadline_s)
        if len(waiting) <= batch:
            taken, waiting = waiting, []  # all of them: their order does not matter
        else:
            if not is_heap:
                heapq.heapify(waiting)
                is_heap = True
            taken = _earliest(waiting, batch, now_s + alone_s)
        size = 0
        for deadline_s in taken:
            if deadline_s >= now_s + alone_s:
                size += 1
        missed += len(taken) - size
        if size:
            charged = batch if at == end and not waiting else size
            late_s = now_s + tail_s[charged]
            for deadline_s in taken:
                if now_s + alone_s <= deadline_s < late_s:
                    missed += 1
            now_s += mean_s[charged]
        if missed > most:
            return missed
    return missed


def _earliest(waiting: list[float], batch: int, soonest_s: float) -> list[float]:
    """The earliest deadlines, as many as are passed over because `soonest_s` is too late, and up to `batch` others."""
    taken: list[float] = []
    size = 0
    while waiting and size < batch:
        deadline_s = heapq.heappop(waiting)
        taken.append(deadline_s)
        if deadline_s >= soonest_s:
            size += 1
    return taken


class Option:
    """One allocation to consider, with its service times."""

    __slots__ = ("batch", "cores", "table")

    def __init__(self, cores: float, batch: int, table: ServiceTable) -> None:
        self.cores = cores
        self.batch = batch
        self.table = table


class Outcome(NamedTuple):
    """The best option and the misses expected with it."""

    option: Option
    missed: int


class Ladder:
    """All allocations of a grid, cores ascending, then batch. predict_s: (batch, cores) -> s, the profile's mean."""

    def __init__(self, cores: Sequence[float], most_batch: int, predict_s: Callable[[int, float], float]) -> None:
        self._cores = list(cores)
        self._batches = list(range(1, most_batch + 1))
        self._predicted_s = [[predict_s(batch, c) for batch in self._batches] for c in cores]

    def options(self, correction: float, tail_ratio: float, least_cores: float) -> Iterator[Option]:
        """From `least_cores` up. correction: observed over predicted service time; tail_ratio: tail over mean."""
        for row, cores in enumerate(self._cores):
            if cores < least_cores:
                continue
            mean_s = [predicted_s * correction for predicted_s in self._predicted_s[row]]
            tail_s = [one_s * tail_ratio for one_s in mean_s]
            table = ServiceTable((0.0, *mean_s), (0.0, *tail_s))
            for batch in self._batches:
                yield Option(cores, batch, table)


def fewest_misses(
    options: Iterable[Option], futures: Sequence[Work | Sequence[Expected]], free_s: float
) -> Outcome | None:
    """The first option, in their order, with the fewest misses in the worst of the futures; None without options.

    With options ascending by cores, then batch, this is the smallest allocation that meets every deadline that can be
    met: when all can, it is the integer program's answer; when not, the largest allocation that is of any use.
    """
    works = [future if isinstance(future, Work) else work_of(future) for future in futures]
    tried: list[Option] = []
    for option in options:
        if _worst(option, works, free_s, 0) == 0:
            return Outcome(option, 0)
        tried.append(option)
    return _least_bad(tried, works, free_s) if tried else None


def _least_bad(options: list[Option], works: list[Work], free_s: float) -> Outcome:
    """The same when no option meets every deadline. The last one, the largest, is asked first: it is hard to beat, so
    most others are soon found to be worse."""
    best = len(options) - 1
    fewest = _worst(options[best], works, free_s, max([len(work) for work in works]))
    for index, option in enumerate(options[:-1]):
        allowed = fewest if index < best else fewest - 1
        worst = _worst(option, works, free_s, allowed)
        if worst <= allowed:
            best, fewest = index, worst
    return Outcome(options[best], fewest)


def _worst(option: Option, works: list[Work], free_s: float, most: int) -> int:
    """The misses in the worst of the futures; counting stops above `most`."""
    worst = 0
    for work in works:
        missed = _misses(work, free_s, option.batch, option.table, most)
        if missed > worst:
            worst = missed
            if worst > most:
                break
    return worst


def median_ratio(
    batch_sizes: list[int],
    cores: list[float],
    service_s: list[float],
    predict_s: Callable[[int, float], float],
    least: int,
) -> float:
    """The median of observed over predicted service time; 0 with fewer than `least` observations."""
    predicted_s: dict[tuple[int, float], float] = {}
    ratios: list[float] = []
    for at, one_s in enumerate(service_s):
        if cores[at] <= 0:
            continue
        cell = (batch_sizes[at], cores[at])
        if cell not in predicted_s:
            predicted_s[cell] = predict_s(cell[0], cell[1])
        ratios.append(one_s / predicted_s[cell])
    if len(ratios) < least:
        return 0.0
    ratios.sort()
    half = len(ratios) // 2
    return ratios[half] if len(ratios) % 2 else (ratios[half - 1] + ratios[half]) / 2
