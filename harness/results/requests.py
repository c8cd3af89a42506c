"""What became of every request, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from harness.columns import floats, is_value
from harness.outcome import violated
from harness.tables import REQUESTS, read_parquet

OUTCOME = ("created_s", "deadline_s", "received_s", "status")
PER_REQUEST = ("id", "client", "created_s", "due_s", "deadline_s", "received_s", "status")


def per_request(folder: Path, also: Sequence[str] = ()) -> pd.DataFrame:
    """One row per request of one folder, in order of id.

    Columns of requests.parquet: id, client, created_s, due_s, deadline_s, received_s, status, and those named in
    `also`. Computed: latency_s = received - created, and lateness_s = received - deadline (negative: in time), both
    NaN when the request was not served; budget_s = deadline - due, what was left when it was due at the server;
    violated: dropped, failed or late. Raises UsageError when the file is missing or of another schema.
    """
    names = [name for name in REQUESTS.names if name in {*PER_REQUEST, *also}]
    table = read_parquet(folder / "requests.parquet", REQUESTS, names)
    frame = table.to_pandas(strings_to_categorical=True)
    served = is_value(table, "status", "served")
    received_s = np.where(served, frame["received_s"], np.nan)
    return frame.assign(
        latency_s=received_s - frame["created_s"],
        lateness_s=received_s - frame["deadline_s"],
        budget_s=frame["deadline_s"] - frame["due_s"],
        violated=violated(table),
    )


def violations(requests: pa.Table) -> int:
    """Rows that were not served, or were received after their deadline."""
    return int(np.count_nonzero(violated(requests)))


def served_latency_s(requests: pa.Table) -> npt.NDArray[np.float64]:
    """received - created of the served rows, s."""
    latency_s = floats(requests, "received_s") - floats(requests, "created_s")
    served: npt.NDArray[np.float64] = latency_s[is_value(requests, "status", "served")]
    return served
