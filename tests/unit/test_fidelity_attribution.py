"""A "real" run made by the twin itself with one component otherwise: the attribution must name that component."""

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.fidelity.compare import closings, difference, differences, explained
from harness.fidelity.measures import Conditions, Label, measured
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions as Known
from harness.policy.conditions import CoreGrid
from harness.run.fidelity_calibration import cells_of
from harness.run.fidelity_observed import observed_in
from harness.run.fidelity_service import service_times
from harness.run.fidelity_twin import COMPONENTS, Rerun, all_twins, twinned
from harness.run.twin_model import TwinModel, ratios_of
from harness.sim.simulation import Simulation
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, REQUESTS, USAGE
from harness.types import Allocation, EngineSettings
from systems.sponge.policy import SpongePolicy, SpongeSettings

LATENCY = LatencyModel(0.03, 0.004, 0.002, 0.002)
DURATION_S = 40.0
TICK_S = 1.0
RATE_RPS = 20.0
DRAWS = 3
LEVELS = np.linspace(0.9, 1.1, 41)
RATIOS = {(b, c): tuple(LEVELS.tolist()) for b in (1, 2, 4, 8) for c in (0.5, 1.0, 2.0)}
START = Allocation(2.0, 1)


def plan(seed=3):
    rng = np.random.default_rng(seed)
    due_s = np.sort(rng.uniform(0.2, DURATION_S, int(RATE_RPS * DURATION_S)))
    created_s = due_s - rng.uniform(0.05, 0.2, len(due_s))
    ids = np.arange(len(due_s))
    slo_s = np.ones(len(due_s))
    columns = {"id": ids, "client": ids * 0, "created_s": created_s, "due_s": due_s, "payload_bytes": ids}
    return {**columns, "uplink_s": due_s - created_s, "slo_s": slo_s, "deadline_s": created_s + slo_s}


def simulation():
    policy = SpongePolicy(Known(CoreGrid(0.5, 2.0, 0.25), 8, 1.0, 1.0, LATENCY, RATE_RPS), SpongeSettings())
    settings = EngineSettings(drop="hopeless")
    gateway = {"engine": asdict(settings), "latency": LATENCY.to_dict(), "window_s": 5.0}
    return Simulation(gateway, policy, START, 1.0, TwinSpec(resize_delay_s=(0.02,)), 1, RATIOS)


def manifest():
    return {
        "system": {"name": "sponge"},
        "seed": 1,
        "counts": {"planned": int(RATE_RPS * DURATION_S)},
        "start": asdict(START),
        "scenario": {"plan": {"duration_s": DURATION_S}},
    }


def rerun_of_made(really):
    """A rerun whose real run is another simulation of the same plan; (rerun, tidy rows of that run)."""
    facts = manifest()
    model = TwinModel(LATENCY, {}, RATIOS)
    bare = Rerun(Path(), facts, observed_in(*empty()), simulation(), plan(), model)
    made = twinned(bare, "real", really, 977)
    seen = observed_in(made.requests, made.decisions, USAGE.empty_table(), START, TICK_S)
    rows = measured(Label("sponge", 1, "real"), made.requests, made.decisions, Conditions.of(facts))
    return replace(bare, seen=seen), rows


def empty():
    return REQUESTS.empty_table(), DECISIONS.empty_table(), USAGE.empty_table(), START, TICK_S


@cache
def rows_against(change):
    rerun, real = rerun_of_made(change())
    conditions = Conditions.of(rerun.manifest)
    twins = [
        measured(Label(t.system, t.seed, t.source, t.draw), t.requests, t.decisions, conditions)
        for t in all_twins(rerun, DRAWS)
    ]
    return pd.concat([real, *twins])


def slower_levels():
    return replace(simulation(), ratios={cell: tuple(1.35 * r for r in ratios) for cell, ratios in RATIOS.items()})


def wild_spread():
    """The same typical times, now and then four times as long, for a while."""
    spells = np.where(np.arange(2000) % 60 < 8, 4.0, 1.0)
    return replace(simulation(), factors=spells.tolist())


def slow_resizes():
    return replace(simulation(), spec=replace(simulation().spec, resize_delay_s=(0.8,)))


def late_ticks():
    return replace(simulation(), spec=replace(simulation().spec, observe_delay_s=(0.3,), decide_delay_s=(0.4,)))


def slow_gateway():
    return replace(simulation(), spec=replace(simulation().spec, inbound_s=(0.12,), outbound_s=(0.08,)))


def best(rows, metric):
    """The single component that closes most of a difference."""
    return next(c for c in explained(closings(rows), "sponge", metric) if c.component != "all of these").component


@pytest.mark.parametrize(
    ("really", "metric", "component"),
    [
        (slower_levels, "latency_p50_s", "interference"),
        (slower_levels, "granted_core_s", "interference"),
        (wild_spread, "latency_p99_s", "service spread"),
        (slow_resizes, "granted_core_s", "resize delay"),
        (slow_gateway, "latency_p50_s", "gateway overhead"),
        (late_ticks, "latency_p50_s", "control loop"),
    ],
)
def test_the_component_that_was_otherwise_is_named(really, metric, component):
    assert best(rows_against(really), metric) == component


@pytest.mark.parametrize("really", [slower_levels, slow_gateway])
def test_all_components_together_leave_next_to_nothing(really):
    rows = rows_against(really)
    left = {c.bound.metric: c.after for c in closings(rows) if c.component == "all of these"}
    assert all(abs(after) < 0.02 for after in left.values()), left


def test_a_run_of_the_same_model_keeps_its_bound_on_core_seconds():
    rows = rows_against(simulation)
    bound = next(c.bound for c in closings(rows) if c.bound.metric == "granted_core_s")
    assert difference(rows, "sponge", bound).within


def test_a_calibration_on_another_plan_predicts_a_machine_the_profile_is_wrong_about():
    really, facts = slower_levels(), manifest()
    bare = Rerun(Path(), facts, observed_in(*empty()), really, plan(1001), TwinModel(LATENCY, {}, RATIOS))
    before = twinned(bare, "real", really, 5)
    seen = observed_in(before.requests, before.decisions, USAGE.empty_table(), START, TICK_S)
    profile = {cell: [r * LATENCY.predict_s(*cell) for r in ratios] for cell, ratios in RATIOS.items()}
    wanted = [(b, c) for b in range(1, 9) for c in np.arange(0.5, 2.01, 0.25).tolist()]
    ratios = ratios_of(LATENCY, service_times(cells_of([seen]), profile, wanted))
    conditions = Conditions.of(facts)
    judged = replace(bare, plan=plan())
    runs = [twinned(judged, "real", really, 77)]
    runs += [twinned(judged, "twin", replace(simulation(), ratios=ratios), draw) for draw in range(5)]
    rows = pd.concat(
        [measured(Label(t.system, 1, t.source, t.draw), t.requests, t.decisions, conditions) for t in runs]
    )
    assert all(one.within for one in differences(rows)), differences(rows)


def test_every_component_has_words_for_the_report():
    assert all(component.means for component in COMPONENTS)
