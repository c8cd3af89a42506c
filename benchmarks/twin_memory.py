"""Memory of the twin over a long run: rows to Parquet, the process's resident memory as it goes.

python benchmarks/twin_memory.py [--hours 24] [--rate 1000]

The model of `twin_speed.py` at 1,000 requests per second, plan made piece by piece, all three tables written to a
temporary folder. Prints one line per simulated piece of time: requests, resident MB, CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from twin_speed import SMALL, Case, gateway_of, policy_of

from harness.kernel import kernel_in_use
from harness.run.simulated import RowSinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, REQUESTS, USAGE, ParquetStream
from harness.types import Allocation

PIECE = 200_000
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def resident_mb() -> float:
    """Resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_MB


def pieces(rate_rps: float, hours: float, *, every: int) -> Iterator[dict[str, np.ndarray]]:
    """Poisson arrivals over an uplink of 20-200 ms, SLO 1 s; a line of report every so many pieces."""
    rng, begun_s, at_s = np.random.default_rng(1), time.process_time(), 0.0
    for piece in range(round(hours * 3600 * rate_rps / PIECE)):
        if piece % every == 0:
            spent_s, arrow_mb = time.process_time() - begun_s, pa.total_allocated_bytes() / 2**20
            print(
                f"{at_s / 3600:6.2f} h  {piece * PIECE:>10d} requests  {resident_mb():7.1f} MB resident  "
                f"{arrow_mb:6.1f} MB in Arrow  {spent_s:7.1f} s CPU",
                flush=True,
            )
        due_s = at_s + np.cumsum(rng.exponential(1 / rate_rps, PIECE))
        uplink_s, at_s = rng.uniform(0.02, 0.2, PIECE), float(due_s[-1])
        ids, created_s = np.arange(piece * PIECE, (piece + 1) * PIECE), due_s - uplink_s
        columns = {"id": ids, "client": ids, "created_s": created_s, "due_s": due_s, "payload_bytes": ids}
        yield {**columns, "uplink_s": uplink_s, "slo_s": np.ones(PIECE), "deadline_s": created_s + 1.0}


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--every", type=int, default=10, help="pieces of 200,000 requests between lines")
    arguments = parser.parse_args()
    case = Case(arguments.rate, 0, SMALL, 8)
    spec = TwinSpec("mean", (0.01,), (0.0,))
    simulation = Simulation(gateway_of(case), policy_of(case), Allocation(16.0, 1), 1.0, spec, 1, {})
    print(f"kernel: {kernel_in_use()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        ParquetStream(Path(folder) / "requests.parquet", REQUESTS) as requests,
        ParquetStream(Path(folder) / "decisions.parquet", DECISIONS) as decisions,
        ParquetStream(Path(folder) / "usage.parquet", USAGE) as usage,
    ):
        rows = RowSinks(decisions, usage)
        plan = pieces(arguments.rate, arguments.hours, every=arguments.every)
        outcome = simulate(simulation, plan, requests.append, rows.sinks())
        rows.flush()
    print(f"{outcome.served} served, {outcome.dropped} dropped, {resident_mb():.1f} MB resident at the end")


if __name__ == "__main__":
    main()
