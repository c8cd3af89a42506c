"""A real run again in the twin, from the same plan, and with single components of the model as the run had them.

The twin knows the profile and, where there is one, a calibration from other runs. A counterfactual twin is told one
thing more, taken from the very run it is held against; it predicts nothing, it shows what a difference comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from harness.errors import UsageError
from harness.plan.columns import Column
from harness.record import decision_row
from harness.run.fidelity_calibration import Calibration, delays_of, other_cores, real_manifest, run_name
from harness.run.fidelity_observed import Cell, Observed, Served, observed
from harness.run.plans import plan_path
from harness.run.rebuilt import rebuilt
from harness.run.twin_model import TwinModel
from harness.sim.loop import Sinks
from harness.sim.service import distance
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import CHANGE_DELAYS, DELAYS, LOOP_DELAYS, WAYS
from harness.tables import DECISIONS, PLAN, read_parquet, table_of
from harness.types import Applied, Decision, Observation

T = TypeVar("T")
TWIN = "twin"
SLOWER, SLOWER_BY = "service +1 %", 1.01  # no component: how much an error of 1 % in the service times matters
FEWEST_BATCHES = 5  # of a cell of the run, to say how long it typically takes there
FEW_DRAWS = 5  # they attribute differences far larger than their own chance
DRAW_STRIDE = 1_000_003  # between the seeds of two draws; plans have small seeds


@dataclass(frozen=True, slots=True)
class Rerun:
    """One system and seed of a real run, ready for the twin. plan: its columns, ascending by due_s."""

    folder: Path
    manifest: Mapping[str, Any]
    seen: Observed
    simulation: Simulation
    plan: Mapping[str, Column]
    model: TwinModel

    @property
    def other_cores(self) -> float:
        """Mean cores this host spent on anything but serving while the run was replayed."""
        return other_cores(self.manifest, self.seen)


@dataclass(frozen=True, slots=True)
class Twinned:
    """What one simulation gave. source: `twin`, or the name of the component the run's own was put in for."""

    system: str
    seed: int
    source: str
    draw: int
    requests: pa.Table
    decisions: pa.Table


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the model that can be replaced by what the run had. means: in words, for the report."""

    name: str
    means: str
    told: Callable[[Rerun], Simulation]


def rerun_of(folder: Path, calibration: Calibration | None = None) -> Rerun:
    """A real run's folder as a simulation of it. Raises UsageError when it is not a real run that ended, or the
    calibration comes from this very run."""
    manifest = real_manifest(folder)
    if calibration is not None:
        refuse_own_calibration(folder, calibration)
    found = rebuilt(folder, manifest, calibration)
    columns = plan_columns(folder, found.simulation.seed)
    return Rerun(folder, manifest, observed(folder, manifest), found.simulation, columns, found.model)


def refuse_own_calibration(folder: Path, calibration: Calibration) -> None:
    """Raise UsageError when a run would be judged by what was measured on itself."""
    if run_name(folder).partition("/")[0] in calibration.run_ids:
        raise UsageError(f"{folder}: the calibration comes from this very run; calibrate on another one")


def plan_columns(folder: Path, seed: int) -> dict[str, Column]:
    """The plan of a run's seed. Raises UsageError when it is not there."""
    table = read_parquet(plan_path(folder.parents[1], seed), PLAN).sort_by(
        [("due_s", "ascending"), ("id", "ascending")]
    )
    return {name: table[name].to_numpy() for name in PLAN.names}


def twinned(rerun: Rerun, source: str, simulation: Simulation, draw: int) -> Twinned:
    """Simulate once. draw: which of the equally likely futures; the same gives the same rows."""
    seed = int(rerun.manifest["seed"])
    tables, decisions = list[pa.Table](), list[dict[str, Any]]()

    def note(observation: Observation, decision: Decision, applied: Applied) -> None:
        decisions.append(decision_row(observation, decision, applied, None))

    drawn = replace(simulation, seed=seed + DRAW_STRIDE * draw)
    simulate(drawn, [rerun.plan], tables.append, Sinks(note, _ignore))
    requests = pa.concat_tables(tables).sort_by("id")
    return Twinned(rerun.manifest["system"]["name"], seed, source, draw, requests, table_of(decisions, DECISIONS))


def all_twins(rerun: Rerun, draws: int) -> Iterator[Twinned]:
    """The twin of a run, so many times; the same with slower service, and the counterfactual ones, a few times."""
    simulations = {TWIN: rerun.simulation, SLOWER: slower(rerun.simulation)}
    simulations |= {component.name: component.told(rerun) for component in COMPONENTS}
    for source, simulation in simulations.items():
        for draw in range(draws if source == TWIN else min(draws, FEW_DRAWS)):
            yield twinned(rerun, source, simulation, draw)


