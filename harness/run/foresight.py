"""What a clairvoyant system is told of a run: its whole plan, and how long things take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.latency import LatencyModel
from harness.oracle.foresight import Foresight, Ways
from harness.policy.conditions import Conditions
from harness.scenario import Scenario
from harness.sim.service import Cell, distance
from harness.sim.spec import TwinSpec
from harness.tables import PLAN, read_parquet

DRAWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Known:
    """The twin a run is to happen in: its parameters, its seed, and measured / fitted service times per cell."""

    spec: TwinSpec
    seed: int
    ratios: Mapping[Cell, Sequence[float]] = field(default_factory=dict)


class Luck:
    """The service times a twin will draw: the same numbers in the same order as `ServiceTimes` takes them."""

    def __init__(self, latency: LatencyModel, known: Known) -> None:
        self._latency = latency
        self._ratios = known.ratios
        self._generator = np.random.default_rng(np.random.SeedSequence(known.seed).spawn(3)[0])
        self._uniform: list[float] = []
        self._times_s: dict[Cell, list[float]] = {}

    def draw_s(self, drawn: int, batch: int, cores: float) -> tuple[float, int]:
        """Service time of the next batch when `drawn` times were drawn before, and how many there are then."""
        times_s = self._times_s.get((batch, cores))
        if times_s is None:
            times_s = self._times_s[(batch, cores)] = self._cell_times_s(batch, cores)
        if len(times_s) == 1:
            return times_s[0], drawn
        while drawn >= len(self._uniform):
            self._uniform += self._generator.random(DRAWS_AT_ONCE).tolist()
        return times_s[int(self._uniform[drawn] * len(times_s))], drawn + 1

    def _cell_times_s(self, batch: int, cores: float) -> list[float]:
        mean_s = self._latency.predict_s(batch, cores)
        cell = min(self._ratios, key=lambda known: distance(known, (batch, cores)))
        return [mean_s * ratio for ratio in self._ratios[cell]]


def foresight_of(
    scenario: Scenario, system: str, conditions: Conditions, plan_path: Path, known: Known | None = None
) -> Foresight:
    """All that can be known before the run; without `known`, of a real one. Raises UsageError for a bad plan file."""
    if known is None:
        spec = scenario.twin_of(system, f"scenario {scenario.name}: twin of {system}")
        ratios = conditions.latency.quantile_ratios
    else:
        spec = known.spec
        ratios = tuple(sorted(ratio for cell in known.ratios.values() for ratio in cell))
    plan = read_parquet(plan_path, PLAN)
    sampled = spec.service == "sampled" and len(ratios) > 0
    return Foresight(
        due_s=plan.column("due_s").to_numpy(),
        deadline_s=plan.column("deadline_s").to_numpy(),
        duration_s=scenario.plan.duration_s,
        conditions=conditions,
        ways=Ways(request_s_of(spec), spec.resize_delay_s, spec.control_delay_s, spec.inbound_s, spec.outbound_s),
        least_ratio=min(1.0, min(ratios)) if sampled else 1.0,
        ratios=ratios if sampled else (),
        draw_s=Luck(conditions.latency, known).draw_s if sampled and known is not None else None,
    )


def request_s_of(spec: TwinSpec) -> tuple[float, ...]:
    """From a tick to the request for a change: at least this, at most that, s."""
    both = spec.observe_delay_s, spec.decide_delay_s
    return tuple(dict.fromkeys((sum(map(min, both)), sum(map(max, both)))))
