"""A run in virtual time: plan pieces in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.control import Steering, replica_name
from harness.engine.configured import engine_of
from harness.engine.routing import chooser
from harness.latency import LatencyModel
from harness.seams import Policy
from harness.sim.actuators import Actuators, Delays, TwinPlace
from harness.sim.ledger import Ledger
from harness.sim.loop import Sinks, TwinLoop
from harness.sim.rows import Columns, Named, Rows, Write
from harness.sim.service import Cell, ServiceTimes
from harness.sim.spec import TwinSpec
from harness.sim.twin import Twin
from harness.types import Allocation


@dataclass(frozen=True, slots=True)
class Simulation:
    """All that decides a simulated run, next to its plan.

    gateway: the gateway's configuration, as a real one would get it. ratios: measured / fitted service time per
    (batch, cores); empty for exactly the fitted times. factors: multiplied onto the service times, one per batch in the
    order they start; empty means none.
    """

    gateway: Mapping[str, Any]
    policy: Policy
    start: Allocation
    tick_s: float
    spec: TwinSpec
    seed: int
    ratios: Mapping[Cell, Sequence[float]] = field(default_factory=dict)
    factors: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of a finished run."""

    served: int
    dropped: int
    violations: int


def simulate(simulation: Simulation, pieces: Iterable[Columns], write: Write, sinks: Sinks) -> Outcome:
    """Replay a plan, given in pieces ascending by due_s, to its end. The same arguments give the same rows."""
    service_draws, delay_draws, way_draws, route_draws = np.random.SeedSequence(simulation.seed).spawn(4)
    routing = simulation.spec.routing
    choose = None if routing == "shared" else chooser(routing, np.random.default_rng(route_draws))
    engine = engine_of(simulation.gateway, choose)
    ledger = Ledger()
    named = Named(simulation.start.stage, simulation.start.variant)
    rows = Rows(ledger, simulation.spec, named, np.random.default_rng(way_draws), write)
    ratios = simulation.ratios if simulation.spec.service == "sampled" else {}
    latency = LatencyModel.from_dict(simulation.gateway["latency"])
    service = ServiceTimes(latency, ratios, np.random.default_rng(service_draws), simulation.factors)
    twin = Twin(engine.core, service, ledger, rows.feed(pieces))
    place = TwinPlace(twin, engine)
    place.set_batch_size(0.0, simulation.start.batch_size)
    for index in range(simulation.start.replicas):
        twin.join(0.0, replica_name(index), simulation.start.cores, simulation.start.threads)
    delays = Delays(simulation.spec, np.random.default_rng(delay_draws))
    steering = Steering(simulation.policy, simulation.start)
    loop = TwinLoop(twin, engine, steering, Actuators(place, delays), delays, sinks)
    loop.begin(simulation.tick_s)
    twin.run()
    loop.end(twin.last_s)
    rows.collect()
    return Outcome(rows.counts["served"], rows.counts["dropped"], rows.violations)
