"""The autopsy of one folder: one system on one seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from harness.autopsy.causes import dominant_cause
from harness.autopsy.parts import parts_of
from harness.autopsy.pending import Floats, pending_growth
from harness.latency import LatencyModel
from harness.results import finished_manifest, violated
from harness.tables import DECISIONS, REQUESTS, read_parquet

KNOWN = (
    "id", "client", "status", "created_s", "deadline_s", "queued_s", "started_s", "received_s", "batch_id",
    "batch_size", "drop_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """One system on one seed, taken apart.

    requests: one row per request, ordered by id, with the columns KNOWN of requests.parquet, slo_s, the parts,
    whole_s, needed_s, lateness_s, violated. decisions: the rows of decisions.parquet. unaccounted: planned requests
    without a row.

    needed_s, of a dropped request: the predicted service time of this request alone on the cores in force when it was
    refused; 0 for others. lateness_s = whole_s + needed_s - slo_s: how much too late a served request came, and by how
    much a dropped one would have missed its deadline had it been started when it was refused. NaN for a failed one.
    """

    system: str
    seed: int
    manifest: dict[str, Any]
    requests: pd.DataFrame
    decisions: pa.Table
    unaccounted: int

    @property
    def violations(self) -> pd.DataFrame:
        """The violations, with their dominant `cause`."""
        found = self.requests[self.requests["violated"]].copy()
        found["cause"] = dominant_cause(found)
        return found

    @property
    def planned(self) -> int:
        """Requests of the plan."""
        return int(self.manifest["counts"]["planned"])


def examine(folder: Path) -> Examined:
    """Read and take apart one folder. Raises UsageError when a file is missing, unfinished or of another schema."""
    manifest = finished_manifest(folder)
    requests = read_parquet(folder / "requests.parquet", REQUESTS).sort_by("id")
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    start = manifest["start"]
    parts = parts_of(requests, pending_growth(decisions, start["cores"] * start["replicas"]))
    known = requests.select(KNOWN).to_pandas()
    known["slo_s"] = known["deadline_s"] - known["created_s"]
    table = pd.concat([known, parts], axis=1)
    cores = cores_at(decisions, float(start["cores"]), table["received_s"].to_numpy())
    latency = LatencyModel.from_dict(manifest["latency"])
    dropped, failed = (table["status"] == word for word in ("dropped", "failed"))
    table["needed_s"] = np.where(dropped, latency.predict_s(1, cores), 0.0)
    late_s = table["received_s"] - table["deadline_s"] + table["needed_s"]
    table["lateness_s"] = late_s.where(~failed)
    table["violated"] = violated(requests)
    unaccounted = int(manifest["counts"]["planned"]) - len(table)
    return Examined(manifest["system"]["name"], int(manifest["seed"]), manifest, table, decisions, unaccounted)


def cores_at(decisions: pa.Table, start_cores: float, t_s: Floats) -> Floats:
    """Cores per replica in force at each time."""
    since_s = np.concatenate(([-np.inf], decisions["effective_s"].to_numpy()))
    cores = np.concatenate(([start_cores], decisions["effective_cores"].to_numpy()))
    order = np.argsort(since_s, kind="stable")
    at = np.searchsorted(since_s[order], np.nan_to_num(t_s), side="right") - 1
    found: Floats = cores[order][at]
    return found
