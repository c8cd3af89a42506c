"""Changes of allocation in the twin take their time, may find no room, and may fail; their rows say so."""

from dataclasses import asdict
from unittest.mock import patch

import numpy as np

from harness.latency import LatencyModel
from harness.record import decision_row
from harness.sim.actuators import DRAIN_POLL_S, TwinPlace
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.types import AddReplica, Allocation, Decision, EngineSettings, RemoveReplica, Resize, SetBatch

ONE_CORE_SECOND = LatencyModel(0.0, 0.0, 0.0, 1.0)  # a batch takes a second, on any cores
SHARED_WORK = LatencyModel(1.0, 0.0, 0.0, 0.0)  # one core-second per batch


class Wants:
    """From the first tick on, the first of these; from each next tick on, the next; then the last."""

    def __init__(self, *targets):
        self.targets = targets

    def decide(self, observation):
        at = min(round(observation.now_s), len(self.targets)) - 1
        return Decision(self.targets[at], "as written")


def played(*targets, start=(1.0, 1, 1), latency=ONE_CORE_SECOND, arrivals=(), lasts_s=6.0, in_flight=1, **spec):
    """(rows of requests, rows of decisions, actions as (time, action)) of a run that lasts so long at least."""
    due_s = np.array(sorted([*arrivals, lasts_s]))
    ids, zeros = np.arange(len(due_s)), np.zeros(len(due_s))
    plan = {"id": ids, "client": ids, "created_s": due_s, "due_s": due_s, "payload_bytes": ids}
    plan |= {"uplink_s": zeros, "slo_s": zeros, "deadline_s": due_s + 100.0}
    settings = EngineSettings(batches_in_flight=in_flight)
    gateway = {"engine": asdict(settings), "latency": latency.to_dict(), "window_s": 5.0}
    policy = Wants(*(Allocation(*target) for target in targets))
    simulation = Simulation(gateway, policy, Allocation(*start), 1.0, spec_of(**spec), 0)
    tables, decisions, actions = [], [], []
    perform = TwinPlace.perform

    def noted(place, now_s, action):
        actions.append((now_s, action))
        perform(place, now_s, action)

    with patch.object(TwinPlace, "perform", noted):
        sinks = Sinks(lambda *row: decisions.append(decision_row(*row, None)), lambda _: None)
        simulate(simulation, [plan], tables.append, sinks)
    return tables[0].to_pylist(), decisions, actions


def spec_of(resize=0.25, control=0.125, cold=1.5, **others):
    changes = {"resize_delay_s": (resize,), "control_delay_s": (control,), "cold_start_s": (cold,)}
    return TwinSpec("mean", **changes, **others)


def test_a_resize_is_in_force_after_its_delay():
    _, decisions, actions = played((1.5, 1), start=(1.25, 1, 1))
    assert actions == [(1.25, Resize("replica-0", 1.5))]
    assert (decisions[0]["requested_at_s"], decisions[0]["effective_s"]) == (1.0, 1.25)


def test_a_late_tick_sees_and_asks_late():
    _, decisions, actions = played((1.5, 1), start=(1.25, 1, 1), observe_delay_s=(0.125,), decide_delay_s=(0.0625,))
    assert actions == [(1.4375, Resize("replica-0", 1.5))]
    assert [decisions[0][name] for name in ("tick_s", "requested_at_s", "effective_s")] == [1.125, 1.1875, 1.4375]


def test_the_tick_after_a_late_one_is_in_time():
    _, decisions, _ = played((1.25, 1), start=(1.25, 1, 1), observe_delay_s=(0.125,), decide_delay_s=(0.0625,))
    assert [row["tick_s"] for row in decisions] == [1.125, 2.125, 3.125, 4.125, 5.125, 6.125]


def test_a_tick_that_is_late_by_more_than_an_interval_lets_one_pass():
    _, decisions, _ = played((1.25, 1), start=(1.25, 1, 1), observe_delay_s=(1.5,))
    assert [row["tick_s"] for row in decisions] == [2.5, 4.5, 6.5]


def test_a_row_of_a_resize_says_what_is_in_force():
    _, decisions, _ = played((1.5, 1), start=(1.25, 1, 1))
    assert (decisions[0]["outcome"], decisions[0]["effective_cores"], decisions[0]["effective_replicas"]) == (
        "ok", 1.5, 1,
    )  # fmt: skip


def test_a_batch_goes_on_at_the_new_speed_from_when_the_resize_is_in_force():
    rows, _, _ = played((0.5, 1), latency=SHARED_WORK, arrivals=[0.75], lasts_s=9.0)
    assert rows[0]["finished_s"] == 1.25 + 0.5 / 0.5  # half of it done at 1 core, half at 0.5


def test_growing_takes_the_quota_first_and_the_batch_after():
    _, _, actions = played((0.75, 4), start=(0.5, 1, 1))
    assert actions == [(1.25, Resize("replica-0", 0.75)), (1.375, SetBatch(4))]


def test_shrinking_takes_the_batch_first_and_the_quota_after():
    _, _, actions = played((0.5, 1), start=(0.75, 4, 1))
    assert actions == [(1.125, SetBatch(1)), (1.375, Resize("replica-0", 0.5))]


def test_a_change_that_lasts_longer_than_a_tick_lets_ticks_pass():
    _, decisions, _ = played((1.5, 1), (1.5, 1), (1.5, 1), start=(1.25, 1, 1), resize=1.5)
    assert [row["tick_s"] for row in decisions[:2]] == [1.0, 3.0]


def test_a_change_without_room_for_old_and_new_is_deferred():
    _, decisions, actions = played((3.0, 1, 1), start=(1.0, 1, 3), node_cores=4.0)
    assert (decisions[0]["outcome"], actions) == ("deferred", [])


