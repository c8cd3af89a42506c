"""Service times in every cell from what was measured in some."""

import numpy as np
import pytest

from harness.run.fidelity_service import ENOUGH_SPREAD, service_times, spread_near

RNG = np.random.default_rng(5)
WANTED = [(b, c) for b in (1, 2, 3, 4, 8) for c in (0.4, 0.6, 0.8, 1.0, 1.2, 1.6)]


def truth_s(batch, cores):
    """One thread up to one core, then a second that helps for three quarters of the work."""
    return 0.04 * batch / cores if cores <= 1 else 0.04 * batch * (0.25 + 0.75 / cores)


def measured(cells, count, noise):
    return {cell: truth_s(*cell) * (1.0 + noise * RNG.standard_normal(count)) for cell in cells}


PROFILE = measured([(b, c) for b in (1, 2, 4, 8) for c in (0.4, 0.8, 1.2, 1.6)], 5, 0.0)


def test_noiseless_cells_come_back_and_cells_between_them_keep_to_their_thread_count():
    found = service_times({}, PROFILE, WANTED)
    assert {c: np.mean(t) for c, t in found.items()} == pytest.approx({c: truth_s(*c) for c in WANTED}, rel=1e-6)


def test_many_noisy_batches_of_a_run_give_the_level_of_cells_met_rarely():
    runs = measured([(b, 0.8) for b in (1, 2, 3, 4)], 200, 0.2) | measured([(8, 0.8)], 8, 0.2)
    found = service_times(runs, PROFILE, [(8, 0.8)])
    assert np.mean(found[8, 0.8]) == pytest.approx(truth_s(8, 0.8), rel=0.03)


def test_a_run_outweighs_a_profile_that_was_slower():
    slow = {cell: times * 1.3 for cell, times in PROFILE.items()}
    runs = measured([(b, c) for b in (1, 2) for c in (0.8, 1.2, 1.6)], 200, 0.05)
    found = service_times(runs, slow, [(1, 0.8), (2, 1.6)])
    assert np.mean(found[1, 0.8]) == pytest.approx(truth_s(1, 0.8), rel=0.02)
    assert np.mean(found[2, 1.6]) == pytest.approx(truth_s(2, 1.6), rel=0.02)


def test_the_spread_of_a_cell_met_often_is_its_own():
    wide, narrow = np.array([0.5, 1.5] * ENOUGH_SPREAD), np.array([0.99, 1.01] * ENOUGH_SPREAD)
    assert spread_near({(1, 1.0): narrow, (1, 0.9): wide}, (1, 1.0)).std() == pytest.approx(0.01)


def test_a_cell_met_rarely_borrows_the_spread_of_neighbours_with_as_many_threads():
    one, two = np.array([0.9, 1.1] * ENOUGH_SPREAD), np.array([0.5, 1.5] * ENOUGH_SPREAD)
    assert spread_near({(1, 0.5): one, (1, 1.1): two}, (1, 1.0)).std() == pytest.approx(0.1)


def test_values_are_ascending_and_positive():
    found = service_times(measured([(1, 0.8), (1, 1.2)], 50, 0.1), PROFILE, WANTED)
    assert all(list(times) == sorted(times) and times[0] > 0 for times in found.values())


def test_cells_no_run_met_are_as_much_slower_than_the_profile_as_those_it_met():
    runs = {cell: truth_s(*cell) * 1.2 * np.ones(100) for cell in [(1, 0.8), (2, 0.8), (1, 1.6)]}
    found = service_times(runs, PROFILE, [(8, 0.4), (8, 1.2)])
    assert {c: np.mean(t) for c, t in found.items()} == pytest.approx(
        {c: 1.2 * truth_s(*c) for c in [(8, 0.4), (8, 1.2)]}, rel=0.01
    )
