"""What prices prove: exactly, of any prices, and nothing more than they do."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from harness.errors import CheckError, UsageError
from harness.latency import LatencyModel
from harness.oracle.certificate import Certificate
from harness.oracle.floor import Floor
from harness.oracle.foresight import Foresight, Speeds, Ways, windows_of
from harness.oracle.search import Search, course_of
from harness.policy.conditions import Conditions, CoreGrid

TENTH = LatencyModel(0.1, 0.0, 0.0, 0.0)  # 0.1 core-seconds per request, whatever the batch and the cores
GRID = CoreGrid(1.0, 4.0, 1.0)


def foresight(due_s, budget_s=1.0, *, duration_s=10.0, latency=TENTH, max_batch=4, **more):
    due_s = np.asarray(due_s, float)
    conditions = Conditions(GRID, max_batch, 1.0, 1.0, latency)
    return Foresight(due_s, due_s + budget_s, duration_s, conditions, Ways(), **more)


def certificate_of(floor, misses=0):
    prices = floor.prices()
    return Certificate(prices, misses, floor.checker.prove(prices).core_s(misses))


@pytest.fixture(scope="module")
def busy():
    """The floor of 25 requests a second: 2.5 cores' worth, and 3 on a grid of whole cores are too many."""
    return Floor.of(foresight(np.arange(250) / 25, 0.9))


def test_without_requests_the_smallest_allocation_is_the_floor_throughout():
    proven = Floor.of(foresight([])).prove()
    assert proven.core_s(0) == pytest.approx(10.0, abs=1e-6)
    assert proven.core_s(0) <= 10.0
    assert proven.fewest_misses == 0


def test_work_that_needs_two_and_a_half_cores_costs_so_much_where_it_cannot_end_after_the_plan(busy):
    needed_core_s = 0.1 * np.count_nonzero(busy.windows.closes_s < 10.0)
    assert needed_core_s - 1e-6 <= busy.prove().core_s(0) <= 25.0


def test_more_misses_never_raise_the_floor(busy):
    proven = busy.prove()
    floors = [proven.core_s(misses) for misses in range(0, 260, 10)]
    assert floors == sorted(floors, reverse=True)
    assert floors[-1] == proven.core_s(10_000) == pytest.approx(10.0, abs=1e-6)


def test_any_prices_prove_a_floor_that_good_ones_are_not_below(busy):
    best = busy.prove().core_s(0)
    noise = np.random.default_rng(1).uniform(0.0, 0.3, (20, len(busy.slots)))
    assert all(busy.checker.prove(prices).core_s(0) <= best + 0.1 for prices in noise)


def test_a_true_certificate_passes(busy):
    busy.checker.verify(certificate_of(busy, 3))


def test_a_certificate_whose_prices_were_changed_is_noticed(busy):
    true = certificate_of(busy)
    for factor in (0.0, 0.5, 0.9, 1.1, 2.0):
        with pytest.raises(CheckError, match=r"the prices prove .* core-seconds for 0 misses; it says"):
            busy.checker.verify(replace(true, prices=true.prices * factor))


def test_a_certificate_that_claims_one_bit_more_than_its_prices_prove_is_noticed(busy):
    true = certificate_of(busy)
    with pytest.raises(CheckError, match="it says"):
        busy.checker.verify(replace(true, core_s=float(np.nextafter(true.core_s, np.inf))))


@pytest.mark.parametrize("bad", [-1e-9, np.nan, np.inf])
def test_a_price_that_is_none_is_refused(busy, bad):
    prices = certificate_of(busy).prices.copy()
    prices[7] = bad
    with pytest.raises(CheckError, match=r"must be \d+ finite numbers >= 0"):
        busy.checker.prove(prices)


def test_too_few_prices_are_refused(busy):
    with pytest.raises(CheckError, match="certificate: 3 prices"):
        busy.checker.prove(np.zeros(3))


def test_the_floor_is_rounded_down(busy):
    proof = busy.checker.prove(certificate_of(busy).prices)
    exact = proof.base + sum(proof.worth, Fraction(0))
    assert Fraction(proof.core_s(0)) <= exact < Fraction(float(np.nextafter(proof.core_s(0), np.inf)))


def test_requests_that_no_schedule_could_meet_are_not_in_the_floor():
    late = foresight([0.0, 1.0, 2.0], 0.02)
    windows = windows_of(late, Speeds(late))
    assert (len(windows), windows.unmeetable) == (0, 3)
    assert Floor.of(late).prove().core_s(0) == pytest.approx(10.0, abs=1e-6)


def test_a_request_is_meetable_with_exactly_the_quickest_service_left():
    windows = windows_of(foresight([0.0], 0.025), Speeds(foresight([0.0])))
    assert len(windows) == 1


def test_of_a_burst_beyond_all_cores_the_excess_is_missed_by_everybody():
    floor = Floor.of(foresight([0.0] * 100, 0.5))  # 4 cores serve 20 of them in 0.5 s
    assert 79 <= floor.prove().fewest_misses <= 80


def test_deep_overload_is_priced_without_an_end():
    floor = Floor.of(foresight(np.arange(2000) / 200, 0.3))
    proven = floor.prove()
    assert proven.fewest_misses > 1500
    assert proven.core_s(proven.fewest_misses) <= 40.0


def test_service_that_may_be_drawn_faster_lowers_the_floor():
    due_s = np.arange(250) / 25
    lucky = Floor.of(foresight(due_s, 0.9, least_ratio=0.5)).prove().core_s(0)
    assert lucky < Floor.of(foresight(due_s, 0.9)).prove().core_s(0)


def test_a_model_that_serves_in_no_time_is_refused():
    nothing = foresight([0.0], latency=LatencyModel.from_ms(0, 0, 0, 0))
    with pytest.raises(UsageError, match=r"here: service time of 1 on 1 cores = 0.0; must be > 0 s"):
        nothing.validate("here")


def test_larger_batches_and_fewer_cores_are_counted_where_they_are_quicker():
    odd = LatencyModel.from_ms(100, -20, 0, 50)
    speeds = Speeds(foresight([], latency=odd))
    assert speeds.quickest_s[-1][1] == min(odd.predict_s(b, c) for b in range(1, 5) for c in GRID.values())


def test_the_best_of_several_replicas_is_no_dearer_than_of_one(busy):
    assert busy.any_scaling_core_s(0) <= busy.prove().core_s(0) + 1e-6


@pytest.mark.parametrize("due_s", [[], [0.0] * 30, np.arange(100) / 200], ids=["nothing", "a burst", "overload"])
def test_a_schedule_is_found_for_any_plan(due_s):
    seen = foresight(due_s, 0.4)
    floor = Floor.of(seen)
    schedule = Search(seen, course_of(seen, 1.0), floor.slots, floor.prices(), 4, 100.0).schedule()
    assert schedule.core_s >= floor.prove().core_s(schedule.missed - floor.windows.unmeetable)
