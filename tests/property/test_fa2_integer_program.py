"""FA2's rules give what an integer program in PuLP gives, and what brute force gives, on random instances."""

import math

import numpy as np
import pulp
import pytest

from harness.latency import LatencyModel
from harness.policy.fa2 import Fa2Choice, Fa2Problem, solve_prototype, solve_single_stage

SLO_MS = 1000


def random_problem(seed):
    """An instance near the border of feasibility, replicas of whole and of fractional cores."""
    rng = np.random.default_rng(seed)
    terms_ms = rng.uniform([1, 0, 0, 0], [150, 40, 40, 40])
    cores, rate_rps = float(rng.choice([0.1, 0.5, 1.0, 2.0])), float(rng.choice([0.7, 5, 20, rng.uniform(1, 60)]))
    latency = LatencyModel.from_ms(*(round(float(t) * min(1.0, cores), 4) for t in terms_ms))
    return Fa2Problem(latency, cores, int(rng.integers(1, 9)), int(rng.integers(1, 9)), rate_rps)


def random_budget_ms(seed):
    return int(np.random.default_rng(seed + 10_000).integers(50, SLO_MS + 1))


def pairs(problem):
    return [(n, b) for n in range(1, problem.max_replicas + 1) for b in range(1, problem.max_batch + 1)]


def by_integer_program(problem, at_most, at_least):
    """The least replicas, then batch. at_most, at_least: (value of a pair, bound) that the chosen pair must keep."""
    program = pulp.LpProblem("fa2", pulp.LpMinimize)
    candidates = pairs(problem)
    chosen = [program.add_variable(f"x{k}", cat=pulp.LpBinary) for k in range(len(candidates))]
    program += pulp.lpSum(rank * x for rank, x in enumerate(chosen))
    program += pulp.lpSum(chosen) == 1
    for value, bound in at_most:
        program += pulp.lpSum(value(*c) * x for c, x in zip(candidates, chosen, strict=True)) <= bound
    for value, bound in at_least:
        program += pulp.lpSum(value(*c) * x for c, x in zip(candidates, chosen, strict=True)) >= bound
    status = program.solve(pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False))
    if status == pulp.LpStatusInfeasible:
        return None
    assert status == pulp.LpStatusOptimal
    return Fa2Choice(*next(c for c, x in zip(candidates, chosen, strict=True) if x.value() > 0.5))


def first(problem, feasible):
    return next((Fa2Choice(*c) for c in pairs(problem) if feasible(*c)), None)


class SingleStage:
    """The rule of the specification: `L(b) + (b - 1) / rate <= budget` and `n * b / L(b) >= rate`."""

    def __init__(self, problem, budget_s):
        self.problem, self.budget_s = problem, budget_s

    def service_s(self, batch):
        return self.problem.latency.predict_s(batch, self.problem.replica_cores)

    def takes_s(self, _, batch):
        return self.service_s(batch) + (batch - 1) / self.problem.rate_rps

    def throughput_rps(self, replicas, batch):
        return replicas * batch / self.service_s(batch)

    def feasible(self, replicas, batch):
        return self.takes_s(replicas, batch) <= self.budget_s and (
            self.throughput_rps(replicas, batch) >= self.problem.rate_rps
        )

    def program(self):
        at_most, at_least = [(self.takes_s, self.budget_s)], [(self.throughput_rps, self.problem.rate_rps)]
        return by_integer_program(self.problem, at_most, at_least)


class Prototype:
    """The rule of the specification, in whole milliseconds."""

    def __init__(self, problem, remaining_ms, headroom=0.9):
        self.problem, self.remaining_ms = problem, remaining_ms
        self.bound_ms = math.ceil(round(headroom * SLO_MS, 9)) - 1  # totals are whole and must stay below

    def service_ms(self, batch):
        return max(1, int(self.problem.latency.predict_ms(batch, self.problem.replica_cores)))

    def slowest_ms(self, _, batch):
        return max(self.service_ms(smaller) for smaller in range(1, batch + 1))

    def covers(self, replicas, batch):
        return replicas * (self.remaining_ms // self.service_ms(batch)) * batch

    def total_ms(self, replicas, batch):
        service_ms = self.service_ms(batch)
        rounds = math.ceil(self.problem.rate_rps / (batch * replicas))
        return service_ms + rounds * service_ms + (SLO_MS - self.remaining_ms)

    def feasible(self, *pair):
        in_time = self.slowest_ms(*pair) <= self.remaining_ms and self.total_ms(*pair) <= self.bound_ms
        return in_time and self.covers(*pair) >= self.problem.rate_rps

    def program(self):
        at_most = [(self.slowest_ms, self.remaining_ms), (self.total_ms, self.bound_ms)]
        return by_integer_program(self.problem, at_most, [(self.covers, math.ceil(self.problem.rate_rps))])


RULES = {
    "single stage": (
        lambda seed: SingleStage(random_problem(seed), random_budget_ms(seed) / 1e3),
        lambda rule: solve_single_stage(rule.problem, rule.budget_s),
    ),
    "prototype": (
        lambda seed: Prototype(random_problem(seed), random_budget_ms(seed)),
        lambda rule: solve_prototype(rule.problem, rule.remaining_ms, SLO_MS),
    ),
}
each_rule = pytest.mark.parametrize("rule", RULES)


@each_rule
def test_the_scan_agrees_with_brute_force_on_random_instances(rule):
    make, solve = RULES[rule]
    instances = [make(seed) for seed in range(1500)]
    assert [solve(one) for one in instances] == [first(one.problem, one.feasible) for one in instances]


@each_rule
def test_the_scan_agrees_with_the_integer_program_on_random_instances(rule):
    make, solve = RULES[rule]
    instances = [make(seed) for seed in range(120)]
    assert [solve(one) for one in instances] == [one.program() for one in instances]


@each_rule
def test_the_random_instances_are_neither_all_feasible_nor_all_infeasible(rule):
    make, solve = RULES[rule]
    infeasible = sum(solve(make(seed)) is None for seed in range(120))
    assert 15 <= infeasible <= 105
