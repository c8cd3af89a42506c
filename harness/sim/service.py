"""How long a batch takes in the twin: the fitted mean times an empirical residual of the nearest measured cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from harness.latency import LatencyModel

_BLOCK: Final = 4096
Cell = tuple[int, float]  # batch size, cores


class ServiceTimes:
    """Draws service times. ratios: measured / fitted per (batch, cores), each list in any order; empty means that
    every batch takes exactly the fitted time. The same generator gives the same draws. factors: multiplied onto what
    was drawn, one per batch in the order they start, from the first again after the last; empty means none."""

    def __init__(
        self,
        latency: LatencyModel,
        ratios: Mapping[Cell, Sequence[float]],
        generator: np.random.Generator,
        factors: Sequence[float] = (),
    ) -> None:
        self._latency = latency
        self._ratios = {cell: list(values) for cell, values in ratios.items()}
        self._generator = generator
        self._factors = list(factors)
        self._started = 0
        self._known: dict[Cell, list[float]] = {}
        self._uniform: list[float] = []
        self._next = 0

    def mean_s(self, batch: int, cores: float) -> float:
        """The fitted service time."""
        return float(self._latency.predict_s(batch, cores))

    def draw_s(self, batch: int, cores: float) -> float:
        """One service time."""
        times_s = self._known.get((batch, cores))
        if times_s is None:
            times_s = self._times_s(batch, cores)
            self._known[(batch, cores)] = times_s
        if self._factors:
            return self._one_of(times_s) * self._next_factor()
        return self._one_of(times_s)

    def _next_factor(self) -> float:
        factor = self._factors[self._started]
        self._started = (self._started + 1) % len(self._factors)
        return factor

    def _one_of(self, times_s: list[float]) -> float:
        if len(times_s) == 1:
            return times_s[0]
        if self._next == len(self._uniform):
            self._uniform = self._generator.random(_BLOCK).tolist()
            self._next = 0
        at = int(self._uniform[self._next] * len(times_s))
        self._next += 1
        return times_s[at]

    def _times_s(self, batch: int, cores: float) -> list[float]:
        mean_s = self.mean_s(batch, cores)
        if not self._ratios:
            return [mean_s]
        cell = min(self._ratios, key=lambda known: distance(known, (batch, cores)))
        return [mean_s * ratio for ratio in self._ratios[cell]]


def distance(one: Cell, other: Cell) -> float:
    """Between cells, by ratio: 1 and 2 are as far apart as 4 and 8. Batch sizes count as much as cores."""
    return abs(math.log(one[0] / other[0])) + abs(math.log(one[1] / other[1]))
