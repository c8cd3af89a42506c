"""Rates of one run: violations, goodput, attainment of clients and of budget classes, cost.

All take the frame of `harness.results.per_request`. A violation is a request that was dropped, failed or answered after
its deadline; on time is the contrary. Time bins are whole seconds of the plan, a request counts where it was created.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.results.cores import CoreSeries
from harness.stats.blocks import ratio_interval
from harness.stats.interval import Estimate

BIN_S = 1.0
BUDGET_CLASSES = 4
DIGITS = 9  # of core-seconds per second: what rounding left of an integral must not pass for variation

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attainment:
    """How one group of requests fared: those on time, of those planned, with the group's name."""

    name: str
    on_time: int
    planned: int

    @property
    def share(self) -> float:
        """On time of planned; NaN for an empty group."""
        return self.on_time / self.planned if self.planned else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Seconds:
    """One run per second of its plan: requests, violations and granted core-seconds; equally long."""

    requests: Floats
    violations: Floats
    core_s: Floats

    @property
    def on_time(self) -> Floats:
        """Requests on time per second of creation."""
        return self.requests - self.violations


def per_second(requests: pd.DataFrame, cores: CoreSeries) -> Seconds:
    """A run per whole second of its plan.

    What was created before or after these seconds (on its way when the plan begins, or in a last part of a second)
    counts in the first or the last, so that requests and violations add up to the run's.
    """
    count = max(1, int(cores.edges_s[-1] / BIN_S))
    index = second_of(requests, count)
    planned = np.bincount(index, minlength=count).astype(np.float64)
    missed = np.bincount(index, weights=requests["violated"].to_numpy(), minlength=count).astype(np.float64)
    core_s = cores.core_s_between(np.arange(count + 1) * BIN_S).round(DIGITS)
    return Seconds(planned, missed, core_s)


def second_of(requests: pd.DataFrame, count: int) -> npt.NDArray[np.int64]:
    """The second in which each request was created, of the `count` seconds there are."""
    index: npt.NDArray[np.int64] = np.floor(requests["created_s"].to_numpy() / BIN_S).astype(np.int64)
    return index.clip(0, count - 1)


def violation_rate(seconds: Seconds) -> Estimate:
    """Violations of planned requests, within one run."""
    return ratio_interval(seconds.violations, seconds.requests)


def goodput_rps(seconds: Seconds) -> Estimate:
    """Requests answered on time per second of the plan, within one run."""
    return ratio_interval(seconds.on_time, np.full(len(seconds.requests), BIN_S))


def mean_cores(seconds: Seconds) -> Estimate:
    """Granted core-seconds per second, within one run."""
    return ratio_interval(seconds.core_s, np.full(len(seconds.requests), BIN_S), granted=True)


def core_s_per_1000_on_time(seconds: Seconds) -> Estimate:
    """Granted core-seconds for every 1,000 requests answered on time, within one run."""
    return ratio_interval(seconds.core_s * 1000.0, seconds.on_time, positive=True)


def attainment_by_client(requests: pd.DataFrame) -> list[Attainment]:
    """Every client's requests, in order of client."""
    return [_attainment(f"client {client}", group) for client, group in requests.groupby("client")]


def attainment_by_budget(requests: pd.DataFrame, classes: int = BUDGET_CLASSES) -> list[Attainment]:
    """Requests in classes of equal count by the budget they had left at the server, least first.

    A class is named by its number and the budgets it spans, in ms. Ties are told apart by id, so that the classes are
    the same for every system on a plan. A class may be empty when there are fewer requests than classes.
    """
    ordered = requests.sort_values(["budget_s", "id"], kind="stable")
    parts = np.array_split(np.arange(len(ordered)), classes)
    return [_budget_class(k + 1, ordered.iloc[part]) for k, part in enumerate(parts)]


def _budget_class(number: int, part: pd.DataFrame) -> Attainment:
    if part.empty:
        return Attainment(f"budget class {number}", 0, 0)
    low_ms, high_ms = part["budget_s"].iloc[0] * 1e3, part["budget_s"].iloc[-1] * 1e3
    return _attainment(f"budget {low_ms:.0f} to {high_ms:.0f} ms", part)


def _attainment(name: str, group: pd.DataFrame) -> Attainment:
    return Attainment(name, int((~group["violated"]).sum()), len(group))
