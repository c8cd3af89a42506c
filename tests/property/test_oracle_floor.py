"""The floor lies under every run of the twin, the schedule does what the twin does, and brute force lies between."""

import math
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.latency import LatencyModel
from harness.oracle.floor import Floor
from harness.oracle.foresight import Foresight, Ways
from harness.oracle.search import Search, course_of
from harness.oracle.serving import State, advance
from harness.policy.bounded import Bounded
from harness.policy.conditions import Conditions, CoreGrid
from harness.record import decision_row
from harness.results import granted_core_s
from harness.run.bench import build_system
from harness.run.foresight import Known, Luck
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, table_of
from harness.types import Allocation, Decision, EngineSettings, Observation, threads_for
from systems import SYSTEMS

SEED = 7
OWN_ENGINE = EngineSettings(order="edf", close="idle", drop="hopeless")
GRIDS = [CoreGrid(1.0, 4.0, 1.0), CoreGrid(0.4, 1.6, 0.4), CoreGrid(0.5, 3.0, 0.5), CoreGrid(1.0, 8.0, 1.0)]
RELATIVE = [name for name in SYSTEMS if not name.startswith(("static-8", "static-12", "static-16"))]


def random_foresight(seed, requests=30, seconds=5):
    """A plan from light to overloaded, with deadlines from hopeless to loose, in a twin with delays."""
    rng = np.random.default_rng(seed)
    terms_s = rng.uniform([0.005, 0.0, 0.0, 0.0], [0.25, 0.05, 0.05, 0.05])
    latency = LatencyModel(*map(float, terms_s))
    grid, slo_s = GRIDS[rng.integers(len(GRIDS))], float(rng.choice([0.3, 1.0, 2.5]))
    tick_s = float(rng.choice([0.5, 1.0]))
    many = int(rng.integers(0, requests + 1))
    created_s = np.sort(rng.choice([rng.uniform(0, seconds, many), np.floor(rng.uniform(0, seconds, many))]))
    uplink_s = rng.uniform(0.0, slo_s * rng.choice([0.2, 1.1]), many)
    order = np.argsort(created_s + uplink_s, kind="stable")
    resize_s = float(rng.choice([0.0, 0.01, 0.2, 1.3]))
    conditions = Conditions(grid, int(rng.integers(1, 9)), slo_s, tick_s, latency, many / seconds)
    delays_s = [float(rng.choice(values)) for values in ([0.0, 0.02], [0.0, 0.01], [0.0, 0.03])]
    in_s, out_s, request_s = ((delay_s,) for delay_s in delays_s)
    ways = Ways(request_s, (resize_s,), (0.001,), in_s, out_s)
    return Foresight((created_s + uplink_s)[order], (created_s + slo_s)[order], float(seconds), conditions, ways)


class Scheduled:
    """A policy that takes its target from a list, tick by tick."""

    def __init__(self, targets, tick_s):
        self.targets = targets
        self.tick_s = tick_s

    def decide(self, observation):
        tick = min(int(observation.now_s / self.tick_s + 1e-6), len(self.targets) - 1)
        return Decision(self.targets[tick], "scheduled")


def replay(foresight, policy, engine=OWN_ENGINE, ratios=None):
    """(violations, granted core-seconds, most replicas) of a policy in the twin; ratios: of drawn service times."""
    conditions, ways = foresight.conditions, foresight.ways
    gateway = {"engine": asdict(engine), "latency": conditions.latency.to_dict(), "window_s": 5 * conditions.tick_s}
    spec = TwinSpec(
        decide_delay_s=ways.request_s,
        resize_delay_s=ways.resize_s,
        control_delay_s=ways.control_s,
        cold_start_s=(0.7,),
        inbound_s=ways.inbound_s,
        outbound_s=ways.outbound_s,
    )
    start = policy.decide(Observation(0.0, 5.0, Allocation(conditions.cores.values()[-1], 1))).target
    many, rows = len(foresight.due_s), []
    plan = {
        "id": np.arange(many),
        "client": np.zeros(many, np.int32),
        "created_s": foresight.deadline_s - conditions.slo_s,
    }
    plan |= {"due_s": foresight.due_s, "deadline_s": foresight.deadline_s}
    sinks = Sinks(lambda o, d, a: rows.append(decision_row(o, d, a, None)), lambda _: None)
    simulation = Simulation(gateway, policy, start, conditions.tick_s, spec, SEED, ratios or {})
    outcome = simulate(simulation, [plan] if many else [], lambda _: None, sinks)
    core_s = granted_core_s(table_of(rows, DECISIONS), (start.cores, start.replicas), foresight.duration_s)
    replicas = [row["effective_replicas"] for row in rows if row["effective_replicas"] is not None]
    return outcome.violations, core_s, max([start.replicas, *replicas])


def assert_above_the_floor(floor, proven, run):
    violations, core_s, replicas = run
    misses = violations - floor.windows.unmeetable
    assert misses >= 0
    if replicas == 1:
        assert misses >= proven.fewest_misses
        assert core_s >= proven.core_s(misses)
    assert core_s >= floor.any_scaling_core_s(misses)


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=25, deadline=None)
def test_no_system_stays_under_the_floor_for_as_many_violations(seed, data):
    foresight = random_foresight(seed)
    floor = Floor.of(foresight)
    proven = floor.prove((2.0,))
    for name in data.draw(st.lists(st.sampled_from(RELATIVE), min_size=3, max_size=3, unique=True)):
        policy, file = build_system(name, foresight.conditions)
        engine = EngineSettings(**{**asdict(OWN_ENGINE), **file.engine})
        assert_above_the_floor(floor, proven, replay(foresight, policy, engine))


