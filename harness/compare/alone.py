"""One run by itself: its rates, its tail and its groups, with intervals over the time of that run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.compare.runs import Run
from harness.results import core_series, per_request
from harness.stats.interval import Estimate
from harness.stats.quantiles import quantile_of_series
from harness.stats.rates import (
    Attainment,
    attainment_by_budget,
    attainment_by_client,
    core_s_per_1000_on_time,
    goodput_rps,
    mean_cores,
    per_second,
    second_of,
    violation_rate,
)

LEVELS = (50, 95, 99)  # per cent


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a run. unit and factor: how people read it; the estimate itself is in SI units or a share. of: the
    requests it is a share of, where no interval is given."""

    label: str
    unit: str
    factor: float
    estimate: Estimate
    of: int = 0


@dataclass(frozen=True, slots=True)
class Alone:
    """A run and its numbers."""

    name: str
    lines: tuple[Line, ...]


def each_alone(runs: Sequence[Run]) -> Iterator[Alone]:
    """Every run by itself, by system; several of one system are told apart by the command they came from."""
    systems = [run.system for run in runs]
    for run in sorted(runs, key=lambda run: (run.system, str(run.folder))):
        several = systems.count(run.system) > 1
        yield Alone(f"{run.system} ({run.invocation.name})" if several else run.system, tuple(lines_of(run)))


def lines_of(run: Run) -> Iterator[Line]:
    """The numbers of a run. Latencies are over all planned requests, an unanswered one counting as infinitely late."""
    requests, cores = per_request(run.folder), core_series(run.folder)
    seconds = per_second(requests, cores)
    missed, index = violation_rate(seconds), second_of(requests, len(seconds.requests))
    within = replace(missed, low=float(np.clip(missed.low, 0.0, 1.0)), high=float(np.clip(missed.high, 0.0, 1.0)))
    yield Line("violation rate", "%", 100.0, within)
    latency_s = requests["latency_s"].fillna(np.inf).to_numpy()
    for percent in LEVELS:
        yield Line(f"latency p{percent}", "ms", 1e3, quantile_of_series(latency_s, index, percent / 100.0))
    yield Line("goodput", "req/s", 1.0, goodput_rps(seconds))
    yield Line("granted cores, mean", "cores", 1.0, mean_cores(seconds))
    yield Line("cost per 1,000 on time", "core-s", 1.0, core_s_per_1000_on_time(seconds))
    yield from groups_of(requests)


def groups_of(requests: pd.DataFrame) -> Iterator[Line]:
    """On time of the client that fared worst, and of each quarter by budget, least first."""
    clients = [group for group in attainment_by_client(requests) if group.planned]
    if clients:
        worst = min(clients, key=lambda group: group.share)
        which = f"worst of {len(clients)} clients ({worst.name})" if len(clients) > 1 else "the only client"
        yield _share(f"on time, {which}", worst)
    for group in attainment_by_budget(requests):
        yield _share(f"on time, {group.name}", group)


def _share(label: str, group: Attainment) -> Line:
    return Line(
        label, "%", 100.0, Estimate(group.share, refused="" if group.planned else "it holds no request"), group.planned
    )
