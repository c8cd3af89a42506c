"""One replica serving a plan from one control interval to the next: the twin's rules, on values that can be branched.

Earliest deadline first, a batch leaves as soon as the replica is free, who cannot make it any more is shed. The same
events in the same order as in the twin, with service times as fitted or as they will be drawn; a test holds the two
equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.types import threads_for

NEVER_S = float("inf")
Predict = Callable[[int, float], float]
Draw = Callable[[int, int, float], tuple[float, int]]  # draws used up, batch, cores -> service time, draws used up then


class State(NamedTuple):
    """Everything that decides the future, at a tick. Times are those of the run.

    line: heap of (deadline in the line, index of the request). at: the next request to arrive. ends_s: when the running
    batch ends (`NEVER_S` without one); batch: latest ends that are in time, of its requests; speed_cores: what it runs
    at; own_threads: what it began with. missed: so far. core_s: granted so far. drawn: service times drawn so far.
    """

    line: tuple[tuple[float, int], ...] = ()
    at: int = 0
    ends_s: float = NEVER_S
    batch: tuple[float, ...] = ()
    speed_cores: float = 0.0
    own_threads: int = 1
    cores: float = 0.0
    batch_size: int = 1
    missed: int = 0
    core_s: float = 0.0
    drawn: int = 0


class Course(NamedTuple):
    """What is replayed. arrivals_s ascend; deadlines_s: as the line knows them; closes_s: latest ends in time.

    predict_s: fitted service time; draw_s: what it will be. soonest_s: what the drop rule holds against a deadline.
    request_s: from a tick to the request for its changes. resize_s, control_s: until a change of cores, and any other,
    is in force. duration_s: cost counts until then.
    """

    arrivals_s: Sequence[float]
    deadlines_s: Sequence[float]
    closes_s: Sequence[float]
    predict_s: Predict
    draw_s: Draw
    soonest_s: Predict
    request_s: float
    resize_s: float
    control_s: float
    duration_s: float


def advance(course: Course, state: State, now_s: float, until_s: float, cores: float, batch_size: int) -> State:
    """The state at the tick `until_s` when at the tick `now_s` these cores and this batch bound are asked for.

    Nobody asks any more once every request has ended: the control loop ends with the work.
    """
    if state.at == len(course.arrivals_s) and not state.line and not state.batch and now_s > 0:
        cores, batch_size = state.cores, state.batch_size
    changes, settles_s = _changes(course, state, now_s, cores, batch_size)
    granted = _granted_core_s(course, state.cores, cores, (now_s, now_s + course.request_s, settles_s, until_s))
    return _Server(course, state, changes).until(until_s, cores, batch_size, state.core_s + granted)


def _changes(
    course: Course, state: State, now_s: float, cores: float, batch_size: int
) -> tuple[list[tuple[float, str, float]], float]:
    """What takes effect when, in the order of `harness.control.plan_actions`; and when the cores are in force."""
    resize, batch = ("cores", cores, course.resize_s), ("batch", float(batch_size), course.control_s)
    threads = ("threads", float(threads_for(cores)), course.control_s)
    steps = []
    if cores != state.cores:
        steps.append(resize)
        if threads_for(cores) != threads_for(state.cores):
            steps.append(threads)
    if batch_size != state.batch_size:
        steps.append(batch)
    if cores < state.cores:
        steps.reverse()
    found, at_s = [], now_s + course.request_s
    settles_s = at_s
    for kind, value, takes_s in steps:
        at_s += takes_s
        found.append((at_s, kind, value))
        settles_s = at_s if kind == "cores" else settles_s
    return found, settles_s


def _granted_core_s(course: Course, before: float, after: float, times_s: Sequence[float]) -> float:
    """times_s: the tick, the request, when it is in force, and the tick after."""
    tick_s, asked_s, settles_s, until_s = (min(t_s, course.duration_s) for t_s in times_s)
    changing = max(before, after) * (settles_s - asked_s)
    return before * (asked_s - tick_s) + changing + after * (until_s - settles_s)


class _Server:
    """The replica and its line, between two ticks."""

    def __init__(self, course: Course, state: State, changes: list[tuple[float, str, float]]) -> None:
        self._course = course
        self._changes = changes
        self._line = list(state.line)
        self._at = state.at
        self._ends_s, self._batch, self._missed = state.ends_s, state.batch, state.missed
        self._cores, self._batch_size = state.cores, state.batch_size
        self._threads = threads_for(state.cores)
        self._drawn = state.drawn
        self._speed_cores, self._own_threads = state.speed_cores, state.own_threads

    def until(self, until_s: float, cores: float, batch_size: int, core_s: float) -> State:
        """Everything that happens before the tick."""
        arrivals_s, deadlines_s = self._course.arrivals_s, self._course.deadlines_s
        many, line, at_change = len(arrivals_s), self._line, 0
        while True:
            arrives_s = arrivals_s[self._at] if self._at < many else NEVER_S
            changes_s = self._changes[at_change][0] if at_change < len(self._changes) else NEVER_S
            if self._ends_s <= arrives_s and self._ends_s <= changes_s:
                if self._ends_s > until_s:
                    break
                now_s = self._finish()
            elif arrives_s <= changes_s:
                if arrives_s > until_s:
                    break
                now_s = arrives_s
                heapq.heappush(line, (deadlines_s[self._at], self._at))
                self._at += 1
            else:
                now_s, kind, value = self._changes[at_change]
                at_change += 1
                self._take(now_s, kind, value)
            if self._ends_s == NEVER_S and line:
                self._dispatch(now_s)
        return State(
            tuple(line), self._at, self._ends_s, self._batch, self._speed_cores, self._own_threads,
            cores, batch_size, self._missed, core_s, self._drawn,
        )  # fmt: skip

    def _finish(self) -> float:
        now_s = self._ends_s
        for closes_s in self._batch:
            if closes_s < now_s:
                self._missed += 1
        self._ends_s, self._batch = NEVER_S, ()
        return now_s

    def _take(self, now_s: float, kind: str, value: float) -> None:
        if kind == "batch":
            self._batch_size = int(value)
        elif kind == "threads":
            self._threads = int(value)
        else:
            self._cores = value
            self._change_speed(now_s, min(value, float(self._own_threads)))

    def _change_speed(self, now_s: float, speed_cores: float) -> None:
        if self._ends_s == NEVER_S or speed_cores == self._speed_cores:
            return
        size, predict_s = len(self._batch), self._course.predict_s
        self._ends_s = now_s + (self._ends_s - now_s) * (
            predict_s(size, speed_cores) / predict_s(size, self._speed_cores)
        )
        self._speed_cores = speed_cores

    def _dispatch(self, now_s: float) -> None:
        line, closes_s = self._line, self._course.closes_s
        soonest_s = now_s + self._course.soonest_s(1, self._cores)
        while line and (soonest_s > line[0][0] or now_s > line[0][0]):
            heapq.heappop(line)
            self._missed += 1
        if not line:
            return
        self._batch = tuple(closes_s[heapq.heappop(line)[1]] for _ in range(min(len(line), self._batch_size)))
        self._own_threads = self._threads
        self._speed_cores = min(self._cores, float(self._threads))
        service_s, self._drawn = self._course.draw_s(self._drawn, len(self._batch), self._speed_cores)
        self._ends_s = now_s + service_s
