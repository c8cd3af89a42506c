"""The stand-in for when no measured trace can be had: generated, calibrated on the Ghent 4G set, and named so.

A two-state Markov chain says when the link is out; while it is up, its bandwidth follows a Gaussian first-order
autoregression mapped through the quantiles of the measured set (so mean, quantiles and 1 s autocorrelation are its).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from harness.traces.model import BandwidthTrace, Floats, Provenance


@dataclass(frozen=True, slots=True)
class Calibration:
    """Statistics of a measured set, 1 s samples. quantiles_mbps: of the samples that are not outages, evenly spaced
    from the 0th to the 100th percentile. outage_share: of all samples. outage_s: mean length of an outage.
    """

    name: str
    quantiles_mbps: tuple[float, ...]
    correlation_1s: float
    outage_share: float
    outage_s: float


GHENT_4G = Calibration(
    name="ghent-4g",
    quantiles_mbps=(
        0.01, 7.95, 12.24, 15.65, 18.61, 21.11, 23.25, 25.18, 27.14, 29.06, 31.03,
        33.12, 35.21, 37.67, 40.06, 42.84, 46.53, 50.80, 55.05, 59.44, 110.97,
    ),
    correlation_1s=0.76,
    outage_share=0.0062,
    outage_s=1.43,
)  # fmt: skip


def synthetic_bandwidth(calibration: Calibration, duration_s: int, seed: int, because: str) -> BandwidthTrace:
    """A generated downlink trace of whole seconds named `synthetic-<set>`; `because` is kept in its provenance."""
    chain, wave = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    gauss = _autoregression(wave, duration_s, calibration.correlation_1s)
    points = np.linspace(0.0, 1.0, len(calibration.quantiles_mbps))
    mbps = np.interp(ndtr(gauss), points, calibration.quantiles_mbps)
    bits_per_s = np.where(_outages(chain, duration_s, calibration), 0.0, mbps * 1e6)
    provenance = Provenance(dataset=f"synthetic-{calibration.name}", synthetic_because=because)
    times_s = np.arange(duration_s, dtype=np.float64)
    name = f"synthetic-{calibration.name}"
    return BandwidthTrace(name, times_s, bits_per_s, float(duration_s), provenance=provenance)


def _autoregression(generator: np.random.Generator, n: int, correlation: float) -> Floats:
    """A stationary Gaussian sequence of unit variance with this correlation between neighbours."""
    noise = generator.standard_normal(n) * np.sqrt(1.0 - correlation**2)
    noise[0] = generator.standard_normal()
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise))


def _outages(
    generator: np.random.Generator, n: int, calibration: Calibration
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which seconds are out: alternating geometric runs with the calibrated share and mean length."""
    out = np.zeros(n, dtype=np.bool_)
    if calibration.outage_share <= 0.0:
        return out
    up_s = calibration.outage_s * (1.0 - calibration.outage_share) / calibration.outage_share
    at = int(generator.geometric(1.0 / up_s))
    while at < n:
        length = int(generator.geometric(1.0 / calibration.outage_s))
        out[at : at + length] = True
        at += length + int(generator.geometric(1.0 / up_s))
    return out
