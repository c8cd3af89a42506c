"""How fast plans are built and in how much memory. Prints one JSON line per case.

python benchmarks/plan_speed.py hour       one hour of Poisson arrivals at 100 requests/s over a real network trace
python benchmarks/plan_speed.py twitter    22 days of the Twitter counts at a mean of 60 requests/s, streamed to Parquet
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from harness.plan import ArrivalsSpec, ClientsSpec, NetworkSpec, PlanSpec, PlanSummary, build_plan, stream_plan
from harness.tables import PLAN, ParquetStream
from harness.traces import load_trace

NETWORK = NetworkSpec(trace="ghent-4g/bus_0001", loop=True)
HOUR = PlanSpec(
    duration_s=3600.0, arrivals=ArrivalsSpec("poisson", 100.0), network=NETWORK, clients=ClientsSpec(4, 60.0)
)
TWITTER = PlanSpec(
    duration_s=1_899_061.0,
    arrivals=ArrivalsSpec("trace", trace="twitter-2021-08", transforms=("scale-mean 60",)),
    network=NETWORK,
    clients=ClientsSpec(4, 60.0),
)


def hour() -> dict[str, object]:
    """Build one plan in memory; traces are loaded before the clock starts."""
    traces = {name: load_trace(name) for name in HOUR.trace_names()}
    begun = time.perf_counter()
    plan = build_plan(HOUR, traces, 1)
    return {"case": "hour", "requests": len(plan), "build_s": round(time.perf_counter() - begun, 3)}


def twitter() -> dict[str, object]:
    """Stream a plan of more than a hundred million requests to a temporary Parquet file."""
    traces = {name: load_trace(name) for name in TWITTER.trace_names()}
    summary = PlanSummary()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.parquet"
        with ParquetStream(path, PLAN) as out:
            for piece in stream_plan(TWITTER, traces, 1):
                out.append(piece.to_table())
                summary.add(piece)
            out.mark({"plan_sha256": summary.plan_sha256})
        size = path.stat().st_size
    took = round(time.perf_counter() - begun, 1)
    return {"case": "twitter", **summary.counts(), "stream_s": took, "file_bytes": size}


if __name__ == "__main__":
    found = {"hour": hour, "twitter": twitter}[sys.argv[1]]()
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**found, "peak_resident_bytes": peak_bytes}))
