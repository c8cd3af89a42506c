"""What `hpa` measures, when it looks, and what it remembers."""

from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.types import Allocation, Counts, Observation, ReplicaState, Usage
from systems.hpa.policy import build

LATENCY = LatencyModel(0.05, 0.1, 0.0, 0.05)  # on one core 200 ms alone, 150 ms for every one more
WHOLE, TENTHS = CoreGrid(1.0, 16.0, 1.0), CoreGrid(0.1, 1.6, 0.1)
FOUR = Allocation(1.0, 3, 4)
FROM_FOUR = {"start_replicas": 4}
NOTHING_SEEN = Observation(0.0, 5.0, Allocation(16.0, 1))


@pytest.fixture
def policy():
    """Makes the policy on 1..16 cores, aiming at half of what is granted."""

    def make(grid=WHOLE, **settings):
        conditions = Conditions(grid, 8, 1.0, 1.0, LATENCY)
        return build(conditions, {"target_percent": 50, **settings}, "systems/hpa/system.toml")

    return make


def states(count, phase="ready", first=0):
    return tuple(ReplicaState(f"replica-{k}", 1.0, 1, phase) for k in range(first, first + count))


def run(policy, until_s, used_cores=0.5, since=None):
    """The control loop, second by second, from four replicas on or from an earlier decision and the second after it;
    every replica is ready and uses so many cores. All decisions."""
    allocation, memory, begin_s = since or (FOUR, None, 1)
    made = []
    for now_s in range(begin_s, until_s + 1):
        replicas = states(allocation.replicas)
        decision = policy.decide(
            Observation(
                float(now_s),
                5.0,
                allocation,
                replicas=replicas,
                usage=tuple(Usage(float(now_s), r.name, 1.0, used_cores, 0, 0.0) for r in replicas),
                counts=Counts(arrived=now_s),
                memory=memory,
            )
        )
        allocation, memory = decision.target, decision.memory
        made.append(decision)
    return made


def counts(decisions):
    """The replica counts, each with the second at which it was chosen first."""
    found = []
    for second, decision in enumerate(decisions, start=1):
        if not found or found[-1][1] != decision.target.replicas:
            found.append((second, decision.target.replicas))
    return found


def test_it_starts_with_as_many_replicas_as_there_is_room_for(policy):
    assert policy().decide(NOTHING_SEEN).target == Allocation(1.0, 3, 16)


def test_its_batch_may_take_half_of_the_slo_on_one_replica(policy):
    assert policy(batch_share=0.35).decide(NOTHING_SEEN).target.batch_size == 2


def test_usage_on_target_changes_nothing(policy):
    assert counts(run(policy(**FROM_FOUR), 100)) == [(1, 4)]


def test_the_first_look_is_a_sync_period_after_the_start(policy):
    assert counts(run(policy(**FROM_FOUR, cpu_initialization_s=0.0), 20, used_cores=1.0)) == [(1, 4), (16, 8)]


def test_a_young_replica_counts_only_after_a_whole_metrics_window(policy):
    """At 16 s a window of 20 s is not over, at 31 s it is."""
    decisions = run(policy(**FROM_FOUR, metrics_window_s=20.0), 40, used_cores=1.0)
    assert counts(decisions) == [(1, 4), (31, 8)]


def test_new_replicas_count_as_idle_until_measured(policy):
    """At 31 s the four new ones have not been ready for a window: (4 * 100 % + 4 * 0) / 8 is the target."""
    assert counts(run(policy(**FROM_FOUR), 40, used_cores=1.0))[1:] == [(16, 8)]


def test_an_overload_grows_as_the_limits_allow(policy):
    grown = counts(run(policy(**FROM_FOUR, cpu_initialization_s=0.0, target_percent=10), 40, used_cores=1.0))
    assert grown == [(1, 4), (16, 8), (31, 16)]


def test_it_never_asks_for_more_than_there_is_room_for(policy):
    decisions = run(policy(**FROM_FOUR, cpu_initialization_s=0.0, target_percent=1), 200, used_cores=1.0)
    assert max(d.target.granted_cores for d in decisions) == 16


