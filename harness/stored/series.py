"""Series over the time of a run: violations and cores, second by second."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.columns import floats
from harness.results import CoreSeries, violated

Floats = npt.NDArray[np.float64]


def violation_percent(requests: pa.Table, duration_s: float, bin_s: float = 1.0) -> Floats:
    """Violations of the requests created in each bin, per cent of them; NaN where none were created.

    One created before the run's start (a plan may say so of its first second's) is in the first bin.
    """
    bins = int(np.ceil(duration_s / bin_s))
    place = np.clip((floats(requests, "created_s") // bin_s).astype(int), 0, bins - 1)
    created = np.bincount(place, minlength=bins)
    missed = np.bincount(place, weights=violated(requests), minlength=bins)
    percent: Floats = 100.0 * missed / np.where(created, created, np.nan)
    return percent


def bin_edges_s(duration_s: float, bin_s: float = 1.0) -> Floats:
    """0, bin_s, 2 bin_s ... duration_s; the last bin may be shorter."""
    return np.append(np.arange(0.0, duration_s, bin_s), duration_s)


def mean_cores(series: CoreSeries, edges_s: Floats) -> Floats:
    """Time-weighted mean of granted cores within each bin."""
    means: Floats = series.core_s_between(edges_s) / np.diff(edges_s)
    return means


def moving_mean(values: Floats, width: int) -> Floats:
    """Centred mean over `width` values, fewer at the ends; NaN are left out, NaN where nothing is left."""
    kernel = np.ones(width)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    count = np.convolve(known.astype(float), kernel, mode="same")
    means: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means
