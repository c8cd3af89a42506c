"""The latency model: how long a batch takes on an allocation, `l(b, c) = gamma*b/c + delta*b + epsilon/c + eta`.

Linear in the batch, inverse in the cores: each of the two terms of a linear batch cost is split into a part that
cores speed up and a part they do not (Amdahl). Source: Sponge, arXiv:2404.00704, and its public prototype.

Imports nothing beyond numpy: this module travels into the container image. Fitting is `harness.fit`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError, bad_value

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GridCell:
    """One measured point: the service time of a batch of `batch` on `cores` cores."""

    batch: int
    cores: float
    service_s: float


@dataclass(frozen=True, slots=True)
class LatencyModel:
    """`predict_s(batch, cores) = gamma_s*b/c + delta_s*b + epsilon_s/c + eta_s`.

    signed: terms may be negative. Only for sets somebody else published or typed in; what we fit is never negative.
    quantile_levels, quantile_ratios: measured / predicted service time at those quantiles, both nondecreasing. Empty
        when the spread is unknown: every quantile is then the prediction itself.
    grid: the measurements the terms were fitted to; empty when there are none.
    Raises UsageError for a term that is not a finite number, or negative where that is not allowed.
    """

    gamma_s: float
    delta_s: float
    epsilon_s: float
    eta_s: float
    name: str = "custom"
    signed: bool = False
    quantile_levels: tuple[float, ...] = ()
    quantile_ratios: tuple[float, ...] = ()
    grid: tuple[GridCell, ...] = ()

    def __post_init__(self) -> None:
        for term in ("gamma_s", "delta_s", "epsilon_s", "eta_s"):
            value = getattr(self, term)
            if not _is_number(value):
                raise bad_value(f"latency model {self.name}", term, value, "must be a finite number")
            if value < 0 and not self.signed:
                raise bad_value(f"latency model {self.name}", term, value, "must be >= 0 for a fitted model")
        _check_quantiles(self.name, self.quantile_levels, self.quantile_ratios)

    @classmethod
    def from_ms(
        cls, gamma_ms: float, delta_ms: float, epsilon_ms: float, eta_ms: float, name: str = "given"
    ) -> LatencyModel:
        """A model from terms in milliseconds, as papers and people write them; any sign."""
        return cls(gamma_ms / 1e3, delta_ms / 1e3, epsilon_ms / 1e3, eta_ms / 1e3, name=name, signed=True)

    @overload
    def predict_s(self, batch: float, cores: float) -> float: ...
    @overload
    def predict_s(self, batch: FloatArray, cores: FloatArray | float) -> FloatArray: ...
    @overload
    def predict_s(self, batch: float, cores: FloatArray) -> FloatArray: ...
    def predict_s(self, batch: FloatArray | float, cores: FloatArray | float) -> FloatArray | float:
        """Typical service time in seconds of a whole batch; numbers or arrays (which broadcast)."""
        return self.gamma_s * batch / cores + self.delta_s * batch + self.epsilon_s / cores + self.eta_s

    def predict_quantile_s(self, batch: float, cores: float, quantile: float) -> float:
        """Service time in seconds that a share `quantile` (0..1) of batches does not exceed.

        Between measured levels the ratio is interpolated; beyond the outermost it stays what it is there.
        """
        if not 0 <= quantile <= 1:
            raise bad_value(f"latency model {self.name}", "quantile", quantile, "must be within 0..1")
        return self.predict_s(batch, cores) * self.quantile_ratio(quantile)

    def quantile_ratio(self, quantile: float) -> float:
        """Service time at this quantile over the predicted mean; 1 when the spread is unknown."""
        if not self.quantile_levels:
            return 1.0
        return float(np.interp(quantile, self.quantile_levels, self.quantile_ratios))

    @property
    def terms_ms(self) -> tuple[float, float, float, float]:
        """gamma, delta, epsilon, eta in milliseconds, free of the rounding that seconds brought in.

        140.4352 ms is not exactly 1000 times the float nearest to 0.1404352; twelve digits bring the original back.
        """
        gamma, delta, epsilon, eta = (_as_ms(t) for t in (self.gamma_s, self.delta_s, self.epsilon_s, self.eta_s))
        return gamma, delta, epsilon, eta

    def predict_ms(self, batch: int, cores: float) -> float:
        """Prediction in milliseconds, computed in milliseconds: for rules that compare or truncate whole ms."""
        gamma, delta, epsilon, eta = self.terms_ms
        return gamma * batch / cores + delta * batch + epsilon / cores + eta

    def to_dict(self) -> dict[str, Any]:
        """Plain values that survive JSON; `from_dict` gives an equal model back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises UsageError for an unknown key or a missing term."""
        known = {f.name for f in fields(cls)}
        if extra := values.keys() - known:
            raise UsageError(f"latency model: unknown keys {sorted(extra)}; known: {', '.join(sorted(known))}")
        if missing := {"gamma_s", "delta_s", "epsilon_s", "eta_s"} - values.keys():
            raise UsageError(f"latency model: missing keys {sorted(missing)}")
        plain = dict(values)
        plain["grid"] = tuple(GridCell(**cell) for cell in values.get("grid", ()))
        for key in ("quantile_levels", "quantile_ratios"):
            plain[key] = tuple(values.get(key, ()))
        return cls(**plain)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as_ms(seconds: float) -> float:
    return float(f"{seconds * 1e3:.12g}")


def _check_quantiles(name: str, levels: Sequence[float], ratios: Sequence[float]) -> None:
    place = f"latency model {name}"
    if len(levels) != len(ratios):
        raise bad_value(place, "quantile_ratios", tuple(ratios), f"must have {len(levels)} values, one per level")
    if any(b <= a for a, b in pairwise(levels)) or not all(0 <= level <= 1 for level in levels):
        raise bad_value(place, "quantile_levels", tuple(levels), "must increase within 0..1")
    if any(b < a for a, b in pairwise(ratios)) or not all(_is_number(r) and r > 0 for r in ratios):
        raise bad_value(place, "quantile_ratios", tuple(ratios), "must be > 0 and nondecreasing")
