"""Fit a latency model to measurements: non-negative least squares, and ordinary least squares as the paper did.

`fit_nnls` minimises the relative error. Service times over a grid span a factor of fifty and their spread grows with
them, so an absolute fit serves the slowest cell, which no deadline allows anyone to use, at the cost of the cells in
use: on the published YOLOv5s grid the absolute fit is 25 % off at one image on 16 cores, the relative one 4 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from harness.errors import UsageError
from harness.latency import FloatArray, GridCell, LatencyModel

Weighting = Literal["relative", "absolute"]
QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class FitQuality:
    """How well a model describes a grid; a relative error is (predicted - measured) / measured."""

    r2: float
    rmse_s: float
    rmse_relative: float
    worst_relative: float


def fit_nnls(grid: Sequence[GridCell], name: str = "fitted", weighting: Weighting = "relative") -> LatencyModel:
    """The model with terms >= 0 nearest to the grid. Raises UsageError when the grid cannot determine four terms."""
    design, service_s = _design(grid)
    weights = 1.0 / service_s if weighting == "relative" else np.ones_like(service_s)
    terms, _ = nnls(design * weights[:, None], service_s * weights)
    gamma, delta, epsilon, eta = (float(t) for t in terms)
    return LatencyModel(gamma, delta, epsilon, eta, name=name, grid=tuple(grid))


def fit_least_squares(grid: Sequence[GridCell], name: str = "fitted-signed") -> LatencyModel:
    """Ordinary least squares on absolute error, as the paper fitted it; terms may come out negative."""
    design, service_s = _design(grid)
    terms, *_ = np.linalg.lstsq(design, service_s, rcond=None)
    gamma, delta, epsilon, eta = (float(t) for t in terms)
    return LatencyModel(gamma, delta, epsilon, eta, name=name, signed=True, grid=tuple(grid))


def quality(model: LatencyModel, grid: Sequence[GridCell]) -> FitQuality:
    """R2, root mean square error and the worst relative error of a model on a grid."""
    _, service_s = _design(grid)
    predicted_s = model.predict_s(_column(grid, "batch"), _column(grid, "cores"))
    error_s = predicted_s - service_s
    spread = float(np.sum((service_s - service_s.mean()) ** 2))
    relative = error_s / service_s
    return FitQuality(
        r2=1.0 - float(np.sum(error_s**2)) / spread,
        rmse_s=float(np.sqrt(np.mean(error_s**2))),
        rmse_relative=float(np.sqrt(np.mean(relative**2))),
        worst_relative=float(np.max(np.abs(relative))),
    )


def residual_quantiles(
    model: LatencyModel, samples_s: Mapping[tuple[int, float], Sequence[float]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(levels, ratios): quantiles of measured / predicted over all samples; every (batch, cores) cell weighs alike."""
    ratios, weights = [], []
    for (batch, cores), values in samples_s.items():
        ratios.append(np.asarray(values, float) / model.predict_s(batch, cores))
        weights.append(np.full(len(values), 1.0 / len(values)))
    quantiles = np.quantile(
        np.concatenate(ratios), QUANTILE_LEVELS, weights=np.concatenate(weights), method="inverted_cdf"
    )
    return QUANTILE_LEVELS, tuple(float(q) for q in quantiles)


def _column(grid: Sequence[GridCell], name: str) -> FloatArray:
    return np.array([getattr(cell, name) for cell in grid], float)


def _design(grid: Sequence[GridCell]) -> tuple[FloatArray, FloatArray]:
    batch, cores, service_s = (_column(grid, name) for name in ("batch", "cores", "service_s"))
    if len(set(batch)) < 2 or len(set(cores)) < 2:
        raise UsageError(
            f"latency fit: {len(set(batch))} batch sizes and {len(set(cores))} core counts; needs at least 2 of each"
        )
    if not (np.isfinite(service_s).all() and (service_s > 0).all() and (cores > 0).all()):
        raise UsageError("latency fit: service times and cores must be finite and > 0")
    return np.column_stack([batch / cores, batch, 1.0 / cores, np.ones_like(batch)]), service_s