def test_a_row_of_a_deferred_change_says_what_stays_and_why():
    _, decisions, _ = played((3.0, 1, 1), start=(1.0, 1, 3), node_cores=4.0)
    assert (decisions[0]["effective_cores"], decisions[0]["effective_replicas"]) == (1.0, 3)
    assert decisions[0]["detail"] == "old and new together need 5 cores; the node has 4"


def test_a_deferred_change_is_applied_once_there_is_room():
    targets = (3.0, 1, 1), (1.0, 1, 1), (3.0, 1, 1)
    _, decisions, _ = played(*targets, start=(1.0, 1, 3), node_cores=4.0)
    assert [row["outcome"] for row in decisions[:3]] == ["deferred", "ok", "ok"]
    assert decisions[2]["effective_cores"] == 3.0


def test_a_change_beyond_the_node_is_infeasible_every_time():
    _, decisions, actions = played((5.0, 1), node_cores=4.0)
    assert {row["outcome"] for row in decisions} == {"infeasible"}
    assert actions == []


def test_a_row_of_an_infeasible_change_says_what_stays_and_why():
    _, decisions, _ = played((5.0, 1), node_cores=4.0)
    assert (decisions[0]["effective_cores"], decisions[0]["detail"]) == (1.0, "5 cores; the node has 4")


def test_a_failed_resize_leaves_the_old_cores():
    rows, decisions, actions = played((2.0, 1), failure_share=1.0)
    assert ({row["outcome"] for row in decisions}, actions) == ({"failed"}, [])
    assert (decisions[0]["effective_cores"], rows[-1]["cores"]) == (1.0, 1.0)


def test_a_failed_resize_is_known_after_its_delay():
    _, decisions, _ = played((2.0, 1), failure_share=1.0)
    assert decisions[0]["effective_s"] == 1.25


def test_a_failed_resize_is_asked_for_again_at_the_next_tick():
    _, decisions, _ = played((2.0, 1), failure_share=1.0)
    assert [row["requested_at_s"] for row in decisions[:3]] == [1.0, 2.0, 3.0]


def test_what_comes_after_a_failure_is_left_out():
    _, _, actions = played((1.5, 4), start=(1.25, 1, 1), failure_share=1.0)
    assert actions == []


def test_a_failed_start_leaves_the_replicas_that_were():
    _, decisions, _ = played((1.0, 1, 2), failure_share=1.0)
    assert (decisions[0]["outcome"], decisions[0]["effective_replicas"]) == ("failed", 1)


def test_a_new_replica_takes_a_cold_start_before_its_first_batch():
    rows, decisions, _ = played((1.0, 1, 2), latency=LatencyModel(0.0, 0.0, 0.0, 4.0), arrivals=[0.5, 1.0])
    assert (rows[1]["replica"], rows[1]["started_s"]) == ("replica-1", 2.5)
    assert (decisions[0]["effective_s"], decisions[0]["effective_replicas"]) == (2.5, 2)


def test_replicas_that_start_together_start_side_by_side():
    _, _, actions = played((1.0, 1, 3))
    assert actions == [(2.5, AddReplica("replica-1", 1.0)), (2.5, AddReplica("replica-2", 1.0))]


def test_nothing_shrinks_before_the_new_replica_is_ready():
    _, _, actions = played((1.5, 1, 2), start=(2.0, 1, 1), lasts_s=9.0)
    assert [(t_s, type(action)) for t_s, action in actions if isinstance(action, AddReplica | Resize)] == [
        (2.5, AddReplica), (2.75, Resize),
    ]  # fmt: skip


def test_a_draining_replica_finishes_what_it_holds():
    rows, _, _ = played((1.0, 1, 1), start=(1.0, 1, 2), latency=LatencyModel(0.0, 0.0, 0.0, 2.0), arrivals=[0.5, 0.5])
    assert (rows[1]["replica"], rows[1]["status"], rows[1]["finished_s"]) == ("replica-1", "served", 2.5)


def test_a_draining_replica_finishes_the_batch_it_had_not_begun():
    slow = LatencyModel(0.0, 0.0, 0.0, 2.0)
    rows, _, _ = played((1.0, 1, 1), start=(1.0, 1, 2), latency=slow, arrivals=[0.5] * 4, in_flight=2)
    held = [row for row in rows if row["replica"] == "replica-1"]
    assert [row["finished_s"] for row in held] == [2.5, 4.5]


def test_a_draining_replica_starts_nothing():
    slow = LatencyModel(0.0, 0.0, 0.0, 2.0)
    rows, _, _ = played((1.0, 1, 1), start=(1.0, 1, 2), latency=slow, arrivals=[0.5, 0.5, 1.5, 1.5, 1.5])
    later = [row for row in rows if row["started_s"] > 1.125]
    assert {row["replica"] for row in later} == {"replica-0"}


def test_a_removal_is_in_force_when_the_replica_is_empty():
    slow = LatencyModel(0.0, 0.0, 0.0, 2.0)
    _, decisions, actions = played((1.0, 1, 1), start=(1.0, 1, 2), latency=slow, arrivals=[0.5, 0.5])
    assert actions == [(1.125, RemoveReplica("replica-1"))]
    assert 2.5 <= decisions[0]["effective_s"] <= 2.5 + DRAIN_POLL_S
    assert decisions[0]["effective_replicas"] == 1


def test_a_decision_that_changes_nothing_is_in_force_at_once():
    _, decisions, actions = played((1.0, 1, 1))
    assert actions == []
    assert {(row["outcome"], row["effective_s"] - row["requested_at_s"]) for row in decisions} == {("ok", 0.0)}
