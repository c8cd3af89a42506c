"""The linear program behind the floor, solved with PuLP's CBC: which prices prove most.

Per stretch (control interval) a mix of core counts y_a, summing to 1; per slot k at most sum_a y_a * rate_k(a) *
length_k requests' worth of service; each request is served within its window, in parts if need be, or missed at a
price. Minimise granted core-seconds plus the price of misses. What it relaxes: core counts may be mixed within an
interval, requests divided, batches be as large as what is present in the slot and end in parts, and windows are
widened to whole slots. The dual of the slots' capacity is the price of service in them.

Long plans are solved in pieces that overlap; the prices of the middles are put together. That can only lower the floor
(any prices prove one), and keeps the time linear in the length of the plan.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pulp

from harness.errors import BenchError
from harness.oracle.foresight import Floats, Ints, Speeds
from harness.oracle.slots import Slots

PIECE_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """One plan's program. spans: first and last slot of each window. present: windows that touch each slot."""

    speeds: Speeds
    slots: Slots
    spans: tuple[Ints, Ints]
    present: Ints

    def prices(self, miss_core_s: float, *, free: bool = False) -> Floats:
        """Price of service per slot when a miss costs `miss_core_s`; free: when cores cost nothing."""
        found = np.zeros(len(self.slots))
        borders_s = self.slots.borders_s
        widest = int((self.spans[1] - self.spans[0]).max(initial=0)) + 1
        begin_s = 0.0
        while begin_s < borders_s[-1]:
            inner = self._range(begin_s, begin_s + PIECE_S)
            outer = range(max(0, inner.start - 3 * widest), min(len(found), inner.stop + 3 * widest))
            found[inner.start : inner.stop] = self._piece(outer, miss_core_s, free=free)[
                inner.start - outer.start : inner.stop - outer.start
            ]
            begin_s += PIECE_S
        return found

    def _range(self, from_s: float, to_s: float) -> range:
        begins_s = self.slots.borders_s[:-1]
        return range(int(np.searchsorted(begins_s, from_s)), int(np.searchsorted(begins_s, to_s)))

    def _piece(self, outer: range, miss_core_s: float, *, free: bool) -> Floats:
        first, last = self.spans
        inside = (first >= outer.start) & (last < outer.stop)
        groups = Counter(zip(first[inside].tolist(), last[inside].tolist(), strict=True))
        if not groups:
            return np.zeros(len(outer))
        program = _Program(self, outer, miss_core_s, free=free)
        for (begin, end), many in sorted(groups.items()):
            program.serve(begin, end, many)
        return program.solve()


class _Program:
    """The program of one piece."""

    def __init__(self, relaxation: Relaxation, outer: range, miss_core_s: float, *, free: bool) -> None:
        self._miss_core_s = miss_core_s
        self._outer = outer
        self._program = pulp.LpProblem("floor", pulp.LpMinimize)
        self._cost: list[tuple[Any, float]] = []
        self._served: dict[int, list[tuple[Any, float]]] = {slot: [] for slot in outer}
        self._groups = 0
        self._allow(relaxation, free=free)

    def serve(self, begin: int, end: int, many: int) -> None:
        """These requests are served in slots begin .. end, or missed."""
        name = f"g{self._groups}"
        self._groups += 1
        missed = self._program.add_variable(f"{name}_missed", 0)
        self._cost.append((missed, self._miss_core_s))
        parts = [(missed, 1.0)]
        for slot in range(begin, end + 1):
            part = self._program.add_variable(f"{name}_{slot}", 0)
            self._served[slot].append((part, -1.0))
            parts.append((part, 1.0))
        self._program.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(parts), pulp.LpConstraintEQ, name, many))

    def solve(self) -> Floats:
        """Prices per slot of the piece. Raises BenchError when the solver finds no optimum."""
        for slot, terms in self._served.items():
            expression = pulp.LpAffineExpression(terms)
            self._program.addConstraint(pulp.LpConstraint(expression, pulp.LpConstraintGE, f"s{slot}", 0))
        self._program.setObjective(pulp.LpAffineExpression(self._cost))
        status = self._program.solve(pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False))
        if status != pulp.LpStatusOptimal:
            raise BenchError(f"relaxation: the solver ended {pulp.LpStatus[status]!r}")
        found = [self._program.get_constraint_by_name(f"s{slot}").pi or 0.0 for slot in self._outer]
        return np.maximum(found, 0.0)

    def _allow(self, relaxation: Relaxation, *, free: bool) -> None:
        """The cores that may be in force in each stretch."""
        speeds, slots = relaxation.speeds, relaxation.slots
        length_s = np.diff(slots.borders_s)
        for stretch, members in _stretches(slots, self._outer).items():
            mixed = []
            for level, cores in enumerate(speeds.cores):
                share = self._program.add_variable(f"y{stretch}_{level}", 0)
                mixed.append((share, 1.0))
                costs_nothing = free or slots.stretch[members[0]] < 0
                self._cost.append((share, 0.0 if costs_nothing else cores * float(length_s[members].sum())))
                for slot in members:
                    rate_rps = speeds.rate_rps(level, int(relaxation.present[slot]))
                    self._served[slot].append((share, rate_rps * float(length_s[slot])))
            name = f"mix{stretch}"
            expression = pulp.LpAffineExpression(mixed)
            self._program.addConstraint(pulp.LpConstraint(expression, pulp.LpConstraintEQ, name, 1))


def _stretches(slots: Slots, outer: range) -> dict[str, list[int]]:
    """The slots of each stretch; those that cost nothing each on their own."""
    members: dict[str, list[int]] = {}
    for slot in outer:
        stretch = int(slots.stretch[slot])
        members.setdefault(f"f{slot}" if stretch < 0 else str(stretch), []).append(slot)
    return members
