"""What a scenario says of single systems, and the mistakes it can hold."""

import re

import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.published import published_model
from harness.replica.models import BUILDERS
from harness.replica.server import MAX_IMAGES
from harness.run.bench import RunRequest, build_system, check_systems, conditions_of
from harness.run.simulated import ANY_CELL, calibrated
from harness.run.twin_model import TwinModel
from harness.scenario import LARGEST_BATCH, MODELS, ProfileSpec, load_scenario, scenario_from, scenario_names
from harness.types import Observation
from systems import SYSTEMS


def table(**changes):
    """A small scenario, as a TOML file would give it."""
    whole = {
        "name": "t",
        "title": "a test",
        "systems": ["sponge", "fa2-prototype"],
        "plan": {"duration_s": 10.0},
        "service": {"model": "yolo-n", "image_shape": [253, 400, 3]},
        "cores": {"min_cores": 1.0, "max_cores": 16.0, "step_cores": 1.0},
        "profile": {"published": "yolov5s"},
    }
    return {**whole, **changes}


def scenario(**changes):
    return scenario_from(table(**changes), "t.toml", SYSTEMS)


def test_a_system_without_an_override_has_what_the_scenario_says():
    assert scenario().twin_of("sponge", "here") == scenario().twin


def test_an_override_changes_the_engine_of_its_system_only():
    found = scenario(overrides={"sponge": {"engine": {"order": "fifo"}}})
    assert [found.engine_of(name, {}, "here").order for name in found.systems] == ["fifo", "edf"]


def test_an_override_comes_after_what_the_system_s_own_file_says():
    found = scenario(overrides={"sponge": {"engine": {"timeout_s": 2.0}}})
    assert found.engine_of("sponge", {"timeout_s": 1.0, "close": "timeout"}, "here").timeout_s == 2.0


def test_an_override_changes_the_twin_for_its_system_only():
    found = scenario(overrides={"fa2-prototype": {"twin": {"routing": "random"}}})
    assert [found.twin_of(name, "here").routing for name in found.systems] == ["shared", "random"]


def test_an_override_changes_settings_of_a_policy():
    found = scenario(overrides={"fa2-prototype": {"settings": {"start_replicas": 3}}})
    policy, _ = build_system("fa2-prototype", conditions_of(found, published_model("yolov5s")), found)
    nothing_seen = Observation(0.0, 5.0, found.initial_allocation())
    assert policy.decide(nothing_seen).target.replicas == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overrides": {"spong": {}}}, "unknown system 'spong'; did you mean 'sponge'?"),
        ({"overrides": {"sponge": {"engin": {}}}}, "unknown key 'engin'; did you mean 'engine'?"),
        ({"overrides": {"sponge": {"engine": {"ordr": "fifo"}}}}, "unknown key 'ordr'; did you mean 'order'?"),
        ({"overrides": {"sponge": {"twin": {"cold_start": [1.0]}}}}, "did you mean 'cold_start_s'?"),
        ({"overrides": {"sponge": {"twin": {"cold_start_s": [-1.0]}}}}, "must be at least one number >= 0"),
        ({"systems": ["sponge", "sponge"]}, "t.toml: systems = ['sponge', 'sponge']; each system may be named once"),
        ({"service": {"model": "yolo-m", "image_shape": [9, 9, 3]}}, "t.toml: service: unknown model 'yolo-m'"),
        ({"engine": {"max_batch": 65}}, "t.toml: engine: max_batch = 65; must be 1 .. 64"),
        ({"profile": {"published": "yolov5s", "service_ratios": [0.0]}}, "service_ratios = (0.0,); must be > 0"),
        ({"profile": {"cores": [1.0], "batches": [1], "service_ratios": [0.9]}}, "need a published profile"),
    ],
)
def test_a_mistake_is_named_with_its_place(changes, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        scenario(**changes)


def test_a_setting_no_policy_knows_is_refused_before_a_run_begins(tmp_path):
    found = scenario(overrides={"sponge": {"settings": {"headrom": 0.8}}})
    with pytest.raises(UsageError, match="unknown key 'headrom'; did you mean 'headroom'"):
        check_systems(RunRequest(found, ("sponge",), (1,), tmp_path))


def test_the_largest_batch_is_what_a_replica_takes():
    assert LARGEST_BATCH == MAX_IMAGES


def test_the_models_a_scenario_may_name_are_those_that_can_be_built():
    assert set(MODELS) == set(BUILDERS)


def test_a_sweep_is_no_part_of_the_conditions():
    assert scenario(sweep={"seeds": 9}).sha256 == scenario().sha256


def test_service_ratios_hold_for_every_batch_and_core_count():
    model = TwinModel(LatencyModel(0.1, 0.0, 0.0, 0.0), {"kind": "published"})
    assert calibrated(model, ProfileSpec(published="yolov5s", service_ratios=(0.9,))).ratios == {ANY_CELL: (0.9,)}


@pytest.mark.parametrize("name", scenario_names())
def test_every_shipped_scenario_can_build_all_its_systems(name, tmp_path):
    found = load_scenario(name, SYSTEMS)
    check_systems(RunRequest(found, found.systems, (1,), tmp_path))
