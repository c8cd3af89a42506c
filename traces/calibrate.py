"""Make synthetic.json: the statistics that the synthetic stand-ins are generated from, counted in the real files.

    python traces/calibrate.py [MIRROR] > traces/synthetic.json

Per set of bandwidth traces: quantiles of the seconds that are not outages, and how often each state (outage, or a
band between quantiles) follows each. Per set of arrivals: the mean per hour of the day (collection gaps left out),
and the quantiles and memory of the level around it. No sample of a set is in the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.traces.catalogue import by_name
from harness.traces.library import keys_of, load_trace
from harness.traces.model import ArrivalTrace, BandwidthTrace, Floats
from harness.traces.statistics import correlation
from harness.traces.synthetic import BAND_EDGES, SEED, synthetic_mbps
from harness.traces.transforms import gaps, resample_bandwidth

BANDWIDTH = (
    "ghent-4g/", "lumos5g/5g/driving", "lumos5g/5g/walking", "lumos5g/4g/driving", "lumos5g/4g/walking", "5gophers/car",
    "5gophers/walking", "nyu-mets/7train", "nyu-mets/bus", "memu22/uplink/walking/5g", "memu22/uplink/walking/lte",
)  # fmt: skip
ARRIVALS = ("twitter-2021-08",)
QUANTILES = 101
LEVELS = 41
TRIAL_S = 200_000
GAP_S = 600.0
DAY_S = 86_400


def seconds_of(trace: BandwidthTrace) -> Floats:
    """Mean Mbit/s of each whole second."""
    return resample_bandwidth(trace, [1.0]).bits_per_s[: int(trace.end_s)] / 1e6


def bandwidth(prefix: str, mirror: Path | None) -> dict[str, Any]:
    """The calibration of one set."""
    names = ["/".join(filter(None, (file.name, key))) for file in by_name().values()
             if file.name.startswith(prefix) for key in keys_of(file, mirror) or ()]  # fmt: skip
    traces = [trace for trace in (load_trace(name, mirror) for name in names) if isinstance(trace, BandwidthTrace)]
    series = [seconds_of(trace) for trace in traces]
    up = np.concatenate(series)
    up = up[up > 0.0]
    cuts = np.quantile(up, BAND_EDGES)
    counts = np.zeros((len(BAND_EDGES), len(BAND_EDGES)), np.int64)
    for mbps in series:
        state = np.where(mbps > 0.0, np.clip(np.searchsorted(cuts, mbps, side="right"), 1, len(BAND_EDGES) - 1), 0)
        np.add.at(counts, (state, np.roll(state, -1)), 1)  # closed to a ring, so the chain keeps the states' shares
    if not counts[0].any():  # a set without outages never enters that state, but the chain needs a way out of it
        counts[0, 1] = 1
    quantiles = [round(float(q), 3) for q in np.quantile(up, np.linspace(0.0, 1.0, QUANTILES))]
    length = int(np.median([len(mbps) for mbps in series]))
    found = {"kind": "bandwidth", "direction": traces[0].direction, "traces": len(series),
             "seconds": max(length, 600), "quantiles_mbps": quantiles, "transitions": counts.tolist()}  # fmt: skip
    pairs = np.corrcoef(np.concatenate([m[:-1] for m in series]), np.concatenate([m[1:] for m in series]))
    return {**found, "persistence": persistence(found, float(pairs[0, 1]))}


def persistence(calibration: dict[str, Any], wanted: float) -> float:
    """How often a second must stay in place inside its band for this correlation from one second to the next."""
    tried = np.linspace(0.0, 0.95, 11)
    reached = [correlation(synthetic_mbps({**calibration, "persistence": p}, TRIAL_S, SEED)) for p in tried]
    return round(float(tried[int(np.argmin(np.abs(np.array(reached) - wanted)))]), 2)


def arrivals(name: str, mirror: Path | None) -> dict[str, Any]:
    """The calibration of one set of counts per second."""
    trace = load_trace(name, mirror)
    assert isinstance(trace, ArrivalTrace)
    counts = np.asarray(trace.counts, np.float64)
    for first, last in gaps(trace, GAP_S):
        counts[first:last] = np.nan
    seconds = np.arange(len(counts))
    hour = seconds % DAY_S // 3600
    means = np.array([np.nanmean(counts[hour == one]) for one in range(24)])
    expected = np.interp(seconds / 3600 % 24.0, np.arange(24) + 0.5, means, period=24.0)
    minutes = len(counts) // 60 * 60
    blocks = (counts / expected)[:minutes].reshape(-1, 60)
    level = blocks[np.isfinite(blocks).all(axis=1)].mean(axis=1)
    quantiles = [round(float(q), 4) for q in np.quantile(level, np.linspace(0.0, 1.0, LEVELS))]
    memory_s = -60.0 / float(np.log(correlation(level)))
    return {"kind": "arrivals", "seconds": len(counts), "mean_rps_by_hour": [round(float(m), 2) for m in means],
            "level_quantiles": quantiles, "level_memory_s": round(memory_s, 1)}  # fmt: skip


def main(mirror: Path | None) -> None:
    """Print synthetic.json."""
    table = {prefix.rstrip("/"): bandwidth(prefix, mirror) for prefix in BANDWIDTH}
    table |= {name: arrivals(name, mirror) for name in ARRIVALS}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in table.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
