"""What every system keeps to: pure, deterministic, within bounds, whatever it is shown."""

import copy
import pickle
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.policy.system import SystemFile
from harness.published import published_model
from harness.run.bench import build_system
from harness.settings import from_mapping, read_toml
from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState, ServiceSample, Usage
from systems import SYSTEMS

ROOT = Path(__file__).parents[2]
WHOLE = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, published_model("yolov5s"), 20.0)
TENTHS = Conditions(CoreGrid(0.1, 1.6, 0.1), 8, 1.0, 1.0, LatencyModel(0.014, 0.025, 0.001, 0.005), 20.0)
UNSTATED = replace(TENTHS, rate_rps=0.0)
ABSOLUTE = {"static-8", "static-8-batching", "static-12-batching", "static-16", "static-16-batching"}
CONFIGURED = {"sponge-prototype", "fa2", "fa2-prototype", "vpa", "vpa-fast"}  # use the rate the scenario states
BUILDS = (
    [(name, WHOLE) for name in SYSTEMS]
    + [(name, TENTHS) for name in SYSTEMS if name not in ABSOLUTE]
    + [(name, UNSTATED) for name in sorted(CONFIGURED)]
)
TICKS_S = (1, 2, 16, 61, 76, 400)  # the slow controllers act at some of them
each_build = pytest.mark.parametrize(
    ("name", "conditions"), BUILDS, ids=lambda v: v if isinstance(v, str) else f"{v.cores.max_cores:g}@{v.rate_rps:g}"
)


def start(conditions):
    return Allocation(conditions.cores.values()[-1], 1)


def arrivals(now_s, rate_rps, budget_s, window_s=5.0):
    many = int(rate_rps * min(window_s, now_s))
    times_s = [now_s - (many - k) / rate_rps for k in range(many)]
    return tuple(Queued(k, t_s, t_s + budget_s) for k, t_s in enumerate(times_s))


def observed(now_s, allocation, memory=None, *, rate_rps=20.0, budget_s=0.9, queued=0):
    """A tick of a run in which replicas are busy half of the time."""
    recent = arrivals(now_s, rate_rps, budget_s) if rate_rps else ()
    names = [f"replica-{k}" for k in range(allocation.replicas)]
    return Observation(
        now_s=now_s,
        window_s=5.0,
        allocation=allocation,
        recent=recent,
        arrivals_per_s=(int(rate_rps),) * 5,
        queue=recent[:queued],
        in_flight=(InFlight(1, names[0], 2, now_s - 0.01, now_s + 0.5),),
        replicas=tuple(ReplicaState(name, allocation.cores, 1) for name in names),
        service=(ServiceSample(1, allocation.cores, 0.05),) * 3,
        usage=tuple(Usage(now_s, name, allocation.cores, allocation.cores / 2, 0, 0.0) for name in names),
        counts=Counts(arrived=int(rate_rps * now_s)),
        memory=memory,
    )


def drive(name, conditions, **seen):
    """Some ticks of a run from the system's own start, every decision applied at once. All decisions."""
    policy, _ = build_system(name, conditions)
    allocation = policy.decide(Observation(0.0, 5.0, start(conditions))).target
    memory, made = None, []
    for tick_s in TICKS_S:
        decision = policy.decide(observed(float(tick_s), allocation, memory, **seen))
        allocation, memory = decision.target, decision.memory
        made.append(decision)
    return made


def assert_within(target, conditions):
    assert target.cores in conditions.cores.values()
    assert 1 <= target.batch_size <= conditions.max_batch
    assert target.replicas >= 1
    assert target.granted_cores <= conditions.cores.values()[-1] + 1e-9


SITUATIONS = {
    "steady load": {},
    "zero load": {"rate_rps": 0.0},
    "overload": {"rate_rps": 60.0, "queued": 90},
    "a backlog": {"queued": 80},
    "budgets nobody can meet": {"budget_s": 0.01},
    "budgets spent before arrival": {"budget_s": -0.5, "queued": 20},
}


@each_build
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_target_is_within_bounds(name, conditions, situation):
    for decision in drive(name, conditions, **SITUATIONS[situation]):
        assert_within(decision.target, conditions)


@each_build
def test_it_survives_having_seen_nothing(name, conditions):
    policy, _ = build_system(name, conditions)
    assert_within(policy.decide(Observation(0.0, 5.0, start(conditions))).target, conditions)


@each_build
def test_its_first_tick_without_requests_keeps_what_it_started_with(name, conditions):
    policy, _ = build_system(name, conditions)
    wanted = policy.decide(Observation(0.0, 5.0, start(conditions))).target
    assert policy.decide(Observation(1.0, 5.0, wanted)).target == wanted


@each_build
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_same_observation_gives_the_same_decision(name, conditions, data):
    policy, again = build_system(name, conditions)[0], build_system(name, conditions)[0]
    allocation, memory = data.draw(allocations(conditions)), None
    for now_s in sorted(data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=3, unique=True))):
        rate_rps = data.draw(st.sampled_from([0.0, 0.4, 5.0, 30.0]))
        budget_s, queued = data.draw(st.floats(-1.0, 1.0)), data.draw(st.integers(0, 30))
        seen = observed(float(now_s), allocation, memory, rate_rps=rate_rps, budget_s=budget_s, queued=queued)
        before = copy.deepcopy(seen)
        decision = policy.decide(seen)
        assert decision == again.decide(before)
        assert seen == before
        assert_within(decision.target, conditions)
        allocation, memory = decision.target, decision.memory


@st.composite
def allocations(draw, conditions):
    """What may be in force: several replicas only where there is room for them."""
    cores = draw(st.sampled_from(conditions.cores.values()))
    most = int(conditions.cores.values()[-1] / cores + 1e-9)
    return Allocation(cores, draw(st.integers(1, conditions.max_batch)), draw(st.integers(1, most)))


@each_build
def test_its_memory_is_an_immutable_value_that_can_be_stored(name, conditions):
    memory = drive(name, conditions)[-1].memory
    assert_immutable(memory)
    assert pickle.loads(pickle.dumps(memory)) == memory


def assert_immutable(value):
    assert value is None or isinstance(value, int | float | str | tuple) or is_dataclass(value)
    if is_dataclass(value):
        assert value.__dataclass_params__.frozen
    parts = value if isinstance(value, tuple) else [getattr(value, s) for s in getattr(value, "__slots__", ())]
    for part in parts:
        assert_immutable(part)


@pytest.mark.parametrize("name", sorted(ABSOLUTE))
def test_an_absolute_count_of_cores_is_refused_where_the_grid_ends_before_it(name):
    with pytest.raises(UsageError, match=rf"systems/static/{name}.toml: cores = .*; must be on the scenario's grid"):
        build_system(name, TENTHS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_unknown_setting_is_refused(name):
    with pytest.raises(UsageError, match="here: unknown key 'no_such_setting'"):
        SYSTEMS[name].build(WHOLE, {"no_such_setting": 1}, "here")


@pytest.mark.parametrize("name", SYSTEMS)
def test_its_page_names_its_title_source_and_every_setting_of_its_file(name):
    page = (ROOT / "docs" / "systems" / f"{name}.md").read_text(encoding="utf-8")
    file = from_mapping(SystemFile, read_toml(SYSTEMS[name].file), name)
    keys = [*file.engine, *file.settings, *file.settings.get("behavior", {})]
    assert page.startswith(f"# `{name}`\n")
    assert not [key for key in keys if f"`{key}`" not in page]
    assert not [part for part in ("## Source", "## Faithful", "## Ours", "## Settings") if part not in page]