def slower(simulation: Simulation) -> Simulation:
    """The same with every service time a little longer."""
    factors = [factor * SLOWER_BY for factor in simulation.factors] or [SLOWER_BY]
    return replace(simulation, factors=factors)


def level_of_run(rerun: Rerun) -> Simulation:
    """The run's typical service time in every cell, with the spread the model has."""
    levels, known = run_levels(rerun), rerun.simulation.ratios or {(1, 1.0): (1.0,)}
    scaled = {c: scaled_to(ratios, levels, c) for c, ratios in known.items()}
    own = {c: scaled_to(nearest(known, c), {c: level}, c) for c, level in levels.items()}
    return _sampled(rerun.simulation, {**scaled, **own}, ())


def spread_of_run(rerun: Rerun) -> Simulation:
    """The model's typical service times, each batch off by as much as the run's batch of the same number."""
    levels = run_levels(rerun)
    factors = [ratio_of(rerun, batch) / nearest(levels, batch.cell) for batch in rerun.seen.batches]
    typical = {cell: (float(np.median(ratios)),) for cell, ratios in rerun.simulation.ratios.items()}
    return _sampled(rerun.simulation, typical, factors)


def loop_of_run(rerun: Rerun) -> Simulation:
    """The run's own lateness of ticks."""
    return _with_delays(rerun, LOOP_DELAYS)


def delays_of_run(rerun: Rerun) -> Simulation:
    """The run's own delays of resizes, settings and starts."""
    return _with_delays(rerun, CHANGE_DELAYS)


def gateway_of_run(rerun: Rerun) -> Simulation:
    """The run's own ways into and out of the gateway."""
    return _with_delays(rerun, WAYS)


def all_of_run(rerun: Rerun) -> Simulation:
    """Everything at once: each batch as long as the run's of the same number, relative to the fit."""
    factors = [ratio_of(rerun, batch) for batch in rerun.seen.batches]
    return _sampled(_with_delays(rerun, DELAYS), {}, factors)


COMPONENTS = (
    Component("interference", "typical service time per batch size and cores, as in the run", level_of_run),
    Component("service spread", "service times around the typical one, in the order of the run", spread_of_run),
    Component("control loop", "how late ticks observe and ask, as in the run", loop_of_run),
    Component("resize delay", "delays of resizes, settings and starts, as in the run", delays_of_run),
    Component("gateway overhead", "time into and out of the gateway, as in the run", gateway_of_run),
    Component("all of these", "all five as in the run", all_of_run),
)


def ratio_of(rerun: Rerun, batch: Served) -> float:
    """Observed over fitted service time."""
    return batch.service_s / float(rerun.model.latency.predict_s(*batch.cell))


def run_levels(rerun: Rerun) -> dict[Cell, float]:
    """Median of observed over fitted service time of the cells the run met; of all of them when it met each rarely."""
    ratios: defaultdict[Cell, list[float]] = defaultdict(list)
    for batch in rerun.seen.batches:
        ratios[batch.cell].append(ratio_of(rerun, batch))
    often = {cell: float(np.median(found)) for cell, found in ratios.items() if len(found) >= FEWEST_BATCHES}
    every = [ratio for found in ratios.values() for ratio in found]
    return often or {cell: float(np.median(every)) for cell in ratios}


def scaled_to(ratios: Sequence[float], levels: Mapping[Cell, float], cell: Cell) -> tuple[float, ...]:
    """The ratios moved so that their median is the run's nearest level; as they are when the run served nothing."""
    if not levels or not ratios:
        return tuple(ratios)
    by = nearest(levels, cell) / float(np.median(ratios))
    return tuple(ratio * by for ratio in ratios)


def nearest(values: Mapping[Cell, T], cell: Cell) -> T:
    """The value of the nearest cell. There must be one."""
    return values[min(values, key=lambda known: distance(known, cell))]


def _sampled(simulation: Simulation, ratios: Mapping[Cell, Sequence[float]], factors: Sequence[float]) -> Simulation:
    return replace(simulation, spec=replace(simulation.spec, service="sampled"), ratios=ratios, factors=factors)


def _with_delays(rerun: Rerun, names: Sequence[str]) -> Simulation:
    own: dict[str, Any] = {n: values for n, values in delays_of([rerun.seen]).items() if n in names and values}
    return replace(rerun.simulation, spec=replace(rerun.simulation.spec, **own))


def _ignore(*_: object) -> None:
    """Usage is not compared."""
