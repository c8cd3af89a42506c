"""What is compared: the table of metrics, and their values for one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.compare.runs import Run
from harness.errors import UsageError, unknown_name
from harness.results import core_series, per_request
from harness.stats.quantiles import MIN_BEYOND, quantile_value
from harness.stats.rates import attainment_by_budget, attainment_by_client

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Margin:
    """A difference too small to matter: absolute, in the metric's unit, or relative to the baseline (a share)."""

    value: float
    relative: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One number per run. unit and factor: how people read it; the value itself is in SI units or a share.

    primary: conclusions rest on it; primary and other metrics are corrected for multiplicity each among their own.
    missing, infinite: why a run has no value, and why it has an infinite one.
    """

    name: str
    label: str
    unit: str
    factor: float
    better: Better
    margin: Margin
    primary: bool = False
    missing: str = "no request was planned"
    infinite: str = "it is infinite"


POINT = Margin(0.01, relative=False)
QUARTER_POINT = Margin(0.0025, relative=False)  # what is claimed of systems is less than 0.3 %
FIVE_PERCENT = Margin(0.05, relative=True)

METRICS: tuple[Metric, ...] = (
    Metric("violation_rate", "violation rate", "%", 100.0, "lower", QUARTER_POINT, primary=True),
    Metric("granted_core_s", "granted cores", "core-s", 1.0, "lower", FIVE_PERCENT, primary=True),
    Metric("goodput_rps", "goodput", "req/s", 1.0, "higher", FIVE_PERCENT),
    Metric(
        "core_s_per_1000_on_time", "cost per 1,000 on time", "core-s", 1.0, "lower", FIVE_PERCENT,
        infinite="no request was on time",
    ),
    *(
        Metric(
            f"latency_p{percent}_s", f"latency p{percent}", "ms", 1e3, "lower", FIVE_PERCENT,
            missing=f"fewer than {MIN_BEYOND} requests lie beyond it", infinite="too many requests were never answered",
        )
        for percent in (50, 95, 99)
    ),
    Metric(
        "attainment_least_budget", "on time, least-budget quarter", "%", 100.0, "higher", POINT,
        missing="the quarter holds no request",
    ),
    Metric(
        "attainment_worst_client", "on time, worst client", "%", 100.0, "higher", POINT, missing="there is no client"
    ),
)  # fmt: skip
NAMES = tuple(metric.name for metric in METRICS)


def run_values(run: Run) -> dict[str, float]:
    """The values of all metrics for one run; NaN or inf where one has none.

    Latencies are over all planned requests, an unanswered one counting as infinitely late: a system cannot improve them
    by dropping. A latency quantile is NaN when fewer than 20 requests lie beyond it. Raises UsageError.
    """
    requests, cores = per_request(run.folder), core_series(run.folder)
    planned = int(run.manifest["counts"]["planned"])
    on_time = int((~requests["violated"]).sum())
    never = np.full(planned - len(requests), np.inf)
    latency_s = np.concatenate((requests["latency_s"].fillna(np.inf).to_numpy(), never))
    duration_s = float(cores.edges_s[-1])
    clients = [group.share for group in attainment_by_client(requests)]
    return {
        "violation_rate": (planned - on_time) / planned if planned else float("nan"),
        "granted_core_s": cores.core_s,
        "goodput_rps": on_time / duration_s,
        "core_s_per_1000_on_time": cores.core_s * 1000.0 / on_time if on_time else float("inf"),
        "latency_p50_s": quantile_value(latency_s, 0.5),
        "latency_p95_s": quantile_value(latency_s, 0.95),
        "latency_p99_s": quantile_value(latency_s, 0.99),
        "attainment_least_budget": attainment_by_budget(requests)[0].share,
        "attainment_worst_client": min(clients, default=float("nan")),
    }


def with_margins(metrics: Iterable[Metric], texts: Iterable[str]) -> tuple[Metric, ...]:
    """Metrics with margins replaced by `name=value` (in the unit people read) or `name=value%` of the baseline.

    For metrics read in per cent `1` is one percentage point. Raises UsageError for an unknown name or a value that is
    not a positive number.
    """
    chosen = {metric.name: metric for metric in metrics}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in chosen:
            raise unknown_name("--margin", "metric", name, chosen)
        chosen[name] = _with_margin(chosen[name], text, value)
    return tuple(chosen.values())


def _with_margin(metric: Metric, text: str, value: str) -> Metric:
    relative = value.endswith("%")
    try:
        number = float(value.rstrip("%"))
    except ValueError:
        number = float("nan")
    if not 0.0 < number < float("inf"):
        raise UsageError(f"--margin = {text!r}; must be METRIC=VALUE or METRIC=VALUE% with a value > 0")
    margin = Margin(number / (100.0 if relative else metric.factor), relative)
    return replace(metric, margin=margin)
