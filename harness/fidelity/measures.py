"""What is compared, as tidy rows: one value each, of one system, seed and source (`real`, `twin`, a component)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from harness.columns import floats
from harness.results import finished_manifest, resizes, series_of, violations
from harness.results.cores import start_of
from harness.results.requests import served_latency_s
from harness.tables import DECISIONS, REQUESTS, read_parquet, write_parquet

REAL, TWIN, SLOWER = "real", "twin", "service +1 %"
FIDELITY = pa.schema(
    [
        ("system", pa.string()),
        ("seed", pa.int64()),
        ("source", pa.string()),
        ("draw", pa.int32()),
        ("metric", pa.string()),
        ("at", pa.float64()),
        ("value", pa.float64()),
    ]
)
QUANTILES = (("latency_p50_s", 0.5), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99))
LEVELS = tuple(np.round(np.arange(1, 200) / 200, 3).tolist())  # of the latency's distribution, for the figure
MOST_TIMES = 600  # of the core series


@dataclass(frozen=True, slots=True)
class Label:
    """Whose numbers they are. source: `real`, `twin`, `service +1 %`, or a component of the model; draw: which of its
    simulations."""

    system: str
    seed: int
    source: str
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the rows of a run do not say: requests planned, cores per replica and replicas at the start, and the plan's
    duration, s."""

    planned: int
    start: tuple[float, int]
    duration_s: float

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Conditions:
        """From a manifest."""
        duration_s = float(manifest["scenario"]["plan"]["duration_s"])
        return cls(manifest["counts"]["planned"], start_of(dict(manifest)), duration_s)


def measured(label: Label, requests: pa.Table, decisions: pa.Table, conditions: Conditions) -> pd.DataFrame:
    """The tidy rows of one run. at: the level, batch size or time (s) of a row that is part of a distribution or a
    series; NaN for the others. Units are in the names; batch_share is of all batches."""
    rows = [
        *_numbers(requests, decisions, conditions),
        *_latencies(requests),
        *_batches(requests),
        *_cores(decisions, conditions),
    ]
    frame = pd.DataFrame(rows, columns=["metric", "at", "value"])
    system, seed, source, draw = astuple(label)
    return frame.assign(system=system, seed=seed, source=source, draw=draw)[FIDELITY.names]


def measured_folder(folder: Path) -> pd.DataFrame:
    """The tidy rows of a real run's folder. Raises UsageError when it did not end or a file is missing."""
    manifest = finished_manifest(folder)
    requests = read_parquet(folder / "requests.parquet", REQUESTS)
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    label = Label(manifest["system"]["name"], manifest["seed"], REAL)
    return measured(label, requests, decisions, Conditions.of(manifest))


def _numbers(requests: pa.Table, decisions: pa.Table, conditions: Conditions) -> Iterator[tuple[str, float, float]]:
    missed = violations(requests) + conditions.planned - len(requests)
    yield "violation_rate", np.nan, missed / conditions.planned if conditions.planned else 0.0
    latency_s = served_latency_s(requests)
    for name, level in QUANTILES:
        yield name, np.nan, float(np.quantile(latency_s, level)) if len(latency_s) else np.nan
    series = series_of(decisions, conditions.start, conditions.duration_s)
    yield "granted_core_s", np.nan, series.core_s
    yield "resizes", np.nan, float(resizes(decisions, conditions.start[0]))
    sizes = batch_sizes(requests)
    yield "mean_batch", np.nan, float(sizes.mean()) if len(sizes) else np.nan


def _latencies(requests: pa.Table) -> Iterator[tuple[str, float, float]]:
    latency_s = served_latency_s(requests)
    if len(latency_s):
        for level, value_s in zip(LEVELS, np.quantile(latency_s, LEVELS), strict=True):
            yield "latency_s", level, float(value_s)


def _batches(requests: pa.Table) -> Iterator[tuple[str, float, float]]:
    sizes = batch_sizes(requests)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        yield "batch_share", float(size), float(count) / len(sizes)


def _cores(decisions: pa.Table, conditions: Conditions) -> Iterator[tuple[str, float, float]]:
    series = series_of(decisions, conditions.start, conditions.duration_s)
    times_s = np.linspace(0.0, conditions.duration_s, MOST_TIMES, endpoint=False)
    for t_s, cores in zip(times_s, series.at(times_s), strict=True):
        yield "cores", float(t_s), float(cores)


def batch_sizes(requests: pa.Table) -> Any:
    """Size of every batch that was answered."""
    ids, sizes = floats(requests, "batch_id"), floats(requests, "batch_size")
    _, first = np.unique(ids[np.isfinite(ids)], return_index=True)
    return sizes[np.isfinite(ids)][first]


def write_rows(path: Path, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Write the tidy rows of several runs as one Parquet file; the rows."""
    rows = pd.concat(frames, ignore_index=True)
    write_parquet(path, pa.Table.from_pandas(rows, schema=FIDELITY, preserve_index=False))
    return rows
