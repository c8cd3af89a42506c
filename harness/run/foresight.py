"""What a clairvoyant system is told of a run: its whole plan, and how long things take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.oracle.foresight import Foresight, Ways
from harness.policy.conditions import Conditions
from harness.scenario import Scenario
from harness.sim.service import Cell
from harness.sim.spec import TwinSpec
from harness.tables import PLAN, read_parquet


@dataclass(frozen=True, slots=True)
class Known:
    """The twin a run is to happen in: its parameters, and measured / fitted service times per cell."""

    spec: TwinSpec
    ratios: Mapping[Cell, Sequence[float]] = field(default_factory=dict)


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
        ways=Ways(spec.resize_delay_s, spec.control_delay_s, spec.inbound_s, spec.outbound_s),
        least_ratio=min(1.0, min(ratios)) if sampled else 1.0,
        ratios=ratios if sampled else (),
    )
