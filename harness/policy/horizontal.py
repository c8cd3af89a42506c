"""What systems that scale out share: how big one replica is, how many there may be, and how large its batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.errors import bad_value
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions
from harness.types import Allocation


@dataclass(frozen=True, slots=True)
class ReplicaUnit:
    """Replicas of one size. most: as many as the scenario's largest core count has room for."""

    cores: float
    most: int

    def within(self, replicas: int, fewest: int = 1) -> int:
        """The nearest count of replicas that is allowed."""
        return min(max(replicas, fewest), self.most)

    def allocation(self, current: Allocation, replicas: int, batch: int) -> Allocation:
        """So many of these replicas, or the nearest count allowed."""
        return replace(current, cores=self.cores, replicas=self.within(replicas), batch_size=batch)


def replica_unit(conditions: Conditions, replica_cores: float | None, place: str) -> ReplicaUnit:
    """Replicas of `replica_cores`; None is the smallest allocation of the grid: 1 core on a grid of whole cores.

    Raises UsageError naming `place` when the grid has no such allocation.
    """
    grid = conditions.cores
    cores = grid.min_cores if replica_cores is None else replica_cores
    if not any(math.isclose(cores, value) for value in grid.values()):
        raise bad_value(place, "replica_cores", cores, f"must be on the scenario's grid of cores, {grid.describe()}")
    return ReplicaUnit(cores, max(1, math.floor(grid.values()[-1] / cores + 1e-9)))


def largest_batch(latency: LatencyModel, cores: float, budget_s: float, max_batch: int) -> int:
    """The largest batch of 1..max_batch that is expected to be served within `budget_s`; 1 when none is."""
    fits = [batch for batch in range(1, max_batch + 1) if latency.predict_s(batch, cores) <= budget_s + 1e-9]
    return max(fits, default=1)


def check_start_replicas(unit: ReplicaUnit, start_replicas: int | None, place: str) -> int:
    """How many replicas to start with; None is as many as there may be. Raises UsageError naming `place`."""
    if start_replicas is None:
        return unit.most
    if not 1 <= start_replicas <= unit.most:
        rule = f"must be 1 .. {unit.most}, what the scenario's cores have room for"
        raise bad_value(place, "start_replicas", start_replicas, rule)
    return start_replicas
