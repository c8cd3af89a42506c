"""A profile visits every cell as often as asked, leaves out what takes too long, and finds the model behind it."""

import itertools

import numpy as np
import pytest

from harness.errors import BenchError, UsageError
from harness.latency import LatencyModel
from harness.profile.grid import Grid, default_cores
from harness.profile.measure import Surveyor
from harness.profile.probe import Timing
from harness.profile.values import by_cell, fit_samples
from harness.types import Applied, threads_for

TRUTH = LatencyModel(0.05, 0.004, 0.01, 0.002)
GRID = Grid(cores=(0.2, 0.4, 0.8, 1.6), batches=(1, 2, 4), repeats=4)


class Machine:
    """A backend and a probe in one: serves batches in exactly the time of a known model."""

    def __init__(self, truth=TRUTH, outcome="ok"):
        self.truth = truth
        self.outcome = outcome
        self.allocation = None
        self.served = []

    def apply(self, decision):
        self.allocation = decision.target
        return Applied(decision.target, 0.0, 0.0, 0.0, decision.target.cores, self.outcome, "no room")

    def serve(self, batch):
        cores = self.allocation.cores
        assert batch == self.allocation.batch_size
        self.served.append((batch, cores))
        return Timing(self.truth.predict_s(batch, cores), 0.001, 0.002, threads_for(cores))


def survey(machine, grid=GRID, seed=0, **more):
    return Surveyor(machine, machine, grid, np.random.default_rng(seed), more.pop("watch", None)).survey(**more)


def test_every_cell_is_measured_as_often_as_asked():
    measured = survey(Machine())
    assert {cell: len(times) for cell, times in by_cell(measured.samples).items()} == {
        (batch, cores): 4 for batch in GRID.batches for cores in GRID.cores if (batch, cores) not in measured.skipped
    }


def test_a_cell_that_takes_too_long_is_left_out_and_named():
    measured = survey(Machine(), Grid(GRID.cores, GRID.batches, repeats=1, longest_s=0.5))
    assert measured.skipped == ((2, 0.2), (4, 0.2), (4, 0.4))


def test_warming_up_is_not_counted():
    machine = Machine()
    measured = survey(machine)
    assert len(machine.served) > len(measured.samples)


def test_the_order_differs_between_rounds():
    samples = survey(Machine()).samples
    size = len(samples) // GRID.repeats
    orders = {tuple((s.batch, s.cores) for s in samples[k : k + size]) for k in range(0, len(samples), size)}
    assert len(orders) == GRID.repeats


def test_the_same_seed_measures_in_the_same_order():
    machines = Machine(), Machine()
    for machine in machines:
        survey(machine, seed=7)
    assert machines[0].served == machines[1].served


def test_no_round_begins_after_the_time_is_spent():
    clock = itertools.count()  # one second a look
    grid = Grid(GRID.cores, GRID.batches, repeats=100, budget_s=5.0, least_rounds=2)
    samples = survey(Machine(), grid, now=lambda: float(next(clock))).samples
    assert max(len(times) for times in by_cell(samples).values()) == 7


def test_a_few_rounds_are_measured_however_little_time_there_is():
    grid = Grid(GRID.cores, GRID.batches, repeats=100, budget_s=0.0, least_rounds=3)
    samples = survey(Machine(), grid, now=itertools.count().__next__).samples
    assert max(len(times) for times in by_cell(samples).values()) == 3


def test_the_model_behind_the_samples_is_found():
    model = fit_samples(survey(Machine()).samples, "found")
    assert model.terms_ms == pytest.approx(TRUTH.terms_ms, abs=1e-6)


def test_a_refused_allocation_ends_the_profile():
    with pytest.raises(BenchError, match=r"profile: 1\.6 cores, batch 1: infeasible: no room"):
        survey(Machine(outcome="infeasible"))


def test_progress_never_passes_its_total():
    seen = []
    survey(Machine(), watch=lambda done, total, _text: seen.append((done, total)))
    assert seen and all(done < total for done, total in seen)


@pytest.mark.parametrize(
    ("grid", "rule"),
    [
        (Grid((0.2,), (1, 2)), r"cores = \(0\.2,\); must be at least 2 different"),
        (Grid((0.2, 0.4), (4, 4)), "batches = .*must be at least 2 different"),
        (Grid((0.2, -1.0), (1, 2)), "cores = .*must be finite and > 0"),
        (Grid((0.2, float("nan")), (1, 2)), "cores = .*must be finite and > 0"),
        (Grid((0.2, 0.4), (1, 2.5)), "batches = .*must be whole numbers"),
        (Grid((0.2, 0.4), (1, 2), repeats=0), "repeats = 0; must be >= 1"),
    ],
)
def test_a_grid_that_cannot_be_measured_is_refused(grid, rule):
    with pytest.raises(UsageError, match=rule):
        grid.validate("profile")


def test_a_grid_does_not_answer_for_one_with_more_points_or_more_samples():
    fine = Grid((0.2, 0.8, 1.6), (1, 2, 4), repeats=5)
    coarse, hasty = Grid((0.2, 1.6), (1, 4), repeats=5), Grid((0.2, 0.8, 1.6), (1, 2, 4), repeats=3)
    assert not coarse.covers(fine)
    assert not hasty.covers(fine)
    assert fine.covers(coarse)
    assert fine.covers(hasty)


@pytest.mark.parametrize(
    ("cores", "batches", "covered"),
    [((0.2, 1.6), (1, 4), True), ((0.4, 0.8), (1, 2), True), ((0.1, 1.6), (1, 4), False), ((0.4, 0.8), (1, 8), False)],
)
def test_a_grid_answers_only_for_what_it_spans(cores, batches, covered):
    assert GRID.covers(Grid(cores, batches, repeats=GRID.repeats)) is covered


def test_default_cores_leave_a_fifth_of_the_machine_alone():
    assert default_cores(2) == (0.2, 0.4, 0.8, 1.2, 1.6)
