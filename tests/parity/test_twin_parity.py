"""The twin tells what the real station would do: row by row and decision by decision, without tolerance."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.sim.loop import Sinks
from harness.sim.service import ServiceTimes
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.types import Allocation, Decision, EngineSettings
from systems.sponge.policy import SpongePolicy, SpongeSettings

LATENCY = LatencyModel(0.024, 0.002, 0.004, 0.004)
TIED = LatencyModel(1 / 32, 1 / 64, 0.0, 1 / 64)  # sums of powers of two: events meet on the same instant, exactly
RATIOS = {(1, 1.0): (0.9, 1.0, 1.3), (4, 1.0): (0.8, 1.0, 1.1, 2.0), (4, 2.0): (0.95, 1.0, 1.6)}
EXACT = TwinSpec(service="mean", resize_delay_s=(1 / 64,), control_delay_s=(1 / 128,), cold_start_s=(0.5,))
SLOW = TwinSpec(resize_delay_s=(0.003, 0.05, 0.4), control_delay_s=(0.001, 0.004), cold_start_s=(1.3, 3.1))
LATE = replace(SLOW, observe_delay_s=(0.002, 0.03, 1.2), decide_delay_s=(0.001, 0.02))


class Scripted:
    """Wants another allocation every interval, as written; the same policy on both sides."""

    def __init__(self, *targets):
        self.targets = [Allocation(cores, batch, replicas) for cores, batch, replicas in targets]

    def decide(self, observation):
        return Decision(self.targets[int(observation.now_s) % len(self.targets)], f"{len(observation.queue)} wait")


def sponge(latency):
    return SpongePolicy(Conditions(CoreGrid(0.5, 4.0, 0.5), 8, 1.0, 1.0, latency), SpongeSettings())


RESIZES = Scripted((1.0, 4, 1), (2.0, 4, 1), (4.0, 8, 1), (0.5, 1, 1), (1.5, 3, 1))
REPLICAS = Scripted((1.0, 4, 1), (1.0, 4, 3), (2.0, 2, 3), (0.5, 2, 2), (2.0, 4, 4), (1.0, 1, 1))

CROWDED = Scripted(*[(1.0, 4, 3)] * 6, (4.0, 2, 1), (2.0, 4, 4), (1.0, 1, 1), (0.5, 2, 2))


def poisson(rate_rps, count, seed, grid=None):
    """(arrival, budget) pairs; on a grid of instants when one is given, so that many fall together."""
    rng = np.random.default_rng(seed)
    due_s = np.cumsum(rng.exponential(1 / rate_rps, count))
    budget_s = rng.uniform(0.05, 1.0, count)
    if grid:
        due_s, budget_s = np.floor(due_s / grid) * grid, np.ceil(budget_s / grid) * grid
    return list(zip(due_s.tolist(), budget_s.tolist(), strict=True))


def simulation_of(policy, spec=SLOW, latency=LATENCY, start=(1.0, 4, 1), tick_s=1.0, ratios=RATIOS, **engine):
    settings = EngineSettings(**{"batch_size": 1, **engine})
    gateway = {"engine": asdict(settings), "latency": latency.to_dict(), "window_s": 5.0}
    return Simulation(gateway, policy, Allocation(*start), tick_s, spec, 7, ratios)


def plan_of(arrivals):
    due_s, budget_s = (np.array(column) for column in zip(*arrivals, strict=True))
    zeros = np.zeros(len(due_s))
    ids = np.arange(len(due_s))
    columns = {"id": ids, "client": ids, "created_s": due_s, "due_s": due_s, "payload_bytes": ids}
    return {**columns, "uplink_s": zeros, "slo_s": zeros, "deadline_s": due_s + budget_s}


def twin_rows(simulation, arrivals):
    """(row per request, decisions) of the twin."""
    tables, ticks = [], []
    sinks = Sinks(lambda o, d, a: ticks.append((o.now_s, d.target, d.reason, a)), list)
    simulate(simulation, [plan_of(arrivals)], tables.append, sinks)
    rows = [row for table in tables for row in table.to_pylist()]
    keys = ("id", "started_s", "finished_s", "batch_id", "batch_size", "replica", "cores")
    return [
        tuple(row[k] for k in keys) if row["status"] == "served" else (row["id"], row["drop_reason"]) for row in rows
    ], ticks


def both(run_station, simulation, arrivals):
    service_draws, delay_draws, _ = np.random.SeedSequence(simulation.seed).spawn(3)
    ratios = simulation.ratios if simulation.spec.service == "sampled" else {}
    latency = LatencyModel.from_dict(simulation.gateway["latency"])
    service = ServiceTimes(latency, ratios, np.random.default_rng(service_draws))
    return run_station(simulation, arrivals, service, np.random.default_rng(delay_draws)), twin_rows(
        simulation, arrivals
    )


CASES = {
    "ordinary load": (simulation_of(sponge(LATENCY), drop="hopeless"), poisson(40, 3000, 1)),
    "overload": (simulation_of(sponge(LATENCY), drop="hopeless"), poisson(220, 3000, 2)),
    "deep overload, nothing dropped": (simulation_of(sponge(LATENCY), drop="never"), poisson(900, 3000, 3)),
    "deep overload, hopeless dropped": (simulation_of(sponge(LATENCY), drop="hopeless"), poisson(900, 2000, 4)),
    "expired dropped": (simulation_of(RESIZES, drop="expired"), poisson(150, 2000, 5)),
    "first come first served": (simulation_of(RESIZES, order="fifo", drop="hopeless"), poisson(60, 2000, 6)),
    "batches close by time": (simulation_of(RESIZES, close="timeout", timeout_s=0.08), poisson(50, 2000, 7)),
    "batches close by slack": (simulation_of(RESIZES, close="slack", drop="hopeless"), poisson(50, 2000, 8)),
    "replicas come and go": (simulation_of(REPLICAS, drop="hopeless"), poisson(120, 3000, 9)),
    "several batches in flight": (simulation_of(REPLICAS, batches_in_flight=3, drop="expired"), poisson(150, 3000, 10)),
    "resizes fail": (simulation_of(REPLICAS, replace(SLOW, failure_share=0.3), drop="hopeless"), poisson(90, 2000, 11)),
    "late ticks": (simulation_of(REPLICAS, LATE, drop="hopeless"), poisson(90, 2000, 13)),
    "late ticks on the instants of events": (
        simulation_of(RESIZES, replace(EXACT, observe_delay_s=(1 / 64,), decide_delay_s=(1 / 32,)), TIED, tick_s=0.25),
        poisson(40, 2000, 14, 1 / 64),
    ),
    "no room": (simulation_of(CROWDED, replace(SLOW, node_cores=5.0), drop="hopeless"), poisson(90, 2000, 12)),
}
for close in ("idle", "timeout", "slack"):
    for order in ("edf", "fifo"):
        tied = simulation_of(
            REPLICAS, EXACT, TIED, tick_s=0.25, close=close, order=order, timeout_s=1 / 16, drop="hopeless"
        )
        CASES[f"ties, {close}, {order}"] = (tied, poisson(90, 2000, 13, grid=1 / 64))


@pytest.fixture(scope="module", params=CASES)
def sides(run_station, request):
    """The real station's and the twin's (rows, decisions) of one case."""
    return both(run_station, *CASES[request.param])


def test_the_twin_s_rows_are_the_station_s(sides):
    (expected, _), (found, _) = sides
    assert found == expected


def test_the_twin_s_decisions_are_the_real_loop_s(sides):
    (_, expected), (_, found) = sides
    assert found == expected


def outcomes(name):
    rows, ticks = twin_rows(*CASES[name])
    return [row for row in rows if len(row) > 2], [row for row in rows if len(row) == 2], ticks


def test_the_cases_hold_what_their_names_say():
    served, dropped, _ = outcomes("overload")
    assert len(served) > 500
    assert len(dropped) > 500
    assert len({target.cores for _, target, _, _ in outcomes("ordinary load")[2]}) > 1
    assert {a.outcome for _, _, _, a in outcomes("resizes fail")[2]} == {"ok", "failed"}
    assert {a.outcome for _, _, _, a in outcomes("no room")[2]} == {"ok", "deferred", "infeasible"}
    assert len({row[5] for row in outcomes("replicas come and go")[0]}) == 4
    assert not outcomes("deep overload, nothing dropped")[1]


def test_in_the_tied_cases_events_do_meet_on_one_instant():
    simulation, arrivals = CASES["ties, idle, edf"]
    rows, ticks = twin_rows(simulation, arrivals)
    ends = {row[2] for row in rows if len(row) > 2}
    assert len(ends & {due_s for due_s, _ in arrivals}) > 50
    assert len(ends & {now_s for now_s, *_ in ticks}) > 2
