"""What the rows of a run mean: which requests violated, and how much CPU time the replicas used."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def violated(requests: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows of requests.parquet were not served, or were received after their deadline."""
    served = pc.fill_null(pc.equal(requests["status"], "served"), False)
    late = pc.fill_null(pc.greater(requests["received_s"], requests["deadline_s"]), False)
    flags: npt.NDArray[np.bool_] = pc.or_(pc.invert(served), late).to_numpy()
    return flags


def used_core_s(usage: pa.Table, duration_s: float = math.inf) -> float:
    """CPU time the replicas used in [0, duration_s), s; a reading that reaches beyond counts in proportion."""
    readings = usage.select(["t_s", "replica", "used_cores"]).to_pandas()
    before_s = readings.groupby("replica", sort=False)["t_s"].shift().fillna(readings["t_s"])
    within_s = (readings["t_s"].clip(upper=duration_s) - before_s).clip(lower=0.0)
    return float((readings["used_cores"] * within_s).sum())
