"""Which cells of the latency grid are measured, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import UsageError, bad_value


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells to measure: every batch size on every core count, `repeats` times each.

    longest_s: cells expected to take longer are left out; no deadline allows anyone to use them.
    budget_s: after this time no further round over the grid begins, once `least_rounds` are done.
    """

    cores: tuple[float, ...]
    batches: tuple[int, ...]
    repeats: int = 5
    longest_s: float = 0.75
    budget_s: float = 20.0
    least_rounds: int = 3

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        _check_axis(place, "cores", self.cores)
        _check_axis(place, "batches", self.batches)
        if self.repeats < 1:
            raise bad_value(place, "repeats", self.repeats, "must be >= 1")
        if not all(type(batch) is int for batch in self.batches):
            raise bad_value(place, "batches", self.batches, "must be whole numbers")

    def covers(self, other: Grid) -> bool:
        """Whether a model fitted to this grid may answer for the other: it reaches as far, with as many points on the
        way, each measured as often."""
        return self.repeats >= other.repeats and all(
            min(mine) <= min(theirs) and max(theirs) <= max(mine) and len(mine) >= len(theirs)
            for mine, theirs in ((self.cores, other.cores), (self.batches, other.batches))
        )

    def text(self) -> str:
        """For people: `cores 0.4,1.6, batches 1,4, 3 times`."""
        cores, batches = (",".join(f"{value:g}" for value in axis) for axis in (self.cores, self.batches))
        return f"cores {cores}, batches {batches}, {self.repeats} times"


def default_cores(host_cores: int) -> tuple[float, ...]:
    """Five core counts up to 80 % of the host, the rest left to gateway, load driver and harness."""
    most = 0.8 * host_cores
    return tuple(round(most * share, 2) for share in (0.125, 0.25, 0.5, 0.75, 1.0))


def _check_axis(place: str, name: str, values: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise bad_value(place, name, values, "must be finite and > 0")
    if len(set(values)) < 2:
        raise UsageError(f"{place}: {name} = {values}; must be at least 2 different values, or no model can be fitted")