@given(st.integers(0, 2**32), st.sampled_from(["edf", "fifo"]), st.sampled_from(["idle", "timeout", "slack"]))
@settings(max_examples=40, deadline=None)
def test_no_sequence_of_allocations_stays_under_the_floor_whatever_the_engine_does(seed, order, close):
    foresight = random_foresight(seed)
    rng = np.random.default_rng(seed + 1)
    engine = EngineSettings(
        order=order, close=close, drop="never", timeout_s=0.3, batches_in_flight=int(rng.integers(1, 4))
    )
    floor = Floor.of(foresight)
    proven = floor.prove((2.0,))
    for _ in range(3):
        assert_above_the_floor(floor, proven, replay(foresight, random_schedule(foresight, rng), engine))


def random_schedule(foresight, rng):
    conditions = foresight.conditions
    cores = rng.choice(conditions.cores.values(), 30).tolist()
    batches = rng.integers(1, conditions.max_batch + 1, 30).tolist()
    targets = [Allocation(c, b) for c, b in zip(cores, batches, strict=True)]
    return Bounded(Scheduled(targets, conditions.tick_s), conditions)


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_serving_from_tick_to_tick_is_what_the_twin_does(seed):
    assert_serves_as_the_twin(seed, random_foresight(seed))


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_with_drawn_service_times_it_is_what_the_twin_does_too(seed):
    rng = np.random.default_rng(seed)
    cells = [(int(b), float(c)) for b in rng.integers(1, 9, 2) for c in rng.uniform(0.3, 8, 2)]
    ratios = {cell: tuple(rng.uniform(0.5, 2.0, rng.integers(1, 5)).tolist()) for cell in cells}
    foresight = random_foresight(seed)
    luck = Luck(foresight.conditions.latency, Known(TwinSpec(), SEED, ratios))
    assert_serves_as_the_twin(seed, replace(foresight, draw_s=luck.draw_s), ratios)


def assert_serves_as_the_twin(seed, foresight, ratios=None):
    if foresight.ways.slowest_change_s >= foresight.conditions.tick_s:
        foresight = replace(foresight, ways=replace(foresight.ways, resize_s=(0.1,)))
    policy = random_schedule(foresight, np.random.default_rng(seed))
    violations, core_s, _ = replay(foresight, policy, ratios=ratios)
    tick_s, course = foresight.conditions.tick_s, course_of(foresight, 1.0)
    target = policy.decide(Observation(0.0, 5.0, Allocation(1.0, 1))).target
    state = State(cores=target.cores, batch_size=target.batch_size, own_threads=threads_for(target.cores))
    for tick in range(math.ceil(20 / tick_s)):
        target = policy.decide(Observation(tick * tick_s, 5.0, target)).target
        state = advance(course, state, tick * tick_s, (tick + 1) * tick_s, target.cores, target.batch_size)
    assert (state.missed, state.core_s) == (violations, pytest.approx(core_s, abs=1e-9))


def tiny(seed):
    """An instance with few enough schedules to try them all."""
    found = random_foresight(seed, requests=9, seconds=3)
    ways = found.ways if found.ways.slowest_change_s < 1.0 else replace(found.ways, resize_s=(0.05,))
    grid = CoreGrid(1.0, 3.0, 1.0)
    return replace(found, conditions=replace(found.conditions, cores=grid, tick_s=1.0, slo_s=1.0), ways=ways)


def by_brute_force(foresight):
    """(violations, granted core-seconds) of every schedule of cores, batches as large as allowed."""
    conditions = foresight.conditions
    runs = []
    for cores in product(conditions.cores.values(), repeat=3):
        targets = [Allocation(c, conditions.max_batch) for c in (*cores, cores[-1])]
        runs.append(replay(foresight, Scheduled(targets, conditions.tick_s))[:2])
    return runs


def schedule_of(foresight, floor, width):
    course = course_of(foresight, 1.0)
    return Search(foresight, course, floor.slots, floor.prices(), width, 1000.0).schedule()


@pytest.mark.parametrize("seed", range(25))
def test_brute_force_finds_nothing_under_the_floor_and_nothing_better_than_a_wide_search(seed):
    foresight = tiny(seed)
    floor = Floor.of(foresight)
    proven, runs = floor.prove(), by_brute_force(foresight)
    assert all(proven.core_s(violations - floor.windows.unmeetable) <= core_s for violations, core_s in runs)
    best = min(runs)
    schedule = schedule_of(foresight, floor, 500)
    assert (schedule.missed, schedule.core_s) <= (best[0], best[1] + 1e-9)
    targets = [Allocation(*pair) for pair in zip(schedule.cores, schedule.batch_size, strict=True)]
    replayed = replay(foresight, Scheduled(targets, foresight.conditions.tick_s))
    assert (schedule.missed, schedule.core_s) == (replayed[0], pytest.approx(replayed[1], abs=1e-9))
