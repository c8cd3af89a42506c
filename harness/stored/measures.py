"""What one run of one system and seed comes to: the numbers figures and claims compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.results import violations
from harness.stored.prototype import prototype_violation_percent
from harness.stored.runs import Cell, StoredRun
from harness.stored.spread import Unit


@dataclass(frozen=True, slots=True)
class Measures:
    """violation_percent: of the planned requests, dropped and failed ones included. prototype_percent: mean over the
    seconds of the prototype's own metric. mean_cores: granted, over the plan's duration."""

    system: str
    route: str
    seed: int
    violation_percent: float
    prototype_percent: float
    mean_cores: float

    @property
    def unit(self) -> Unit:
        """What it is paired by: the same plan."""
        return self.route, self.seed


def measure(cell: Cell) -> Measures:
    """The numbers of one cell. A planned request without a row counts as a violation."""
    requests, planned = cell.requests(), int(cell.manifest["counts"]["planned"])
    missed = violations(requests) + planned - len(requests)
    return Measures(
        system=cell.system,
        route=route_of(cell.manifest["scenario"]["plan"]["network"]),
        seed=cell.seed,
        violation_percent=100.0 * missed / planned if planned else 0.0,
        prototype_percent=float(prototype_violation_percent(requests, cell.duration_s).mean()),
        mean_cores=cell.cores().core_s / cell.duration_s,
    )


def measures_of(run: StoredRun) -> tuple[Measures, ...]:
    """All cells of a run."""
    return tuple(measure(cell) for cell in run.cells)


def by_unit(measures: Iterable[Measures], system: str, name: str) -> dict[Unit, float]:
    """One measure of one system by unit. Raises UsageError for a unit that comes twice."""
    values: dict[Unit, float] = {}
    for one in measures:
        if one.system == system and one.unit in values:
            raise UsageError(f"{system}: route {one.route!r} and seed {one.seed} come twice; must be a unit of its own")
        if one.system == system:
            values[one.unit] = float(getattr(one, name))
    return values


def route_of(network: Mapping[str, object]) -> str:
    """The network traces of a plan as one name."""
    traces = network.get("traces") or [network.get("trace") or "none"]
    return "+".join(map(str, traces)) if isinstance(traces, list | tuple) else str(traces)
