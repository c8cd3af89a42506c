"""What is known about one number: the value and its interval, or why there is no interval."""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval [low, high], in the unit of the value; NaN where refused says why there is none.

    n: independent units behind it (runs), or time bins when it comes from within one run.
    """

    value: float
    low: float = NAN
    high: float = NAN
    n: int = 0
    refused: str = ""

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit; factor > 0."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor, self.n, self.refused)
