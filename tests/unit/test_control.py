"""From one allocation to the next: the right actions, in an order that never lets work outrun its cores."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.control import Steering, plan_actions, replica_name
from harness.types import (
    AddReplica,
    Allocation,
    Applied,
    Decision,
    RemoveReplica,
    Resize,
    SetBatch,
    SetThreads,
    threads_for,
)

ONE = ["replica-0"]


def test_nothing_is_done_to_reach_what_is_there():
    assert plan_actions(Allocation(2.0, 4), Allocation(2.0, 4), ONE) == ()


def test_growing_gives_quota_then_threads_then_batch():
    assert plan_actions(Allocation(1.0, 1), Allocation(4.0, 8), ONE) == (
        Resize("replica-0", 4.0),
        SetThreads("replica-0", 4),
        SetBatch(8),
    )


def test_shrinking_takes_batch_then_threads_then_quota():
    assert plan_actions(Allocation(4.0, 8), Allocation(1.0, 1), ONE) == (
        SetBatch(1),
        SetThreads("replica-0", 1),
        Resize("replica-0", 1.0),
    )


def test_threads_are_left_alone_within_the_same_core():
    assert plan_actions(Allocation(0.3, 1), Allocation(0.9, 1), ONE) == (Resize("replica-0", 0.9),)


def test_a_new_batch_alone_touches_no_replica():
    assert plan_actions(Allocation(1.0, 8), Allocation(1.0, 2), ONE) == (SetBatch(2),)


def test_new_replicas_come_with_the_new_cores():
    assert plan_actions(Allocation(1.0, 1, 1), Allocation(2.0, 1, 3), ONE)[2:] == (
        AddReplica("replica-1", 2.0),
        AddReplica("replica-2", 2.0),
    )


def test_new_replicas_come_before_old_ones_shrink():
    actions = plan_actions(Allocation(4.0, 1, 1), Allocation(1.0, 1, 2), ONE)
    assert [type(a) for a in actions] == [AddReplica, SetThreads, Resize]


def test_replicas_are_removed_last_and_the_highest_name_first():
    names = [replica_name(k) for k in (0, 9, 10, 11)]
    actions = plan_actions(Allocation(1.0, 4, 4), Allocation(1.0, 2, 2), names)
    assert actions == (SetBatch(2), RemoveReplica("replica-11"), RemoveReplica("replica-10"))


def test_a_replica_that_goes_is_not_resized_first():
    actions = plan_actions(Allocation(1.0, 1, 2), Allocation(1.5, 1, 1), ["replica-0", "replica-1"])
    assert Resize("replica-1", 1.5) not in actions


def test_a_new_replica_takes_the_lowest_name_that_is_free():
    actions = plan_actions(Allocation(1.0, 1, 2), Allocation(1.0, 1, 3), ["replica-0", "replica-2"])
    assert actions == (AddReplica("replica-1", 1.0),)


def test_replicas_that_should_have_been_there_are_added():
    assert plan_actions(Allocation(1.0, 1, 2), Allocation(1.0, 1, 2), ONE) == (AddReplica("replica-1", 1.0),)


@pytest.mark.parametrize(
    ("cores", "threads"), [(0.1, 1), (1.0, 1), (1.0000000001, 1), (1.01, 2), (0.1 * 3, 1), (16.0, 16)]
)
def test_threads_are_one_per_started_core(cores, threads):
    assert threads_for(cores) == threads


def perform(state, action):
    """State (cores and threads by name, batch size) after one action."""
    replicas, batch_size = state
    if isinstance(action, Resize):
        return replicas | {action.replica: (action.cores, replicas[action.replica][1])}, batch_size
    if isinstance(action, SetThreads):
        return replicas | {action.replica: (replicas[action.replica][0], action.threads)}, batch_size
    if isinstance(action, AddReplica):
        assert action.replica not in replicas
        return replicas | {action.replica: (action.cores, threads_for(action.cores))}, batch_size
    if isinstance(action, RemoveReplica):
        return {name: r for name, r in replicas.items() if name != action.replica}, batch_size
    return replicas, action.batch_size


cores = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 4.0, 16.0])
allocations = st.builds(Allocation, cores, st.integers(1, 8), st.integers(1, 12))


def states(current, target):
    names = [replica_name(k) for k in range(current.replicas)]
    state = dict.fromkeys(names, (current.cores, current.threads)), current.batch_size
    yield state
    for action in plan_actions(current, target, names):
        state = perform(state, action)
        yield state


@given(allocations, allocations)
def test_the_actions_lead_from_any_allocation_to_any_other(current, target):
    *_, (replicas, batch_size) = states(current, target)
    assert batch_size == target.batch_size
    assert list(replicas.values()) == [(target.cores, target.threads)] * target.replicas


@given(allocations, allocations)
def test_on_the_way_no_replica_has_more_threads_than_started_cores(current, target):
    for replicas, _ in states(current, target):
        assert all(threads <= threads_for(cores) for cores, threads in replicas.values())


@given(allocations, allocations)
def test_on_the_way_there_are_never_fewer_replicas_than_before_or_after(current, target):
    assert all(len(r) >= min(current.replicas, target.replicas) for r, _ in states(current, target))


@given(allocations)
def test_an_allocation_is_reached_from_itself_without_action(allocation):
    names = [replica_name(k) for k in range(allocation.replicas)]
    assert plan_actions(allocation, replace(allocation), names) == ()


@pytest.mark.parametrize(("outcome", "kept"), [("ok", True), ("failed", False)])
def test_what_failed_half_way_is_put_right_even_where_the_policy_wants_what_the_first_replica_has(outcome, kept):
    steering = Steering(policy=None, start=Allocation(1.0, 1, replicas=2))
    wanted = Allocation(2.0, 1, replicas=2)
    steering.settle(Applied(wanted, 0.0, 0.0, 0.0, 2.0 if outcome == "ok" else 1.0, outcome))
    assert steering.keeps(Decision(steering.allocation, "as it is")) is kept
