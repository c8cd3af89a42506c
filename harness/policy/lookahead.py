"""Sponge's constraint over the actual queue and the arrivals to come: a look ahead over one control interval.

Requests are served earliest deadline first, in batches of at most b, by one replica that never idles while work
waits. The published rule is the special case "all requests are here now and share one deadline".
Source: the description in arXiv:2404.00704; docs/decisions.md says what is ours.

A tick of a busy second asks about a hundred options and thousands of requests, so the work is kept as columns, served
batch by batch with searches in sorted lists, and an option is left as soon as it is known not to be the best. Compiles
with Cython.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from harness.policy.work import Came, Expected, Past, Work, median_ratio, work_of

__all__ = [
    "Came", "Expected", "Ladder", "Option", "Outcome", "Past", "ServiceTable", "Work", "fewest_misses", "median_ratio",
    "misses", "work_of",
]  # fmt: skip

EVERYBODY: Final = 1 << 60  # no count stops above this
NEVER_S: Final = float("inf")
NOBODY: Final = bytearray(0)
WINDOWS: Final = 12  # parts of the work between whose borders demand is held against throughput
PARTS: Final = 2 * WINDOWS + 2  # and the queue, and what division leaves over
SURELY_S: Final = 1e-6  # far more than rounding can do


class ServiceTable:
    """Service times of batches of 1..b on one core count; index 0 is unused.

    mean_s: what a batch is expected to take: when the next one can start.
    tail_s: what it may take: what its deadline is held against.
    least_each_s, least_tail_s: per bound on the batch, the least time per request, and the least tail, up to there.
    """

    def __init__(self, mean_s: Sequence[float], tail_s: Sequence[float]) -> None:
        self.mean_s = array("d", mean_s)
        self.tail_s = array("d", tail_s)
        self.least_each_s = array("d", mean_s)
        self.least_tail_s = array("d", tail_s)
        for batch in range(1, len(mean_s)):
            self.least_each_s[batch] = mean_s[batch] / batch
            if batch > 1:
                self.least_each_s[batch] = min(self.least_each_s[batch - 1], self.least_each_s[batch])
                self.least_tail_s[batch] = min(self.least_tail_s[batch - 1], self.least_tail_s[batch])


def misses(work: Work | Sequence[Expected], free_s: float, batch: int, table: ServiceTable, most: int) -> int:
    """How many requests of `work` (ascending by release) would miss their deadline; counting stops above `most`.

    free_s: when the replica can start. A request that cannot make it even alone is shed and counts as missed, as in
    the engine. The batch that takes the last known request is charged as full, because more will follow it.
    """
    return _Count(work if isinstance(work, Work) else work_of(work), batch, table).run(free_s, most)


class _Count:
    """One look ahead. bound: whether the batch bound has ever kept anybody waiting."""

    def __init__(self, work: Work, batch: int, table: ServiceTable) -> None:
        self.bound = False
        self._work = work
        self._batch = batch
        self._table = table

    def run(self, free_s: float, most: int) -> int:
        """How many miss; counting stops above `most`."""
        work, table, batch = self._work, self._table, self._batch
        came_s, deadlines_s = work.came.times_s, work.came.deadlines_s
        shift_s, margin_s = work.shift_s, work.margin_s
        mean_s, tail_s = table.mean_s, table.tail_s
        alone_s = tail_s[1]
        at, end = work.first, work.end
        missed, now_s = 0, free_s
        line = _Line(work)
        if line.many and work.now_s > now_s:
            now_s = work.now_s
        while True:
            if line.many == 0:
                if at == end:
                    return missed
                release_s = came_s[at] + shift_s
                if release_s > now_s:
                    now_s = release_s
            before, earliest_s = at, NEVER_S
            while at < end and came_s[at] + shift_s <= now_s:
                deadline_s = deadlines_s[at] + shift_s - margin_s
                if deadline_s < earliest_s:
                    earliest_s = deadline_s
                at += 1
            size = at - before
            if line.many == 0 and size <= batch:
                # Whoever is here leaves together; when the earliest deadline holds, all do.
                charged = batch if at == end else size
                if earliest_s >= now_s + alone_s and earliest_s >= now_s + tail_s[charged]:
                    now_s += mean_s[charged]
                    continue
            line.join(before, at)
            missed += line.leave_before(now_s + alone_s)
            size = line.many
            if size > batch:
                size, self.bound = batch, True
            if size:
                charged = batch if at == end and size == line.many else size
                missed += line.leave(size, now_s + tail_s[charged])
                now_s += mean_s[charged]
            if missed > most:
                return missed


class _Line:
    """Those who wait, the earliest deadline first: the queue of the start, and marks on the ranks of who came since.

    Ranks are known beforehand, so nobody has to be sorted or heaped.
    """

    def __init__(self, work: Work) -> None:
        self.many = work.waiting
        self._queue_s = work.waiting_s
        self._next = 0  # in the queue of the start
        self._queue_end = work.waiting
        self._all = work.came.many
        self._by_deadline = work.came.by_deadline
        self._rank = work.came.rank
        self._deadlines_s = work.came.deadlines_s
        self._shift_s = work.shift_s
        self._margin_s = work.margin_s
        self._here = NOBODY  # by rank
        self._has_marks = False
        self._marks = 0
        self._low = 0  # nobody of a lower rank is here

    def join(self, first: int, end: int) -> None:
        """Rows [first, end) have come."""
        if not self._has_marks:
            self._has_marks = True
            self._here = bytearray(self._all)
            self._low = self._all
        here, ranks, low = self._here, self._rank, self._low
        for row in range(first, end):
            rank = ranks[row]
            here[rank] = 1
            if rank < low:
                low = rank
        self._low = low
        self._marks += end - first
        self.many += end - first

    def leave_before(self, limit_s: float) -> int:
        """All with a deadline before `limit_s` leave; how many."""
        return self._leave(self.many, limit_s, 0)

    def leave(self, size: int, late_s: float) -> int:
        """The first `size` leave; how many of them have a deadline before `late_s`."""
        return self._leave(size, late_s, size)

    def _leave(self, most: int, limit_s: float, others: int) -> int:
        """Up to `most` leave, `others` of them with a deadline that is not before the limit; how many are before it."""
        here, by_deadline, deadlines_s = self._here, self._by_deadline, self._deadlines_s
        shift_s, margin_s, queue_s, queue_end = self._shift_s, self._margin_s, self._queue_s, self._queue_end
        low, marks, at = self._low, self._marks, self._next
        left, before = most, 0
        while left:
            from_queue, deadline_s = marks == 0, 0.0
            if marks:
                while not here[low]:
                    low += 1
                deadline_s = deadlines_s[by_deadline[low]] + shift_s - margin_s
                from_queue = at < queue_end and queue_s[at] <= deadline_s
            if from_queue:
                deadline_s = queue_s[at]
            if deadline_s < limit_s:
                before += 1
            elif others == 0:
                break
            else:
                others -= 1
            if from_queue:
                at += 1
            else:
                here[low] = 0
                marks -= 1
            left -= 1
        self._low, self._marks, self._next = low, marks, at
        self.many -= most - left
        return before


class Option:
    """One allocation to consider, with its service times."""

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
        self._known_ratios = (0.0, 0.0)
        self._known: list[list[Option]] = []  # options per core count for these ratios; they seldom change

    def options(self, correction: float, tail_ratio: float, least_cores: float) -> Iterator[Option]:
        """From `least_cores` up. correction: observed over predicted service time; tail_ratio: tail over mean."""
        if self._known_ratios != (correction, tail_ratio):
            self._known_ratios, self._known = (correction, tail_ratio), []
        for row, cores in enumerate(self._cores):
            if row == len(self._known):
                self._known.append(self._row(row, correction, tail_ratio))
            if cores >= least_cores:
                yield from self._known[row]

    def _row(self, row: int, correction: float, tail_ratio: float) -> list[Option]:
        mean_s = [predicted_s * correction for predicted_s in self._predicted_s[row]]
        tail_s = [one_s * tail_ratio for one_s in mean_s]
        table = ServiceTable((0.0, *mean_s), (0.0, *tail_s))
        return [Option(self._cores[row], batch, table) for batch in self._batches]


def fewest_misses(
    options: Iterable[Option], futures: Sequence[Work | Sequence[Expected]], free_s: float
) -> Outcome | None:
    """The first option, in their order, with the fewest misses in the worst of the futures; None without options.

    With options ascending by cores, then batch, this is the smallest allocation that meets every deadline that can be
    met: when all can, it is the integer program's answer; when not, the largest allocation that is of any use.
    """
    search = _Search([future if isinstance(future, Work) else work_of(future) for future in futures], free_s)
    tried: list[Option] = []
    for option in options:
        if search.worst(option, 0) == 0:
            return Outcome(option, 0)
        tried.append(option)
    return _least_bad(tried, search) if tried else None


def _least_bad(options: list[Option], search: _Search) -> Outcome:
    """The same when no option meets every deadline. The last one, the largest, is asked first: it is hard to beat, so
    most others are soon found to be worse."""
    best = len(options) - 1
    search.forget()
    fewest = search.worst(options[best], EVERYBODY)
    for index, option in enumerate(options[:-1]):
        allowed = fewest if index < best else fewest - 1
        worst = search.worst(option, allowed)
        if worst <= allowed:
            best, fewest = index, worst
    return Outcome(options[best], fewest)


class Demand:
    """What a piece of work asks for at least, whatever the order of service: n requests that come at s or later and
    are all due by d take n / throughput, less a last batch. Tells options that cannot do it from those that might."""

    def __init__(self, work: Work, free_s: float) -> None:
        self._parts = 0
        self._began_s = array("d", bytes(8 * PARTS))  # per part of the work: when its first request can be started
        self._latest_s = array("d", bytes(8 * PARTS))  # ... and the latest deadline in it
        self._sizes = array("q", bytes(8 * PARTS))
        self._pairs = 0
        self._counts = array("q", bytes(8 * PARTS * PARTS))
        self._spans_s = array("d", bytes(8 * PARTS * PARTS))
        self._budget_s = NEVER_S
        began_s = max(free_s, work.now_s) if work.waiting else free_s
        if work.waiting:
            self._part(began_s, work.waiting_s[work.waiting - 1], work.waiting, work.waiting_s[0] - began_s)
        step = max(1, (work.end - work.first) // WINDOWS)
        for first in range(work.first, work.end, step):
            self._look_at(work, first, min(first + step, work.end), began_s)
        self._pair()

    def _look_at(self, work: Work, first: int, end: int, began_s: float) -> None:
        came_s, deadlines_s = work.came.times_s, work.came.deadlines_s
        shift_s, margin_s = work.shift_s, work.margin_s
        latest_s, budget_s = -NEVER_S, NEVER_S
        for at in range(first, end):
            deadline_s = deadlines_s[at] + shift_s - margin_s
            release_s = came_s[at] + shift_s
            if release_s < began_s:
                release_s = began_s
            if deadline_s > latest_s:
                latest_s = deadline_s
            if deadline_s - release_s < budget_s:
                budget_s = deadline_s - release_s
        self._part(max(came_s[first] + shift_s, began_s), latest_s, end - first, budget_s)

    def _part(self, began_s: float, latest_s: float, size: int, budget_s: float) -> None:
        self._began_s[self._parts] = began_s
        self._latest_s[self._parts] = latest_s
        self._sizes[self._parts] = size
        self._parts += 1
        self._budget_s = min(self._budget_s, budget_s)

    def _pair(self) -> None:
        """All runs of neighbouring parts: how many requests, and how long there is for them."""
        for first in range(self._parts):
            due_s, count = self._latest_s[first], 0
            for last in range(first, self._parts):
                due_s = max(due_s, self._latest_s[last])
                count += self._sizes[last]
                self._counts[self._pairs] = count
                self._spans_s[self._pairs] = due_s - self._began_s[first]
                self._pairs += 1

    def exceeds(self, option: Option) -> bool:
        """Whether somebody will surely miss. False means nothing."""
        table, batch = option.table, option.batch
        least_tail_s, per_request_s = table.least_tail_s[batch], table.least_each_s[batch]
        if per_request_s <= 0:
            return False
        if table.tail_s[1] > self._budget_s + SURELY_S:
            return True
        counts, spans_s = self._counts, self._spans_s
        for index in range(self._pairs):
            if (counts[index] - batch) * per_request_s > spans_s[index] - least_tail_s + SURELY_S:
                return True
        return False


class _Search:
    """Asks options about the same futures, one after the other, and does not ask what it knows."""

    def __init__(self, works: list[Work], free_s: float) -> None:
        self._works = works
        self._free_s = free_s
        self._demand = Demand(works[0], free_s)
        self.forget()

    def forget(self) -> None:
        """Forget the last option."""
        self._refused: Option | None = None

    def worst(self, option: Option, most: int) -> int:
        """The misses in the worst of the futures; counting stops above `most`, and any number above it may come."""
        if self._is_no_better(option) or (most == 0 and self._demand.exceeds(option)):
            return most + 1
        worst = 0
        for index, work in enumerate(self._works):
            count = _Count(work, option.batch, option.table)
            missed = count.run(self._free_s, most)
            if missed > worst:
                worst = missed
            if missed > most:
                if index:  # what refused this option will most likely refuse the next
                    self._works.insert(0, self._works.pop(index))
                self._refused = None if count.bound else option
                break
        return worst

    def _is_no_better(self, option: Option) -> bool:
        """Whether a larger batch makes no difference: the last option was refused, its batch bound kept nobody
        waiting until then, and the last batch, which is charged as full, is not faster."""
        last = self._refused
        if last is None or option.table is not last.table or option.batch < last.batch:
            return False
        tail_s = option.table.tail_s
        return tail_s[option.batch] >= tail_s[last.batch]
