"""Time cut into slots, in which prices are constant, and slots joined into stretches, in which cores are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.oracle.foresight import SLACK_S, Bools, Floats, Foresight, Ints, Windows

SLOTS_PER_TICK = 10


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """borders_s: n + 1 ascending times. stretch: for each slot, the control interval it belongs to, or -1 when it costs
    nothing (after the end of the plan). moving: whether a change of cores may still be under way in it.
    steady: whether cores change only once per control interval; otherwise every slot is a stretch of its own.
    """

    borders_s: Floats
    stretch: Ints
    moving: Bools
    steady: bool

    def __len__(self) -> int:
        return len(self.stretch)

    def spans(self, windows: Windows) -> tuple[Ints, Ints]:
        """First and last slot that each window touches."""
        last = len(self) - 1
        first = np.searchsorted(self.borders_s, windows.opens_s, side="right") - 1
        final = np.searchsorted(self.borders_s, windows.closes_s, side="left") - 1
        return np.clip(first, 0, last), np.clip(final, 0, last)

    def present(self, spans: tuple[Ints, Ints]) -> Ints:
        """How many windows touch each slot: no batch in it can have more requests that are met."""
        steps = np.zeros(len(self) + 1, np.int64)
        np.add.at(steps, spans[0], 1)
        np.add.at(steps, spans[1] + 1, -1)
        return np.cumsum(steps)[:-1]


def slots_of(foresight: Foresight, windows: Windows) -> Slots:
    """Tenths of control intervals up to the last deadline, cut again where changes settle and where cost ends."""
    tick_s, end_s = foresight.conditions.tick_s, foresight.duration_s
    last_s = max([end_s, *(windows.closes_s.max(initial=0.0),)]) + SLACK_S
    settles_s = foresight.ways.slowest_change_s + SLACK_S
    steady = settles_s < tick_s
    ticks_s = np.arange(int(last_s / tick_s) + 2) * tick_s
    parts_s = (ticks_s[:, None] + np.arange(SLOTS_PER_TICK) * (tick_s / SLOTS_PER_TICK)).ravel()
    cuts_s = np.concatenate((parts_s, ticks_s[1:] + settles_s, [end_s])) if steady else np.append(parts_s, end_s)
    borders_s = np.unique(cuts_s[cuts_s < last_s])
    borders_s = np.append(borders_s, last_s)
    begins_s = borders_s[:-1]
    tick = np.searchsorted(ticks_s, begins_s, side="right") - 1
    moving = (tick > 0) & (begins_s < ticks_s[tick] + settles_s) & steady
    stretch = tick if steady else np.arange(len(begins_s))
    return Slots(borders_s, np.where(begins_s < end_s, stretch, -1), moving, steady)
