"""FA2's rules for one stage: how many replicas of one size, and which batch. The smallest count that does wins.

`solve_prototype` is the variant in the public prototype of Sponge (arXiv:2404.00704), in whole milliseconds.
`solve_single_stage` is FA2 (RTAS'22) with its task graph reduced to one stage, where its dynamic program is a scan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.latency import LatencyModel


@dataclass(frozen=True, slots=True)
class Fa2Choice:
    """Replicas and batch size."""

    replicas: int
    batch: int


@dataclass(frozen=True, slots=True)
class Fa2Problem:
    """What both rules choose from. rate_rps: arrivals of the whole stage."""

    latency: LatencyModel
    replica_cores: float
    max_replicas: int
    max_batch: int
    rate_rps: float


def solve_prototype(problem: Fa2Problem, remaining_ms: int, slo_ms: float, headroom: float = 0.9) -> Fa2Choice | None:
    """The prototype's choice for a remaining SLO; None when nothing is feasible.

    With l = int(l(b, 1 core)): no batch with l above the remaining SLO q; n * floor(q / l) * b requests per q must
    cover the rate; and l + ceil(rate / (b * n)) * l + (SLO - q) must stay below headroom * SLO.
    """
    bound_ms = round(headroom * slo_ms, 9)
    for replicas in range(1, problem.max_replicas + 1):
        for batch in range(1, problem.max_batch + 1):
            service_ms = max(1, int(problem.latency.predict_ms(batch, problem.replica_cores)))
            if service_ms > remaining_ms:
                break
            if replicas * (remaining_ms // service_ms) * batch < problem.rate_rps:
                continue
            queued_ms = math.ceil(problem.rate_rps / (batch * replicas)) * service_ms
            if service_ms + queued_ms + (slo_ms - remaining_ms) < bound_ms:
                return Fa2Choice(replicas, batch)
    return None


def solve_single_stage(problem: Fa2Problem, budget_s: float) -> Fa2Choice | None:
    """Smallest n, then b, with `L(b) + (b - 1) / rate <= budget` and `n * b / L(b) >= rate`; None without one.

    (b - 1) / rate is how long the first of a batch waits for the last, so without arrivals only b = 1 is considered.
    """
    batches = range(1, (problem.max_batch if problem.rate_rps > 0 else 1) + 1)
    for replicas in range(1, problem.max_replicas + 1):
        for batch in batches:
            service_s = problem.latency.predict_s(batch, problem.replica_cores)
            waiting_s = (batch - 1) / problem.rate_rps if batch > 1 else 0.0
            keeps_up = replicas * batch >= problem.rate_rps * service_s - 1e-9
            if service_s + waiting_s <= budget_s + 1e-9 and keeps_up:
                return Fa2Choice(replicas, batch)
    return None
