"""Measure the latency grid on a running backend.

Rounds over the grid, in random order, so that a slow minute of the machine does not look like a slow cell. Every visit
to a core count begins with a batch that is not counted: it meets the caches and the CPU quota of the visit before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.errors import BenchError
from harness.profile.grid import Grid
from harness.profile.probe import Probe
from harness.profile.values import Cell, Sample
from harness.seams import Backend
from harness.types import Allocation, Decision

WARM_UPS = 2
Watch = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Samples in the order they were taken, and the cells left out."""

    samples: tuple[Sample, ...]
    skipped: tuple[Cell, ...]


class Surveyor:
    """Walks over a grid with one backend and one probe. watch: called with (done, total, what is measured now)."""

    def __init__(
        self, backend: Backend, probe: Probe, grid: Grid, random: np.random.Generator, watch: Watch | None = None
    ) -> None:
        self._backend = backend
        self._probe = probe
        self._grid = grid
        self._random = random
        self._watch = watch or _nobody

    def survey(self, now: Callable[[], float] = time.monotonic) -> Measured:
        """Measure everything. Raises BenchError when an allocation is not applied or a batch not served."""
        begun_s = now()
        cells = self._usable_cells()
        skipped = tuple(c for c in _cells(self._grid) if c not in cells)
        samples: list[Sample] = []
        rounds = self._grid.repeats
        for done in range(rounds):
            if done >= self._grid.least_rounds and now() - begun_s > self._grid.budget_s:
                break
            samples += self._round(cells, f"round {done + 1} of {rounds}", done * len(cells), rounds * len(cells))
        return Measured(tuple(samples), skipped)

    def _usable_cells(self) -> set[Cell]:
        """Warm up on every core count; how long one image takes there tells which batches end in time."""
        usable: set[Cell] = set()
        for cores in sorted(set(self._grid.cores), reverse=True):
            self._watch(0, 1, f"warming up on {cores:g} cores")
            self._allocate(1, cores)
            image_s = min(self._probe.serve(1).service_s for _ in range(WARM_UPS))
            usable |= {(b, c) for b, c in _cells(self._grid) if c == cores and b * image_s <= self._grid.longest_s}
        return usable

    def _round(self, cells: set[Cell], title: str, done: int, total: int) -> list[Sample]:
        samples: list[Sample] = []
        for cores in self._shuffled(sorted({c for _, c in cells})):
            batches = [int(b) for b in self._shuffled(sorted(b for b, c in cells if c == cores))]
            self._allocate(1, cores)
            self._probe.serve(1)
            for batch in batches:
                self._watch(done + len(samples), total, f"{title}: batch {batch} on {cores:g} cores")
                samples.append(self._sample(batch, cores))
        return samples

    def _sample(self, batch: int, cores: float) -> Sample:
        effective_cores = self._allocate(batch, cores)
        timing = self._probe.serve(batch)
        return Sample(batch, effective_cores, timing.threads, timing.service_s, timing.preprocess_s, timing.compute_s)

    def _allocate(self, batch: int, cores: float) -> float:
        applied = self._backend.apply(Decision(Allocation(cores, batch), "profile"))
        if applied.outcome != "ok":
            raise BenchError(f"profile: {cores:g} cores, batch {batch}: {applied.outcome}: {applied.detail}")
        return round(applied.effective_cores, 6)

    def _shuffled(self, values: list[float] | list[int]) -> list[float]:
        return [float(v) for v in self._random.permutation(values)]


def _cells(grid: Grid) -> list[Cell]:
    return [(batch, cores) for batch in sorted(set(grid.batches)) for cores in sorted(set(grid.cores))]


def _nobody(_done: int, _total: int, _text: str) -> None:
    return
