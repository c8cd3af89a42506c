"""What `sponge` decides in situations where the right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState, ServiceSample
from systems.sponge.policy import build

# A batch of b on c cores takes 0.1*b/c + 0.01*b seconds.
LATENCY = LatencyModel(0.1, 0.01, 0.0, 0.0)
CONDITIONS = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, LATENCY)
NOW_S = 100.0


def policy(latency=LATENCY, **settings):
    return build(replace(CONDITIONS, latency=latency), settings, "here")


def came(rate_rps, budget_s, seconds=5):
    """Arrivals evenly over the last seconds, all with one budget on arrival."""
    count = int(rate_rps * seconds)
    times_s = [NOW_S - seconds + (k + 0.5) / rate_rps for k in range(count)]
    return tuple(Queued(k, t_s, t_s + budget_s) for k, t_s in enumerate(times_s))


def bursts(budget_s, size=20):
    """The same number at the start of each of the last seconds."""
    times_s = [NOW_S - back + 0.01 + k * 1e-3 for back in (5, 4, 3, 2, 1) for k in range(size)]
    return tuple(Queued(k, t_s, t_s + budget_s) for k, t_s in enumerate(times_s))


def queued(count, budget_s):
    """Requests that wait, with this much time left."""
    return tuple(Queued(1000 + k, NOW_S - 0.1, NOW_S + budget_s) for k in range(count))


def seen(recent=(), queue=(), arrived=10_000, **more):
    allocation = more.pop("allocation", Allocation(4.0, 2))
    replicas = (ReplicaState("replica-0", allocation.cores, allocation.threads),)
    values = {"recent": recent, "queue": queue, "counts": Counts(arrived=arrived), "replicas": replicas} | more
    return Observation(NOW_S, 5.0, allocation, **values)


def target(observation, **settings):
    return policy(**settings).decide(observation).target


# no data


@pytest.mark.parametrize("allocation", [Allocation(1.0, 1), Allocation(16.0, 8), Allocation(7.0, 3)])
def test_before_the_first_request_it_keeps_what_there_is(allocation):
    assert target(seen(arrived=0, allocation=allocation)) == allocation


def test_when_load_vanishes_it_goes_down_to_what_a_single_request_needs():
    assert target(seen(allocation=Allocation(16.0, 8))) == Allocation(1.0, 1)


def test_a_single_request_that_needs_more_than_one_core_keeps_more():
    slow = LatencyModel(1.6, 0.01, 0.0, 0.0)
    assert policy(slow).decide(seen(allocation=Allocation(16.0, 8))).target == Allocation(2.0, 1)


def test_it_does_not_shrink_on_the_little_it_has_seen_at_the_start():
    recent = came(2, 0.9, seconds=1)
    at_start = seen(recent, arrived=len(recent), allocation=Allocation(9.0, 1))
    assert target(at_start).cores == 9.0


# load and budgets


def test_cores_never_go_down_as_budgets_shrink():
    cores = [target(seen(bursts(budget_s))).cores for budget_s in np.linspace(1.0, 0.4, 13)]
    assert cores == sorted(cores)
    assert cores[0] < cores[-1]


def test_cores_never_go_down_as_the_rate_grows():
    cores = [target(seen(came(rate_rps, 0.9))).cores for rate_rps in range(1, 61, 4)]
    assert cores == sorted(cores)
    assert cores[0] < cores[-1]


def test_a_queue_needs_more_than_the_same_load_without_one():
    load = came(10, 0.9)
    assert target(seen(load, queued(20, 0.6))).cores > target(seen(load)).cores


def test_one_tight_deadline_in_the_queue_is_enough_to_go_up():
    load, loose = came(5, 0.9), queued(1, 0.9)
    assert target(seen(load, queued(1, 0.14))).cores > target(seen(load, loose)).cores


def test_the_worst_recent_second_counts_and_not_the_mean():
    calm = came(4, 0.6)
    burst = tuple(Queued(500 + k, NOW_S - 2.5 + k * 1e-3, NOW_S - 1.9) for k in range(20))
    together = tuple(sorted(calm + burst, key=lambda r: r.arrived_s))
    assert target(seen(together)).cores > target(seen(calm)).cores


def test_a_batch_that_is_still_served_delays_what_comes():
    load = came(10, 0.5)
    busy = (InFlight(0, "replica-0", 8, NOW_S - 0.01, NOW_S + 0.5),)
    assert target(seen(load, in_flight=busy)).cores >= target(seen(load)).cores


def test_the_reserve_costs_cores():
    load = bursts(0.9)
    assert target(seen(load), headroom=0.7).cores > target(seen(load), headroom=1.0).cores


def test_deadlines_are_held_against_the_tail_of_the_service_time():
    spread = LatencyModel(0.1, 0.01, 0.0, 0.0, quantile_levels=(0.5, 0.95), quantile_ratios=(1.0, 1.6))
    load = seen(came(20, 0.16))
    assert policy(spread).decide(load).target.cores > policy().decide(load).target.cores


# infeasible


def test_when_not_all_can_be_met_it_goes_up_as_far_as_that_saves_anybody():
    decision = policy().decide(seen(came(90, 0.9), queued(60, 0.9)))
    assert "cannot be met: largest useful" in decision.reason
    assert decision.target.cores == 16.0


def test_it_gives_nothing_to_those_nobody_can_save():
    lost = seen(came(20, 0.9), queued(50, -5.0))
    assert target(lost) == target(seen(came(20, 0.9)))


# correction by observed service times


def services(ratio, count=5, cores=4.0):
    return tuple(ServiceSample(2, cores, LATENCY.predict_s(2, cores) * ratio) for _ in range(count))


def correction(**more):
    return policy().decide(seen(came(5, 0.9), **more)).memory


def test_without_samples_the_profile_stands():
    assert correction() == 1.0


def test_a_few_samples_are_not_believed():
    assert correction(service=services(2.0, count=2)) == 1.0


@pytest.mark.parametrize(("ratio", "expected"), [(2.0, 1.5), (1.0, 1.0), (0.8, 0.9)])
def test_observed_times_move_the_correction_half_way(ratio, expected):
    assert correction(service=services(ratio)) == pytest.approx(expected)


def test_the_correction_goes_on_from_what_was_remembered():
    assert correction(service=services(2.0), memory=1.5) == pytest.approx(1.75)


def test_it_is_kept_while_nothing_is_observed():
    assert correction(memory=1.5) == 1.5


@pytest.mark.parametrize(("ratio", "bound"), [(100.0, 3.0), (0.001, 0.5)])
def test_it_stays_within_its_bounds(ratio, bound):
    assert correction(service=services(ratio), memory=bound) == bound


def test_an_outlier_does_not_move_it():
    assert correction(service=services(1.0, count=4) + services(50.0, count=1)) == pytest.approx(1.0)


def test_a_machine_slower_than_its_profile_gets_more_cores():
    load = came(20, 0.6)
    assert target(seen(load, memory=2.0)).cores > target(seen(load, memory=1.0)).cores


# odd observations


def test_a_batch_on_a_replica_nobody_knows_any_more_is_no_obstacle():
    gone = (InFlight(0, "replica-9", 4, NOW_S - 0.1, NOW_S + 0.5),)
    lost = seen(came(5, 0.9), in_flight=gone, replicas=(), allocation=Allocation(0.0, 1, 0))
    assert target(lost).cores > 0


def test_samples_without_cores_are_passed_over():
    assert correction(service=tuple(ServiceSample(1, 0.0, 0.1) for _ in range(9))) == 1.0


def test_more_replicas_than_one_become_one():
    assert target(seen(came(5, 0.9), allocation=Allocation(1.0, 1, 3))).replicas == 1


@pytest.mark.parametrize("setting", ["headroom", "tail_quantile"])
@pytest.mark.parametrize("value", [0.0, -0.1, 1.1])
def test_a_share_outside_its_range_is_refused(setting, value):
    with pytest.raises(UsageError, match=rf"here: {setting} = {value}; must be in \(0, 1\]"):
        policy(**{setting: value})
