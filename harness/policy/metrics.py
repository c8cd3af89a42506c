"""Usage as a metrics server shows it to a controller: means over a window of the recent past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.types import Usage


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean cores one replica used from one time to another."""

    cores: float
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class UsageHistory:
    """The readings of a window, as a value a policy can remember."""

    readings: tuple[Usage, ...] = ()

    def with_readings(self, came: Sequence[Usage], window_s: float) -> UsageHistory:
        """With new readings, and without those of each replica that lie before the window that ends with its last."""
        kept: list[Usage] = []
        for name in dict.fromkeys(usage.replica for usage in came):  # a replica that is no longer read is forgotten
            kept += _last(sorted(self._of(name) | {u for u in came if u.replica == name}, key=_time_s), window_s)
        return UsageHistory(tuple(kept)) if came else self

    def measured(self) -> dict[str, Measured]:
        """By replica; without those that were read only once, because a mean needs a beginning and an end."""
        found = {}
        for name in dict.fromkeys(usage.replica for usage in self.readings):
            readings = sorted(self._of(name), key=_time_s)
            from_s, to_s = readings[0].t_s, readings[-1].t_s
            if to_s > from_s:
                used_core_s = sum(b.used_cores * (b.t_s - a.t_s) for a, b in pairwise(readings))
                found[name] = Measured(used_core_s / (to_s - from_s), from_s, to_s)
        return found

    def _of(self, name: str) -> set[Usage]:
        return {usage for usage in self.readings if usage.replica == name}


def _last(readings: list[Usage], window_s: float) -> list[Usage]:
    """The end of `readings` that covers the window: from the last reading that is not inside it."""
    from_s = readings[-1].t_s - window_s
    first = max((k for k, usage in enumerate(readings) if usage.t_s <= from_s + 1e-9), default=0)
    return readings[first:]


def _time_s(usage: Usage) -> float:
    return usage.t_s
