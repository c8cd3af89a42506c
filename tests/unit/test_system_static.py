"""Static allocations: a count of cores or a share of them, with and without batching."""

import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.run.bench import build_system
from harness.types import Allocation, Observation
from systems.static.policy import build

SIXTEEN, TENTHS = CoreGrid(1.0, 16.0, 1.0), CoreGrid(0.2, 1.6, 0.1)


def conditions(grid=SIXTEEN):
    return Conditions(grid, 8, 1.0, 1.0, LatencyModel(0.05, 0.01, 0.0, 0.01))


def target(name, grid=SIXTEEN):
    policy, _ = build_system(name, conditions(grid))
    return policy.decide(Observation(0.0, 5.0, Allocation(grid.max_cores, 1))).target


@pytest.mark.parametrize(
    ("name", "cores", "batch"),
    [
        ("static-8", 8, 1), ("static-8-batching", 8, 8), ("static-12-batching", 12, 8), ("static-16", 16, 1),
        ("static-16-batching", 16, 8),
        ("static-max", 16, 8), ("static-max-no-batching", 16, 1), ("static-half", 8, 8),
    ],
)  # fmt: skip
def test_a_static_system_always_wants_its_cores_and_batch(name, cores, batch):
    assert target(name) == Allocation(cores, batch)


@pytest.mark.parametrize(("name", "cores"), [("static-max", 1.6), ("static-half", 0.8)])
def test_a_share_is_of_the_largest_core_count(name, cores):
    assert target(name, TENTHS).cores == cores


@pytest.mark.parametrize("cores", [8, 16])
@pytest.mark.parametrize("twin", ["", "-batching"])
def test_a_count_beyond_the_grid_is_refused_and_not_cut(cores, twin):
    name = f"static-{cores}{twin}"
    rule = r"must be on the scenario's grid of cores, 0\.2 \.\. 1\.6 in steps of 0\.1"
    with pytest.raises(UsageError, match=rf"systems/static/{name}\.toml: cores = {cores}\.0; {rule}"):
        build_system(name, conditions(TENTHS))


def test_a_count_between_two_values_of_the_grid_is_refused():
    with pytest.raises(UsageError, match=r"cores = 2\.5; must be on the scenario's grid of cores, 1 \.\. 16 in steps"):
        build(conditions(), {"cores": 2.5}, "here")


@pytest.mark.parametrize("settings", [{}, {"cores": 8.0, "cores_share": 0.5}])
def test_either_a_count_or_a_share_must_be_given(settings):
    with pytest.raises(UsageError, match=r"here: .* given; must give either cores or cores_share"):
        build(conditions(), settings, "here")


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_a_share_is_in_0_to_1(share):
    with pytest.raises(UsageError, match=r"cores_share = .*; must be in \(0, 1\]"):
        build(conditions(), {"cores_share": share}, "here")