def test_shrinking_waits_for_the_down_window_to_pass(policy):
    """The start itself is the highest recommendation, and 300 s later it is out of the window."""
    assert counts(run(policy(**FROM_FOUR), 400, used_cores=0.2)) == [(1, 4), (301, 2)]


def test_without_a_down_window_it_shrinks_at_the_first_look(policy):
    quick = policy(**FROM_FOUR, behavior={"stabilize_down_s": 0.0})
    assert counts(run(quick, 20, used_cores=0.2)) == [(1, 4), (16, 2)]


def test_idle_replicas_leave_as_many_as_the_fewest(policy):
    quick = policy(**FROM_FOUR, behavior={"stabilize_down_s": 0.0}, min_replicas=2)
    assert counts(run(quick, 40, used_cores=0.0)) == [(1, 4), (16, 2)]


def test_usage_is_averaged_over_the_metrics_window(policy):
    """Ten idle seconds and five busy ones are a third."""
    quick = policy(**FROM_FOUR, cpu_initialization_s=0.0, behavior={"stabilize_down_s": 0.0})
    before = run(quick, 11, used_cores=0.0)[-1]
    after = run(quick, 16, used_cores=1.0, since=(before.target, before.memory, 12))
    assert after[-1].target.replicas == 3


def test_without_usage_it_keeps(policy):
    observation = Observation(1.0, 5.0, FOUR, replicas=states(4))
    first = policy(**FROM_FOUR).decide(observation)
    later = policy(**FROM_FOUR).decide(replace(observation, now_s=40.0, memory=first.memory))
    assert (later.target.replicas, later.reason) == (4, "no metrics of ready replicas: keep")


def test_a_starting_replica_is_not_counted_before_it_is_ready(policy):
    """Two of four serve at twice the target; with two idle ones that is on target."""
    observation = Observation(1.0, 5.0, FOUR, replicas=states(2) + states(2, "starting", 2))
    memory = None
    for now_s in range(1, 40):
        usage = tuple(Usage(float(now_s), f"replica-{k}", 1.0, 1.0, 0, 0.0) for k in range(2))
        decision = policy(**FROM_FOUR).decide(replace(observation, now_s=float(now_s), usage=usage, memory=memory))
        memory = decision.memory
    assert decision.target.replicas == 4


def test_a_replica_asked_for_but_not_seen_yet_counts_as_idle(policy):
    memory = None
    for now_s in range(1, 40):
        usage = tuple(Usage(float(now_s), f"replica-{k}", 1.0, 1.0, 0, 0.0) for k in range(2))
        seen = Observation(float(now_s), 5.0, FOUR, replicas=states(2), usage=usage, memory=memory)
        decision = policy(**FROM_FOUR).decide(seen)
        memory = decision.memory
    assert decision.target.replicas == 4


def test_what_it_remembers_stays_small(policy):
    memory = run(policy(**FROM_FOUR), 900)[-1].memory
    assert len(memory.recommendations) <= 300 / 15 + 1
    assert len(memory.usage.readings) <= 4 * 17


def test_a_replica_is_the_smallest_allocation_of_a_grid_of_tenths(policy):
    start = policy(TENTHS).decide(NOTHING_SEEN).target
    assert (start.cores, start.replicas) == (0.1, 16)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"target_percent": 0}, "target_percent = 0; must be > 0"),
        ({"sync_s": -1.0}, "sync_s = -1.0; must be > 0"),
        ({"tolerance": -0.1}, "tolerance = -0.1; must be >= 0"),
        ({"batch_share": 2.0}, r"batch_share = 2.0; must be in \(0, 1\]"),
        ({"behavior": {"up_percent": -1}}, "behavior: up_percent = -1; must be >= 0"),
        ({"behavior": {"up_percents": 1}}, "unknown key 'up_percents'; did you mean 'up_percent'"),
        ({"start_replicas": 17}, "start_replicas = 17; must be 1 .. 16"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(policy, settings, fault):
    with pytest.raises(UsageError, match=fault):
        policy(**settings)
