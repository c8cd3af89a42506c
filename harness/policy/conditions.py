"""The conditions a policy is built for: the same for every system of a scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import bad_value
from harness.latency import LatencyModel

MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class CoreGrid:
    """The core counts an allocation may have: min, min + step, ... up to max (cores, may be fractional)."""

    min_cores: float
    max_cores: float
    step_cores: float

    def validate(self, place: str) -> None:
        """Raise UsageError when this is no grid."""
        for name in ("min_cores", "max_cores", "step_cores"):
            if not 0 < getattr(self, name) < math.inf:
                raise bad_value(place, name, getattr(self, name), "must be > 0 and finite")
        if self.max_cores < self.min_cores:
            raise bad_value(place, "max_cores", self.max_cores, f"must be >= min_cores = {self.min_cores}")
        if (self.max_cores - self.min_cores) / self.step_cores > MOST_STEPS:
            raise bad_value(place, "step_cores", self.step_cores, f"must make at most {MOST_STEPS} steps")

    def values(self) -> tuple[float, ...]:
        """All core counts, ascending."""
        steps = math.floor((self.max_cores - self.min_cores) / self.step_cores + 1e-9)
        return tuple(round(self.min_cores + k * self.step_cores, 9) for k in range(steps + 1))

    def describe(self) -> str:
        """The grid in words, for errors."""
        return f"{self.min_cores:g} .. {self.values()[-1]:g} in steps of {self.step_cores:g}"

    def at_least(self, cores: float) -> float:
        """The smallest core count of the grid that is not below `cores`; the largest when there is none."""
        values = self.values()
        return next((value for value in values if value >= cores - 1e-9), values[-1])


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every policy of a scenario knows beforehand.

    rate_rps: the mean rate the scenario states, for systems that are configured with one; 0 when it states none.
    """

    cores: CoreGrid
    max_batch: int
    slo_s: float
    tick_s: float
    latency: LatencyModel
    rate_rps: float = 0.0
