"""From the table of a scenario and the flags to the points of a sweep."""

import json
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli.sweep_axes import axes_of, names_of
from harness.errors import UsageError
from harness.run.sweep_spec import SweepSpec, fitted, points_of, scenario_at, sweep_of
from harness.scenario import read_scenario, scenario_names
from systems import SYSTEMS


def table(**changes):
    """A small scenario, as a TOML file would give it."""
    whole = {
        "name": "t",
        "title": "a test",
        "systems": ["sponge", "fa2"],
        "plan": {"duration_s": 10.0},
        "service": {"model": "yolo-n", "image_shape": [253, 400, 3]},
        "cores": {"min_cores": 1.0, "max_cores": 16.0, "step_cores": 1.0},
        "profile": {"published": "yolov5s"},
    }
    return {**whole, **changes}


def points(sweep, systems=()):
    whole = table(sweep=sweep)
    return points_of(whole, sweep_of(whole, "t.toml"), "t.toml", SYSTEMS, systems)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(0.5, 9.0), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 500_000), min_size=1, max_size=4, unique=True),
)
def test_the_points_are_all_combinations_with_the_last_axis_fastest(slos_s, payloads_bytes):
    found = points({"axes": {"plan.slo_s": slos_s, "plan.payload_bytes": payloads_bytes}})
    assert [(p.scenario.plan.slo_s, p.scenario.plan.payload_bytes) for p in found] == [
        (slo_s, payload) for slo_s in slos_s for payload in payloads_bytes
    ]


def test_without_a_grid_there_is_one_point_the_scenario_itself():
    (point,) = points({})
    assert (point.values, point.describe()) == ({}, "as it is")


@pytest.mark.parametrize("values", [[1, "two"], [True, 2], [1.0, [1.0, 2.0]]])
def test_an_axis_of_mixed_kinds_is_refused_by_name_before_anything_runs(values):
    with pytest.raises(UsageError, match=r"axes: twin\.cold_start_s = .*; must be of one kind"):
        SweepSpec({"twin.cold_start_s": values}).validate("t.toml: sweep")


@pytest.mark.parametrize("values", [[1, 2.5], ["a", ["b", "c"]], [True, False]])
def test_an_axis_of_one_kind_makes_a_column(values):
    SweepSpec({"twin.cold_start_s": values}).validate("t.toml: sweep")
    assert pa.array([json.dumps(v) if isinstance(v, list) else v for v in values]).to_pylist()


def test_a_sweep_in_which_no_system_runs_is_refused():
    with pytest.raises(UsageError, match=r"no system to run; none of fa2 is in the cases 'one'"):
        points({"cases": [{"name": "one", "systems": ["sponge"]}]}, systems=("fa2",))


def test_points_that_differ_in_one_key_have_other_digests():
    shas = {point.scenario.sha256 for point in points({"axes": {"twin.cold_start_s": [0.0, 1.0, 3.0]}})}
    assert len(shas) == 3


def test_the_same_values_written_otherwise_are_the_same_point():
    one, other = (
        scenario_at(table(), {"plan.slo_s": 2}, "t", SYSTEMS),
        scenario_at(table(plan={"slo_s": 2.0, "duration_s": 10}), {}, "t", SYSTEMS),
    )
    assert one.sha256 == other.sha256


def test_a_single_value_stands_for_a_list_of_one_where_a_list_belongs():
    assert (fitted("twin.cold_start_s", 3.0), fitted("plan.slo_s", 3.0)) == ([3.0], 3.0)


def test_a_case_changes_several_keys_for_its_systems_in_every_point_of_the_grid():
    cases = [{"name": "a"}, {"name": "b", "systems": ["fa2"], "set": {"twin.cold_start_s": 9.0, "tick_s": 2.0}}]
    found = points({"axes": {"plan.slo_s": [1.0, 2.0]}, "cases": cases})
    assert [(p.case, p.systems, p.scenario.tick_s) for p in found] == [
        ("a", ("sponge", "fa2"), 1.0), ("a", ("sponge", "fa2"), 1.0), ("b", ("fa2",), 2.0), ("b", ("fa2",), 2.0),
    ]  # fmt: skip


def test_named_systems_replace_the_scenario_s_and_leave_out_those_of_a_case():
    found = points({"cases": [{"name": "a"}, {"name": "b", "systems": ["fa2"]}]}, systems=("hpa",))
    assert [point.systems for point in found] == [("hpa",), ()]


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"axis": {}}, "t.toml: sweep: unknown key 'axis'; did you mean 'axes'?"),
        ({"axes": {"plan.slo_s": []}}, "plan.slo_s = []; must be a list of at least one value"),
        ({"axes": {"plan.slo_s": 1.0}}, "plan.slo_s = 1.0; must be a list"),
        ({"axes": {"plan.slo_s": [1, 1.0]}}, "must not name a value twice"),
        ({"axes": {"plan.slo": [1.0]}}, "plan: unknown key 'slo'; did you mean 'slo_s'?"),
        ({"axes": {"plan.slo_s": [1.0, -1.0]}}, "t.toml with plan.slo_s = -1.0: plan: slo_s = -1.0"),
        ({"axes": {"title.x": [1.0]}}, "key 'title.x' leads through 'title', which is not a table"),
        ({"cases": [{"name": "a"}, {"name": "a"}]}, "each case must have a name of its own"),
        ({"cases": [{"name": "a", "systems": ["fa3"]}]}, "unknown system 'fa3'; did you mean 'fa2'?"),
        ({"seeds": 0}, "seeds = 0; must be >= 1"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(sweep, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        points(sweep)


@pytest.mark.parametrize("name", scenario_names())
def test_every_point_of_every_shipped_sweep_is_a_valid_scenario(name):
    whole, place = read_scenario(name)
    assert points_of(whole, sweep_of(whole, place), place, SYSTEMS)


def test_values_are_typed_as_in_toml_and_bare_words_are_text():
    assert axes_of(["a=1,2.5,true", "b=ghent-4g/bus_0001, x", "c=[1.0,2.0],[3.0]"]) == {
        "a": [1, 2.5, True],
        "b": ["ghent-4g/bus_0001", "x"],
        "c": [[1.0, 2.0], [3.0]],
    }


@pytest.mark.parametrize("text", ["a", "=1", "a=", "a= "])
def test_an_axis_without_key_or_values_is_refused(text):
    with pytest.raises(UsageError, match="must be KEY=VALUE"):
        axes_of([text])


def test_an_axis_given_twice_is_refused():
    with pytest.raises(UsageError, match="a may be given once"):
        axes_of(["a=1", "a=2"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spong", "did you mean 'sponge'"),
        ("fa2,fa2", "may be named once"),
        ("", "at least one"),
        (" ,", "at least one"),
    ],
)
def test_systems_that_are_unknown_repeated_or_none_are_refused(text, said):
    with pytest.raises(UsageError, match=said):
        names_of(text, SYSTEMS)


def test_systems_nobody_asked_for_are_none():
    assert names_of(None, SYSTEMS) == ()


def test_an_empty_spec_is_one_point_and_one_seed():
    assert sweep_of(table(), "t.toml") == SweepSpec()
