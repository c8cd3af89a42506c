"""How a verdict comes about: findings under named conditions, and the rule over them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.stats.interval import Estimate

State = Literal["holds", "fails", "undecided", "missing"]
INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must be for a claim to hold: within [least, most] and over `above`, in the unit of the value."""

    least: float = -INFINITE
    most: float = INFINITE
    above: float = -INFINITE

    def state(self, one: Estimate) -> State:
        """`holds` when the whole interval is within, `fails` when none of it is, `undecided` between.

        Without an interval (one unit, or a ratio that has none) nothing is decided, whatever the value.
        """
        low, high = one.low, one.high
        if math.isnan(low) or math.isnan(high):
            return "undecided"
        if self.least <= low and low > self.above and high <= self.most:
            return "holds"
        return "fails" if high < self.least or high <= self.above or low > self.most else "undecided"


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim's value under one condition. required: the verdict `reproduced` needs it. estimate: None when missing.

    fitted: what the value rests on was fitted to the published series, so that it agrees with them in part by design.
    """

    condition: str
    estimate: Estimate | None
    state: State
    required: bool
    fitted: bool = False


def finding(
    condition: str, estimate: Estimate | None, bound: Bound, *, required: bool, fitted: bool = False
) -> Finding:
    """Judge a value; a missing one is `missing`."""
    known = estimate is not None and not math.isnan(estimate.value)
    return Finding(condition, estimate, bound.state(estimate) if known and estimate else "missing", required, fitted)


WORST_FIRST: Sequence[State] = ("missing", "fails", "undecided", "holds")


def while_also(main: Finding, estimate: Estimate | None, bound: Bound) -> Finding:
    """A finding that counts only while a second value is within its bound: the worse of the two states."""
    other = finding(main.condition, estimate, bound, required=main.required)
    return replace(main, state=min(main.state, other.state, key=WORST_FIRST.index))


def verdict(findings: Sequence[Finding]) -> str:
    """The verdict over a claim's findings, given from the fairest condition to the most obliging one.

    1. `reproduced`: it holds under every required condition.
    2. `not measured`: a required condition has no data (named).
    3. `reproduced only with X`: it holds under some conditions; X is the first of them.
    4. `undecided`: it holds under none, and an interval reaches over the bound.
    5. `not reproduced`: it fails under all.

    Where 1 or 3 rests on a fitted finding, `reproduced` reads `consistent`, followed by `(with fitted inputs)`.
    """
    required = [one for one in findings if one.required]
    if required and all(one.state == "holds" for one in required):
        return agreeing("", fitted=any(one.fitted for one in required))
    if missing := [one.condition for one in required if one.state == "missing"]:
        return f"not measured ({'; '.join(missing)})"
    if holding := [one for one in findings if one.state == "holds"]:
        return agreeing(f" only with {holding[0].condition}", fitted=holding[0].fitted)
    return "undecided" if any(one.state == "undecided" for one in findings) else "not reproduced"


def agreeing(where: str, *, fitted: bool) -> str:
    """The word for a claim that holds: what was fitted to agree is not reproduced by agreeing."""
    return f"consistent{where} (with fitted inputs)" if fitted else f"reproduced{where}"
