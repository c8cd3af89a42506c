"""What holds for the twin in any scenario: loads, delays, failures, replicas, routing."""

import io
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.tables import REQUESTS
from harness.types import Allocation, Decision, EngineSettings
from systems.sponge.policy import SpongePolicy, SpongeSettings

LATENCY = LatencyModel(0.024, 0.002, 0.004, 0.004)
RATIOS = {(1, 1.0): (0.9, 1.0, 1.3), (4, 2.0): (0.95, 1.0, 1.6)}
GRID = CoreGrid(0.5, 4.0, 0.5)


class Scripted:
    """Wants another allocation every interval."""

    def __init__(self, targets):
        self.targets = [Allocation(cores, batch, replicas) for cores, batch, replicas in targets]

    def decide(self, observation):
        return Decision(self.targets[int(observation.now_s) % len(self.targets)], "as written")


@dataclass(frozen=True)
class Case:
    """A scenario; `build` makes policy objects anew, so that nothing carries over."""

    arrivals: tuple
    targets: tuple  # empty: `sponge` decides
    spec: TwinSpec
    engine: EngineSettings
    seed: int

    def simulation(self):
        if self.targets:
            policy = Scripted(self.targets)
        else:
            policy = SpongePolicy(Conditions(GRID, 8, 1.0, 1.0, LATENCY), SpongeSettings())
        gateway = {"engine": asdict(self.engine), "latency": LATENCY.to_dict(), "window_s": 5.0}
        return Simulation(gateway, policy, Allocation(1.0, 2, 1), 1.0, self.spec, self.seed, RATIOS)


delays = st.lists(st.sampled_from([0.0, 0.003, 0.05, 0.4]), min_size=1, max_size=3).map(tuple)
specs = st.builds(
    TwinSpec,
    service=st.sampled_from(["mean", "sampled"]),
    resize_delay_s=delays,
    control_delay_s=delays,
    cold_start_s=st.sampled_from([(0.5,), (1.3, 3.1)]),
    inbound_s=st.sampled_from([(0.0,), (0.0, 0.002, 0.03)]),
    outbound_s=st.sampled_from([(0.0,), (0.001, 0.01)]),
    node_cores=st.sampled_from([0.0, 5.0]),
    failure_share=st.sampled_from([0.0, 0.3]),
    routing=st.sampled_from(["shared", "round-robin", "random", "least-loaded"]),
)
engines = st.builds(
    EngineSettings,
    batch_size=st.integers(1, 4),
    order=st.sampled_from(["edf", "fifo"]),
    close=st.sampled_from(["idle", "timeout", "slack"]),
    drop=st.sampled_from(["never", "expired", "hopeless"]),
    timeout_s=st.sampled_from([0.02, 0.3]),
    batches_in_flight=st.integers(1, 2),
)
targets = st.lists(st.tuples(st.sampled_from(GRID.values()), st.integers(1, 6), st.integers(1, 3)), max_size=5).map(
    tuple
)
arrivals = st.lists(
    st.tuples(st.integers(0, 500).map(lambda n: n / 64), st.integers(0, 64).map(lambda n: n / 64)),
    min_size=1,
    max_size=120,
).map(lambda pairs: tuple(sorted(pairs)))
cases = st.builds(Case, arrivals, targets, specs, engines, st.integers(0, 99))
lasting = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plan_of(arrivals):
    due_s, budget_s = (np.array(column) for column in zip(*arrivals, strict=True))
    ids, zeros = np.arange(len(due_s)), np.zeros(len(due_s))
    columns = {"id": ids, "client": ids, "created_s": due_s, "due_s": due_s, "payload_bytes": ids}
    return {**columns, "uplink_s": zeros, "slo_s": zeros, "deadline_s": due_s + budget_s}


def played(case):
    """(table of requests, decisions as (observation, decision, applied), usage readings)."""
    tables, decisions, readings = [], [], []
    sinks = Sinks(lambda *row: decisions.append(row), readings.extend)
    simulate(case.simulation(), [plan_of(case.arrivals)], tables.append, sinks)
    return pa.concat_tables(tables), decisions, readings


