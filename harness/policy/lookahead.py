"""Sponge's constraint over the actual queue and the arrivals to come: a look ahead over one control interval.

Requests are served earliest deadline first, in batches of at most b, by one replica that never idles while work
waits. The published rule is the special case "all requests are here now and share one deadline".
Source: the description in arXiv:2404.00704; docs/decisions.md says what is ours.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Expected(NamedTuple):
    """A request that waits (released now) or is expected (released later). Seconds on the run clock."""

    release_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """Service times of batches of 1..b on one core count; index 0 is unused.

    mean_s: what a batch is expected to take: when the next one can start.
    tail_s: what it may take: what its deadline is held against.
    """

    mean_s: tuple[float, ...]
    tail_s: tuple[float, ...]


def misses(work: Sequence[Expected], free_s: float, batch: int, table: ServiceTable, most: int) -> int:
    """How many requests of `work` (ascending by release) would miss their deadline; counting stops above `most`.

    free_s: when the replica can start. A request that cannot make it even alone is shed and counts as missed, as in
    the engine. The batch that takes the last known request is charged as full, because more will follow it.
    """
    missed, next_index, now_s = 0, 0, free_s
    waiting: list[float] = []
    while next_index < len(work) or waiting:
        if not waiting:
            now_s = max(now_s, work[next_index].release_s)
        while next_index < len(work) and work[next_index].release_s <= now_s:
            heapq.heappush(waiting, work[next_index].deadline_s)
            next_index += 1
        taken = _take(waiting, batch, now_s + table.tail_s[1])
        missed += taken.shed
        if taken.size:
            last = not waiting and next_index == len(work)
            charged = batch if last else taken.size
            missed += sum(deadline_s < now_s + table.tail_s[charged] for deadline_s in taken.deadlines)
            now_s += table.mean_s[charged]
        if missed > most:
            return missed
    return missed


class _Taken(NamedTuple):
    deadlines: tuple[float, ...]
    shed: int

    @property
    def size(self) -> int:
        return len(self.deadlines)


def _take(waiting: list[float], batch: int, soonest_s: float) -> _Taken:
    """Up to `batch` of the earliest deadlines, passing over what cannot be met by `soonest_s`."""
    deadlines: list[float] = []
    shed = 0
    while waiting and len(deadlines) < batch:
        deadline_s = heapq.heappop(waiting)
        if deadline_s < soonest_s:
            shed += 1
        else:
            deadlines.append(deadline_s)
    return _Taken(tuple(deadlines), shed)


class Option(NamedTuple):
    """One allocation to consider, with its service times."""

    cores: float
    batch: int
    table: ServiceTable


class Outcome(NamedTuple):
    """The best option and the misses expected with it."""

    option: Option
    missed: int


def fewest_misses(
    options: Iterator[Option] | Sequence[Option], futures: Sequence[Sequence[Expected]], free_s: float
) -> Outcome | None:
    """The first option, in their order, with the fewest misses in the worst of the futures; None without options.

    With options ascending by cores, then batch, this is the smallest allocation that meets every deadline that can be
    met: when all can, it is the integer program's answer; when not, the largest allocation that is of any use.
    """
    best: Outcome | None = None
    for option in options:
        most = best.missed - 1 if best else len(max(futures, key=len, default=()))
        worst = 0
        for future in futures:
            worst = max(worst, misses(future, free_s, option.batch, option.table, most))
            if worst > most:
                break
        if best is None or worst < best.missed:
            best = Outcome(option, worst)
        if best.missed == 0:
            break
    return best
