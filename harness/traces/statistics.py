"""What a trace is like, in numbers: over time, not over rows, so a step of 9 s counts nine times one of 1 s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.traces.model import ArrivalTrace, BandwidthTrace, Floats, Trace
from harness.traces.transforms import resample_arrivals, resample_bandwidth


@dataclass(frozen=True, slots=True)
class Statistics:
    """unit: `Mbit/s` or `requests/s`, of mean, peak and quantiles.

    p5 .. p95: the smallest value that holds or is undercut for that share of the time (arrivals: of the bins).
    zero_share: share of the time in outage, or of the bins without a request. correlation_1s: of 1 s means with the
    second after; nan for a trace without variation or under 3 s.
    """

    unit: str
    seconds: float
    mean: float
    p5: float
    p50: float
    p95: float
    peak: float
    zero_share: float
    correlation_1s: float


def statistics_of(trace: Trace) -> Statistics:
    """The statistics of either kind of trace."""
    if isinstance(trace, BandwidthTrace):
        return _of_bandwidth(trace)
    return _of_arrivals(trace)


def _of_bandwidth(trace: BandwidthTrace) -> Statistics:
    mbps, steps = trace.bits_per_s / 1e6, trace.steps_s()
    seconds = resample_bandwidth(trace, [1.0]).bits_per_s
    return _statistics("Mbit/s", mbps, steps, trace.end_s, correlation(seconds))


def _of_arrivals(trace: ArrivalTrace) -> Statistics:
    if trace.counts is None:
        trace = resample_arrivals(trace, [1.0])
    rates = np.asarray(trace.counts) / trace.bin_s
    return _statistics("requests/s", rates, np.full(len(rates), trace.bin_s), trace.end_s, correlation(rates))


def _statistics(unit: str, values: Floats, weights_s: Floats, seconds: float, correlated: float) -> Statistics:
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights_s[order]) / np.sum(weights_s)
    at = np.searchsorted(share, np.array([0.05, 0.5, 0.95]) - 1e-12, side="left")
    p5, p50, p95 = (float(value) for value in values[order][np.minimum(at, len(values) - 1)])
    mean = float(values @ weights_s / np.sum(weights_s))
    zero = float(np.sum(weights_s[values == 0.0]) / np.sum(weights_s))
    return Statistics(unit, seconds, mean, p5, p50, p95, float(values.max()), zero, correlated)


def correlation(values: Floats) -> float:
    """Correlation of a series with itself one step later; nan when it has under 3 values or does not vary."""
    if len(values) < 3 or np.ptp(values[:-1]) == 0.0 or np.ptp(values[1:]) == 0.0:
        return float("nan")
    return float(np.corrcoef(values[:-1], values[1:])[0, 1])
