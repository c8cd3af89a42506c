"""FA2's scan against brute force over all counts and batches."""

import math

from hypothesis import given
from hypothesis import strategies as st

from harness.latency import LatencyModel
from harness.policy.fa2 import Fa2Choice, Fa2Problem, solve_prototype, solve_single_stage

term_s = st.floats(0.0, 0.2)
problems = st.builds(
    Fa2Problem,
    st.builds(LatencyModel, term_s, term_s, term_s, st.floats(0.001, 0.2)),
    st.sampled_from([0.1, 0.5, 1.0, 2.0]),
    st.integers(1, 20),
    st.integers(1, 10),
    st.floats(0.5, 200.0),
)


def first(choices):
    return min(choices, default=None, key=lambda c: (c.replicas, c.batch))


def every(problem):
    return [Fa2Choice(n, b) for n in range(1, problem.max_replicas + 1) for b in range(1, problem.max_batch + 1)]


@given(problems, st.floats(0.01, 3.0))
def test_the_single_stage_choice_is_the_smallest_feasible_one(problem, budget_s):
    def feasible(choice):
        service_s = problem.latency.predict_s(choice.batch, problem.replica_cores)
        fills_s = (choice.batch - 1) / problem.rate_rps
        keeps_up = choice.replicas * choice.batch >= problem.rate_rps * service_s - 1e-9
        return service_s + fills_s <= budget_s + 1e-9 and keeps_up

    assert solve_single_stage(problem, budget_s) == first(c for c in every(problem) if feasible(c))


@given(problems, st.integers(-500, 2000), st.floats(0.3, 1.0))
def test_the_prototype_choice_is_the_smallest_feasible_one(problem, remaining_ms, headroom):
    def whole_ms(batch):
        return max(1, int(problem.latency.predict_ms(batch, problem.replica_cores)))

    def feasible(choice):
        n, b, service_ms = choice.replicas, choice.batch, whole_ms(choice.batch)
        reached = all(whole_ms(smaller) <= remaining_ms for smaller in range(1, b + 1))
        covers = n * (remaining_ms // service_ms) * b >= problem.rate_rps
        total_ms = service_ms + math.ceil(problem.rate_rps / (b * n)) * service_ms + (1000 - remaining_ms)
        return reached and covers and total_ms < round(headroom * 1000, 9)

    assert solve_prototype(problem, remaining_ms, 1000, headroom) == first(c for c in every(problem) if feasible(c))
