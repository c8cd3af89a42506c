"""Enumeration, the integer program and brute force choose the same allocation on any instance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.latency import LatencyModel
from harness.policy.conditions import CoreGrid
from harness.policy.published import PublishedProblem, solve_by_enumeration, solve_by_integer_program

GRIDS = [CoreGrid(1, 4, 1), CoreGrid(1, 16, 1), CoreGrid(0.1, 0.8, 0.1), CoreGrid(0.5, 3, 0.25), CoreGrid(2, 2, 1)]


def random_problem(seed: int) -> PublishedProblem:
    """An instance near the border of feasibility, where a choice can be got wrong."""
    rng = np.random.default_rng(seed)
    gamma, delta, eta = rng.uniform(0, 200), rng.uniform(0, 50), rng.uniform(-5, 40)
    latency = LatencyModel.from_ms(*(round(float(t), 4) for t in (gamma, delta, rng.uniform(-60, 60), eta)))
    grid = GRIDS[rng.integers(len(GRIDS))]
    slo_ms = float(rng.choice([200, 500, 1000, 2500.5]))
    rate_rps = float(rng.choice([0.0, rng.integers(1, 60), rng.uniform(0.1, 60)]))
    headroom = float(rng.choice([1.0, 0.9, 0.7, rng.uniform(0.5, 1)]))
    remaining_ms = float(rng.choice([rng.integers(-100, slo_ms), rng.uniform(0, 4 * slo_ms), slo_ms]))
    return PublishedProblem(latency, rate_rps, remaining_ms, slo_ms, headroom, grid.values(), int(rng.integers(1, 9)))


def by_brute_force(problem: PublishedProblem) -> tuple[float, int] | None:
    """All pairs, the feasible ones, the least in lexicographic order: written from the specification alone."""
    gamma, delta, epsilon, eta = problem.latency.terms_ms
    feasible = []
    for cores in problem.cores:
        for batch in range(1, problem.max_batch + 1):
            latency_ms = math.trunc(gamma * batch / cores + delta * batch + epsilon / cores + eta)
            budget_ms = problem.remaining_ms - (1 - problem.headroom) * problem.slo_ms
            if math.ceil(problem.rate_rps / batch) * latency_ms <= budget_ms + 1e-9:
                feasible.append((cores, batch))
    return min(feasible, default=None)


def pair(choice):
    return None if choice is None else (choice.cores, choice.batch)


def test_enumeration_agrees_with_brute_force_on_random_instances():
    problems = [random_problem(seed) for seed in range(1500)]
    assert [pair(solve_by_enumeration(p)) for p in problems] == [by_brute_force(p) for p in problems]


def test_the_random_instances_are_neither_all_feasible_nor_all_infeasible():
    infeasible = sum(by_brute_force(random_problem(seed)) is None for seed in range(1500))
    assert 300 < infeasible < 1200


def test_the_integer_program_agrees_with_enumeration_on_random_instances():
    problems = [p for p in map(random_problem, range(1500, 2200)) if len(p.cores) * p.max_batch <= 64][:300]
    assert len(problems) == 300
    assert [pair(solve_by_integer_program(p)) for p in problems] == [pair(solve_by_enumeration(p)) for p in problems]


problems = st.integers(0, 2**32).map(random_problem)


@given(problems)
def test_what_is_chosen_meets_the_budget_with_the_latency_it_names(problem):
    choice = solve_by_enumeration(problem)
    if choice is not None:
        total_ms = math.ceil(problem.rate_rps / choice.batch) * choice.latency_ms
        assert total_ms <= problem.remaining_ms - (1 - problem.headroom) * problem.slo_ms + 1e-9


@given(problems, st.floats(0, 500))
def test_more_time_never_needs_more_cores(problem, more_ms):
    richer = PublishedProblem(
        problem.latency, problem.rate_rps, problem.remaining_ms + more_ms, problem.slo_ms, problem.headroom,
        problem.cores, problem.max_batch,
    )  # fmt: skip
    choice, richer_choice = solve_by_enumeration(problem), solve_by_enumeration(richer)
    assert choice is None or (richer_choice is not None and richer_choice.cores <= choice.cores)


@pytest.mark.parametrize(("headroom", "remaining_ms"), [(0.7, 300.0), (0.9, 100.0), (0.8, 200.0), (0.6, 400.0)])
def test_a_budget_of_exactly_nothing_is_not_lost_to_rounding(headroom, remaining_ms):
    nothing_to_do = LatencyModel.from_ms(0, 0, 0, 0)
    problem = PublishedProblem(nothing_to_do, 20, remaining_ms, 1000, headroom, (1.0,), 1)
    assert solve_by_enumeration(problem) is not None


def test_the_tolerance_of_the_solver_makes_nothing_feasible_that_is_not():
    problem = PublishedProblem(LatencyModel.from_ms(0, 0, 0, 895), 1, 895 - 1e-8, 1000, 1.0, (1.0,), 1)
    assert solve_by_integer_program(problem) is solve_by_enumeration(problem) is None
