"""When `vpa` looks, what it samples and what it changes."""

import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.types import Allocation, Counts, Observation, ReplicaState, Usage
from systems.vpa.policy import build, expected_usage_cores

LATENCY = LatencyModel(0.1, 0.05, 0.0, 0.05)  # on one core 200 ms alone and 150 ms for every one more
GRID = CoreGrid(0.1, 4.0, 0.1)
FAST = {"loop_s": 5.0, "metrics_window_s": 5.0, "half_life_s": 60.0, "confidence_interval_s": 60.0, "settled_s": 15.0}
START = Allocation(4.0, 1)


@pytest.fixture
def policy():
    """Makes the policy on 0.1 .. 4 cores, for a rate the scenario states."""

    def make(rate_rps=0.0, grid=GRID, **settings):
        return build(Conditions(grid, 8, 1.0, 1.0, LATENCY, rate_rps), settings, "systems/vpa/vpa.toml")

    return make


def run(policy, until_s, wanted_cores, start=START):
    """The control loop, second by second; the replica uses what it wants of what it is granted. All decisions."""
    allocation, memory, made = start, None, []
    for now_s in range(1, until_s + 1):
        used = min(wanted_cores(now_s) if callable(wanted_cores) else wanted_cores, allocation.cores)
        decision = policy.decide(
            Observation(
                float(now_s),
                5.0,
                allocation,
                replicas=(ReplicaState("replica-0", allocation.cores, 1),),
                usage=(Usage(float(now_s), "replica-0", allocation.cores, used, 0, 0.0),),
                counts=Counts(arrived=now_s),
                memory=memory,
            )
        )
        allocation, memory = decision.target, decision.memory
        made.append(decision)
    return made


def cores(decisions):
    """The cores, each with the second at which they were chosen first."""
    found = []
    for second, decision in enumerate(decisions, start=1):
        if not found or found[-1][1] != decision.target.cores:
            found.append((second, decision.target.cores))
    return found


def test_with_defaults_and_no_history_it_changes_nothing_within_ten_minutes(policy):
    assert cores(run(policy(), 600, wanted_cores=0.5)) == [(1, 4.0)]


def test_after_a_day_of_history_it_acts_at_its_first_loop(policy):
    """5 requests/s of 125 ms on 4 cores use 2.5 cores; it recommends the end of their bucket and 15 %."""
    warm = policy(rate_rps=5.0, warm_s=86_400.0)
    assert cores(run(warm, 100, wanted_cores=2.5)) == [(1, 4.0), (61, 3.0)]


def test_history_needs_a_rate(policy):
    assert cores(run(policy(warm_s=86_400.0), 100, wanted_cores=1.5)) == [(1, 4.0)]


def test_the_fast_one_follows_falling_usage_in_half_a_minute(policy):
    assert run(policy(**FAST), 30, wanted_cores=0.5)[-1].target.cores == 0.6


def test_the_fast_one_grows_step_by_step_under_saturation(policy):
    grown = [c for _, c in cores(run(policy(**FAST), 300, wanted_cores=9.0, start=Allocation(0.5, 1)))]
    assert grown == sorted(grown)
    assert grown[-1] == 4.0
    assert len(grown) > 10


def test_a_recommendation_is_rounded_up_to_the_grid(policy):
    halves = policy(grid=CoreGrid(0.5, 4.0, 0.5), **FAST)
    assert run(halves, 30, wanted_cores=0.5)[-1].target.cores == 1.0


def test_a_recommendation_beyond_the_grid_is_all_cores(policy):
    assert run(policy(**FAST), 60, wanted_cores=4.0)[-1].target.cores == 4.0


def test_usage_is_averaged_over_the_metrics_window(policy):
    """One busy second in five is a fifth of a core."""
    spiky = run(policy(**FAST), 61, wanted_cores=lambda now_s: 1.0 if now_s % 5 == 0 else 0.0)
    assert spiky[-1].target.cores == 0.3


def test_without_usage_it_keeps(policy):
    first = policy(**FAST).decide(Observation(1.0, 5.0, START))
    later = policy(**FAST).decide(Observation(9.0, 5.0, START, memory=first.memory))
    assert (later.target.cores, later.reason) == (4.0, "no usage seen yet: keep")


def test_up_to_1_3_1_a_sample_weighs_what_was_requested_and_since_1_4_0_they_all_weigh_the_same(policy):
    def weight(version):
        histogram = run(policy(version=version, **FAST), 6, wanted_cores=0.5)[-1].memory.history.histogram
        return sum(histogram.weights)

    assert weight("1.3.1") / weight("1.4.0") == pytest.approx(4.0 / 0.1)


def test_the_batch_follows_the_cores(policy):
    made = run(policy(**FAST), 30, wanted_cores=0.5)
    assert (made[0].target.batch_size, made[-1].target.batch_size) == (6, 2)


@pytest.mark.parametrize(
    ("rate_rps", "used_cores"),
    [(4.0, 4 * 4 * 0.125), (9.0, 4 * 9 * 0.2 / 2), (100.0, 4.0)],
)
def test_expected_usage_is_the_busy_share_with_the_smallest_batch_that_keeps_up(rate_rps, used_cores):
    conditions = Conditions(GRID, 8, 1.0, 1.0, LATENCY, rate_rps)
    assert expected_usage_cores(conditions, 4.0) == pytest.approx(used_cores)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"loop_s": 0.0}, "loop_s = 0.0; must be > 0"),
        ({"warm_s": -1.0}, "warm_s = -1.0; must be >= 0"),
        ({"version": "1.2"}, "version = '1.2'; must be one of 1.3.1, 1.4.0"),
        ({"batch_share": 0.0}, r"batch_share = 0.0; must be in \(0, 1\]"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(policy, settings, fault):
    with pytest.raises(UsageError, match=f"systems/vpa/vpa.toml: {fault}"):
        policy(**settings)
