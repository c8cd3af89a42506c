"""A schedule that comes near the floor: a beam search over control intervals, led by the floor's own prices.

At every tick each kept state is continued with every core count and some batch bounds; of all continuations the best
few are kept. Best is what was granted so far, plus the misses at their price, plus what the requests that are still
waiting or in service will cost at the prices of the relaxation within what is left of their windows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.engine.configured import FAST_QUANTILE
from harness.oracle.foresight import Floats, Foresight
from harness.oracle.serving import NEVER_S, Course, Predict, State, advance
from harness.oracle.slots import Slots
from harness.types import threads_for


@dataclass(frozen=True, slots=True)
class Schedule:
    """cores and batch_size for each control interval, the first from the start of the run on; and what they lead to
    when service takes exactly as long as it was planned with."""

    cores: tuple[float, ...]
    batch_size: tuple[int, ...]
    missed: int
    core_s: float


class _Node(NamedTuple):
    """A state and how it was reached."""

    score: float
    state: State
    choice: tuple[float, int]
    before: _Node | None


def course_of(foresight: Foresight, pace: float) -> Course:
    """The plan as `serving` takes it. pace: service times over the fitted ones, unless draws are known."""
    latency, ways = foresight.conditions.latency, foresight.ways
    in_s, out_s = max(ways.inbound_s), max(ways.outbound_s)
    predict_s = _remembered(latency.predict_s)

    def paced_s(drawn: int, batch: int, cores: float) -> tuple[float, int]:
        return predict_s(batch, cores) * pace, drawn

    return Course(
        arrivals_s=(foresight.due_s + in_s).tolist(),
        deadlines_s=(foresight.deadline_s + in_s).tolist(),
        closes_s=(foresight.deadline_s - out_s).tolist(),
        predict_s=predict_s,
        draw_s=foresight.draw_s or paced_s,
        soonest_s=_remembered(lambda batch, cores: latency.predict_quantile_s(batch, cores, FAST_QUANTILE)),
        request_s=max(ways.request_s),
        resize_s=max(ways.resize_s),
        control_s=max(ways.control_s),
        duration_s=foresight.duration_s,
    )


def _remembered(predict_s: Predict) -> Predict:
    """The same, looked up where it was asked before."""
    known: dict[tuple[int, float], float] = {}

    def looked_up(batch: int, cores: float) -> float:
        key = batch, cores
        if key not in known:
            known[key] = predict_s(batch, cores)
        return known[key]

    return looked_up


class Search:
    """Searches one plan. width: states kept per tick. miss_core_s: what a miss counts for."""

    def __init__(
        self, foresight: Foresight, course: Course, slots: Slots, prices: Floats, width: int, miss_core_s: float
    ) -> None:
        conditions = foresight.conditions
        self._course = course
        self._slots = slots
        self._prices = prices
        self._width = width
        self._miss_core_s = miss_core_s
        self._cores = conditions.cores.values()
        self._max_batch = conditions.max_batch
        # A change that takes longer than an interval lets ticks pass: then decide every so many ticks.
        self._every = int(foresight.ways.slowest_change_s / conditions.tick_s) + 1
        self._tick_s = conditions.tick_s
        self._rescue_s = conditions.slo_s + self._every * conditions.tick_s
        self._ticks = int(np.ceil(float(slots.borders_s[-1]) / self._tick_s)) + 1

    def missed_by_all_cores(self) -> int:
        """Misses when all cores are granted throughout."""
        end_s = self._ticks * self._tick_s
        begun = _begun(self._cores[-1], self._max_batch)
        return advance(self._course, begun, 0.0, end_s, self._cores[-1], self._max_batch).missed

    def schedule(self) -> Schedule:
        """The best schedule found."""
        choices = [(cores, self._max_batch) for cores in self._cores]
        nodes = [_Node(0.0, _begun(*choice), choice, None) for choice in choices]
        nodes = [self._moved(node, node.choice, 0, self._every) for node in nodes]
        tick = self._every
        while tick < self._ticks:
            after = tick + self._every
            ahead = self._ahead(after * self._tick_s)
            nodes = self._best(
                (self._scored(self._moved(n, c, tick, after), ahead) for n in nodes for c in choices), after
            )
            tick = after
        return self._told(min(nodes, key=lambda node: node.score))

    def _moved(self, node: _Node, choice: tuple[float, int], tick: int, after: int) -> _Node:
        state = advance(self._course, node.state, tick * self._tick_s, after * self._tick_s, *choice)
        return _Node(0.0, state, choice, node)

    def _scored(self, node: _Node, ahead: tuple[int, float, list[float]]) -> _Node:
        state, now_s = node.state, ahead[1]
        worth = sum(self._worth(self._course.closes_s[index], ahead) for _, index in state.line)
        if state.ends_s != NEVER_S:
            whole_s = self._course.predict_s(len(state.batch), state.speed_cores)
            left = min(1.0, (state.ends_s - now_s) / whole_s)
            worth += left * sum(self._worth(closes_s, ahead) for closes_s in state.batch)
        score = state.core_s + self._miss_core_s * state.missed + worth
        return node._replace(score=score)

    def _ahead(self, now_s: float) -> tuple[int, float, list[float]]:
        """Least price from now on up to each of the coming slots."""
        borders_s = self._slots.borders_s
        slot = int(np.searchsorted(borders_s, now_s, side="right")) - 1
        least = np.minimum.accumulate(self._prices[slot : slot + 400])
        return slot, now_s, least.tolist() or [0.0]

    def _worth(self, closes_s: float, ahead: tuple[int, float, list[float]]) -> float:
        slot, now_s, least = ahead
        if closes_s <= now_s:
            return self._miss_core_s
        at = int(np.searchsorted(self._slots.borders_s, closes_s)) - 1 - slot
        return least[min(max(at, 0), len(least) - 1)]

    def _best(self, nodes: Iterator[_Node], after: int) -> list[_Node]:
        """The best, one of those that look alike from here on."""
        found: dict[tuple[object, ...], _Node] = {}
        for node in nodes:
            state = node.state
            key = (state.line, state.ends_s, state.cores, state.batch_size, state.drawn)
            if key not in found or node.score < found[key].score:
                found[key] = node
        waiting = [(node.score, serial, node, False) for serial, node in enumerate(found.values())]
        heapq.heapify(waiting)
        best: list[_Node] = []
        while waiting and len(best) < self._width:
            score, serial, node, seen = heapq.heappop(waiting)
            if seen:
                best.append(node._replace(score=score))
                continue
            doomed = self._doomed(node.state, after)
            heapq.heappush(waiting, (score + self._miss_core_s * doomed, serial, node, True))
        return best

    def _doomed(self, state: State, tick: int) -> int:
        """Misses within the time of an SLO and an interval that not even all cores from now on avert."""
        until_s = tick * self._tick_s + self._rescue_s
        rescued = advance(self._course, state, tick * self._tick_s, until_s, self._cores[-1], state.batch_size)
        return rescued.missed - state.missed

    def _told(self, node: _Node) -> Schedule:
        end, choices = node.state, []
        at: _Node | None = node
        while at is not None:
            choices.append(at.choice)
            at = at.before
        choices = choices[-2::-1]  # the first node is there twice: before and after its first interval
        cores = tuple(c for c, _ in choices for _ in range(self._every))
        batch_size = tuple(b for _, b in choices for _ in range(self._every))
        return Schedule(cores, batch_size, end.missed, end.core_s)


def _begun(cores: float, batch_size: int) -> State:
    return State(cores=cores, batch_size=batch_size, own_threads=threads_for(cores))
