"""The stand-in for when measured bytes cannot be had: generated, calibrated on the real sets, and named so.

Bandwidth follows a Markov chain over states: an outage, and bands of bandwidth between quantiles of the measured set.
The transition probabilities are those counted in the set, second by second, so the share and length of outages are
the set's; inside its band a second draws from the set's quantiles, or, as often as gives the set's correlation from
one second to the next, stays where it was. Arrivals follow the set's mean per hour of the day, times a wandering
level with the set's quantiles and memory, and are Poisson within a second.

The statistics are in `traces/synthetic.json`, made by `traces/calibrate.py` from the real files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import BenchError
from harness.traces.catalogue import CATALOGUE
from harness.traces.model import ArrivalTrace, BandwidthTrace, Floats, Ints, Provenance, Trace

SEED = 20240415
BAND_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
_MINUTE_S = 60
_LEVEL_POINTS = 401


@cache
def calibrations() -> Mapping[str, Mapping[str, Any]]:
    """Statistics per set, by the beginning of the names they stand for."""
    table: dict[str, dict[str, Any]] = json.loads((CATALOGUE / "synthetic.json").read_text(encoding="utf-8"))
    return table


def stand_in(name: str, because: str) -> Trace:
    """The synthetic trace that stands for `name`; `because` is kept in its provenance.

    Raises BenchError when no calibrated set covers the name.
    """
    fitting = [prefix for prefix in calibrations() if name.startswith(prefix)]
    if not fitting:
        raise BenchError(f"{name}: {because}; and no synthetic trace can stand in for it")
    prefix = max(fitting, key=len)
    calibration = calibrations()[prefix]
    provenance = Provenance(dataset=f"synthetic-{prefix}", synthetic_because=because)
    seed = SEED + zlib.crc32(name.encode())  # two traces of one set are two stand-ins
    if calibration["kind"] == "arrivals":
        counts = synthetic_counts(calibration, int(calibration["seconds"]), seed)
        return ArrivalTrace(f"synthetic-{name}", float(len(counts)), counts=counts, provenance=provenance)
    mbps = synthetic_mbps(calibration, int(calibration["seconds"]), seed)
    times = np.arange(len(mbps), dtype=np.float64)
    end_s, direction = float(len(mbps)), calibration["direction"]
    return BandwidthTrace(f"synthetic-{name}", times, mbps * 1e6, end_s, direction, provenance)


def synthetic_mbps(calibration: Mapping[str, Any], seconds: int, seed: int) -> Floats:
    """Bandwidth of each second in Mbit/s, shape (seconds,). The same seed gives the same."""
    chain, inside = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    states = _walk(np.array(calibration["transitions"]), seconds, chain)
    edges, quantiles = np.array(BAND_EDGES), np.array(calibration["quantiles_mbps"])
    band = np.maximum(states - 1, 0)
    place = _sticky(inside.random(seconds), states, inside.random(seconds) < calibration["persistence"])
    share = edges[band] + place * (edges[band + 1] - edges[band])
    mbps = np.interp(share, np.linspace(0.0, 1.0, len(quantiles)), quantiles)
    return np.where(states == 0, 0.0, mbps)


def _sticky(places: Floats, states: Ints, stays: npt.NDArray[np.bool_]) -> Floats:
    """Places inside the bands; one that stays, in the same state as before, repeats the place before it."""
    fresh = np.concatenate(([True], (states[1:] != states[:-1]) | ~stays[1:]))
    return places[np.maximum.accumulate(np.where(fresh, np.arange(len(places)), 0))]


def _walk(transitions: Floats, steps: int, generator: np.random.Generator) -> Ints:
    """States of a Markov chain, from a start drawn from its stationary distribution."""
    rows = transitions / transitions.sum(axis=1, keepdims=True)
    reach = np.cumsum(rows, axis=1)
    last = len(rows) - 1
    draws = generator.random(steps)
    states = np.empty(steps, np.int64)
    state = min(int(np.searchsorted(np.cumsum(_stationary(rows)), draws[0], side="right")), last)
    for at, draw in enumerate(draws.tolist()):
        if at:
            state = min(int(np.searchsorted(reach[state], draw, side="right")), last)
        states[at] = state
    return states


def _stationary(rows: Floats) -> Floats:
    """The distribution the chain returns to: solves pi P = pi with sum 1, by least squares."""
    size = len(rows)
    system = np.vstack([rows.T - np.eye(size), np.ones(size)])
    wanted = np.append(np.zeros(size), 1.0)
    found = np.maximum(np.linalg.lstsq(system, wanted, rcond=None)[0], 0.0)
    return np.asarray(found / found.sum())


def synthetic_counts(calibration: Mapping[str, Any], seconds: int, seed: int) -> Ints:
    """Requests of each second, shape (seconds,). The same seed gives the same."""
    level, arrivals = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    hours = np.array(calibration["mean_rps_by_hour"])
    seconds_s = np.arange(seconds, dtype=np.float64)
    mean = np.interp(seconds_s / 3600.0 % 24.0, np.arange(24) + 0.5, hours, period=24.0)
    wander = _autoregression(level, seconds // _MINUTE_S + 2, float(np.exp(-_MINUTE_S / calibration["level_memory_s"])))
    wander = np.interp(seconds_s / _MINUTE_S, np.arange(len(wander)), wander)
    points = np.array([NormalDist().inv_cdf(p) for p in (np.arange(_LEVEL_POINTS) + 0.5) / _LEVEL_POINTS])
    quantiles = np.array(calibration["level_quantiles"])
    shares = np.interp(wander / wander.std(), points, np.linspace(0.0, 1.0, _LEVEL_POINTS))
    levels = np.interp(shares, np.linspace(0.0, 1.0, len(quantiles)), quantiles)
    return np.asarray(arrivals.poisson(mean * levels), np.int64)


def _autoregression(generator: np.random.Generator, many: int, correlation: float) -> Floats:
    """Gaussian values of unit variance, each with this correlation to the one before."""
    noise = generator.standard_normal(many)
    noise[1:] *= np.sqrt(1.0 - correlation**2)
    return np.array(list(accumulate(noise.tolist(), lambda before, new: correlation * before + new)))
