"""The published rule of Sponge, as coded in its public prototype, in milliseconds.

The lexicographically smallest (cores, batch) with `ceil(rate / b) * l(b, c) <= remaining - (1 - headroom) * SLO`:
one second's requests are taken to be queued at once, all with the same remaining SLO. `l` is cut to whole ms.
Source: arXiv:2404.00704 and its prototype.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulp

from harness.errors import BenchError
from harness.latency import LatencyModel


@dataclass(frozen=True, slots=True)
class PublishedProblem:
    """One instance of the integer program."""

    latency: LatencyModel
    rate_rps: float
    remaining_ms: float
    slo_ms: float
    headroom: float
    cores: Sequence[float]
    max_batch: int

    @property
    def budget_ms(self) -> float:
        """What is left for queueing and service. Rounded, so that 1 - 0.7 does not cost 6e-17 of a feasible case."""
        return round(self.remaining_ms - (1 - self.headroom) * self.slo_ms, 9)

    def candidates(self) -> Iterator[Choice]:
        """All (cores, batch), cores outer, batch inner."""
        for cores in self.cores:
            for batch in range(1, self.max_batch + 1):
                yield Choice(cores, batch, int(self.latency.predict_ms(batch, cores)))

    def total_ms(self, choice: Choice) -> int:
        """Time to serve one second's requests in batches, one after the other."""
        return math.ceil(self.rate_rps / choice.batch) * choice.latency_ms


@dataclass(frozen=True, slots=True)
class Choice:
    """Cores and batch, with the service time of that batch on those cores in whole ms."""

    cores: float
    batch: int
    latency_ms: int


def solve_by_enumeration(problem: PublishedProblem) -> Choice | None:
    """The smallest feasible choice; None when nothing is feasible."""
    return next((c for c in problem.candidates() if problem.total_ms(c) <= problem.budget_ms), None)


def solve_by_integer_program(problem: PublishedProblem) -> Choice | None:
    """The same through PuLP's CBC: one binary per candidate, exactly one chosen, cost its lexicographic rank.

    Raises BenchError when the solver neither solves the program nor proves it infeasible.
    """
    candidates = list(problem.candidates())
    program = pulp.LpProblem("sponge", pulp.LpMinimize)
    chosen = [program.add_variable(f"x{rank}", cat=pulp.LpBinary) for rank in range(len(candidates))]
    program += pulp.lpSum(rank * x for rank, x in enumerate(chosen))
    program += pulp.lpSum(chosen) == 1
    # Totals are whole, so the whole part of the budget is the same bound; the solver's tolerance cannot blur it.
    budget_ms = math.floor(problem.budget_ms)
    program += pulp.lpSum(problem.total_ms(c) * x for c, x in zip(candidates, chosen, strict=True)) <= budget_ms
    status = program.solve(pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False))
    if status == pulp.LpStatusInfeasible:
        return None
    if status != pulp.LpStatusOptimal:
        raise BenchError(f"integer program: the solver ended {pulp.LpStatus[status]!r}")
    return next(c for c, x in zip(candidates, chosen, strict=True) if x.value() > 0.5)