def file_of(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@lasting
@given(case=cases)
def test_every_planned_request_ends_exactly_once(case):
    rows = played(case)[0]
    assert rows.schema.equals(REQUESTS)
    assert rows["id"].to_pylist() == list(range(len(case.arrivals)))
    assert set(rows["status"].to_pylist()) <= {"served", "dropped"}


@lasting
@given(case=cases)
def test_nothing_starts_before_it_arrives_nor_ends_before_it_starts(case):
    for row in played(case)[0].to_pylist():
        assert row["sent_s"] <= row["queued_s"]
        if row["status"] == "served":
            assert row["queued_s"] <= row["started_s"] <= row["finished_s"] <= row["received_s"]


@lasting
@given(case=cases.filter(lambda c: c.engine.order == "edf" and c.spec.routing == "shared"))
def test_edf_never_passes_over_an_earlier_deadline(case):
    """Whoever was there, has an earlier deadline and was served, was not served after; who was shed, was late."""
    rows = played(case)[0].to_pylist()
    deadline_s = {r["id"]: r["deadline_s"] + (r["queued_s"] - r["sent_s"]) for r in rows}
    served = [r for r in rows if r["status"] == "served"]
    for one in served:
        earlier = [
            r for r in served if deadline_s[r["id"]] < deadline_s[one["id"]] and r["queued_s"] < one["started_s"]
        ]
        assert all(r["started_s"] <= one["started_s"] for r in earlier)


@lasting
@given(case=cases)
def test_cores_are_always_of_the_grid_and_within_the_node(case):
    _, decisions, readings = played(case)
    not_there = 0.0  # a replica that has just come or gone, at its outer reading
    assert {reading.granted_cores for reading in readings} <= {not_there, *GRID.values()}
    assert {decision.target.cores for _, decision, _ in decisions} <= set(GRID.values())
    if case.spec.node_cores:
        at = {reading.t_s for reading in readings}
        granted = {t_s: sum(r.granted_cores for r in readings if r.t_s == t_s) for t_s in at}
        assert max(granted.values(), default=0.0) <= case.spec.node_cores + 1e-9


@lasting
@given(case=cases)
def test_used_core_seconds_are_those_of_the_batches_served(case):
    """With one replica that keeps its cores; what is used is the time served times the cores."""
    still = Case(case.arrivals, ((1.0, 2, 1),), case.spec, case.engine, case.seed)
    rows, _, readings = played(still)
    batches = {r["batch_id"]: r for r in rows.to_pylist() if r["status"] == "served"}
    times = [r.t_s for r in readings]
    used_s = sum(r.used_cores * (r.t_s - before_s) for r, before_s in zip(readings[1:], times, strict=False))
    if still.engine.batches_in_flight == 1:
        assert used_s == pytest.approx(sum(b["finished_s"] - b["started_s"] for b in batches.values()))
    assert used_s <= times[-1] * 1.0 + 1e-9


@lasting
@given(case=cases)
def test_used_core_seconds_survive_replicas_that_go_and_come_again(case):
    coming = tuple((1.0, 2, replicas) for _, _, replicas in case.targets) or ((1.0, 2, 1),)
    rows, _, readings = played(Case(case.arrivals, coming, case.spec, EngineSettings(batch_size=2), case.seed))
    batches = {r["batch_id"]: r for r in rows.to_pylist() if r["status"] == "served"}
    used_s, before_s = 0.0, {}
    for reading in readings:
        assert reading.used_cores >= 0
        used_s += reading.used_cores * (reading.t_s - before_s.get(reading.replica, reading.t_s))
        before_s[reading.replica] = reading.t_s
    assert used_s == pytest.approx(sum(b["finished_s"] - b["started_s"] for b in batches.values()))


@lasting
@given(case=cases)
def test_the_same_seed_gives_the_same_bytes(case):
    first, second = played(case), played(case)
    assert file_of(first[0]) == file_of(second[0])
    assert first[1:] == second[1:]


@lasting
@given(case=cases)
def test_a_replica_serves_one_batch_at_a_time(case):
    still = Case(case.arrivals, case.targets, case.spec, EngineSettings(batch_size=2), case.seed)
    by_replica = {}
    for row in played(still)[0].to_pylist():
        if row["status"] == "served":
            by_replica.setdefault(row["replica"], set()).add((row["started_s"], row["finished_s"]))
    for spans in by_replica.values():
        ordered = sorted(spans)
        assert all(one[1] <= other[0] for one, other in pairwise(ordered))
