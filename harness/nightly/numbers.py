"""The numbers of one system on one seed, as the reference keeps them: exact, and readable as a line of text."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.results import finished_manifest, summarise, violated
from harness.tables import REQUESTS, read_parquet

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """One system on one seed of one scenario.

    Counts of requests; core-seconds over the plan's duration; latencies creation to answer of served requests, s, None
    when none was served. violated_sha256: over the ids of the requests that were violations, so that other requests
    are noticed even when they are as many.
    """

    scenario: str
    system: str
    seed: int
    plan_sha256: str
    planned: int
    served: int
    dropped: int
    failed: int
    violations: int
    violated_sha256: str
    granted_core_s: float
    used_core_s: float
    resizes: int
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None

    @property
    def key(self) -> Key:
        """Scenario, system, seed."""
        return self.scenario, self.system, self.seed

    @property
    def violation_rate(self) -> float:
        """Violations / planned."""
        return self.violations / self.planned if self.planned else 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is judged; larger is worse. value: of one seed. show, change: as people read a value, and a
    difference of two."""

    name: str
    value: Callable[[Numbers], float]
    show: Callable[[float], str]
    change: Callable[[float], str]


JUDGED: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("violation_rate", lambda n: n.violation_rate, lambda v: f"{v:.2%}", lambda d: f"{d * 100:+.2f} points"),
        Metric("granted_core_s", lambda n: n.granted_core_s, lambda v: f"{v:.1f} core-s", lambda d: f"{d:+.1f} core-s"),
        Metric(
            "latency_p99_s",
            lambda n: math.nan if n.latency_p99_s is None else n.latency_p99_s,
            lambda v: f"{v * 1e3:.1f} ms",
            lambda d: f"{d * 1e3:+.1f} ms",
        ),
    )
}


def numbers_of(folder: Path) -> Numbers:
    """The numbers of the folder of one system and seed. Raises UsageError for a run that did not end."""
    summary, manifest = summarise(folder), finished_manifest(folder)
    counts = manifest["counts"]
    return Numbers(
        scenario=manifest["scenario"]["name"],
        system=summary.system,
        seed=summary.seed,
        plan_sha256=manifest["plan_sha256"],
        planned=summary.planned,
        served=counts["served"],
        dropped=counts["dropped"],
        failed=counts["failed"],
        violations=summary.violations,
        violated_sha256=violated_sha256(folder),
        granted_core_s=summary.granted_core_s,
        used_core_s=summary.used_core_s,
        latency_p50_s=_finite(summary.latency_p50_s),
        latency_p95_s=_finite(summary.latency_p95_s),
        latency_p99_s=_finite(summary.latency_p99_s),
        resizes=summary.resizes,
    )


def violated_sha256(folder: Path) -> str:
    """Digest over the sorted ids of the violations among the rows of a folder."""
    requests = read_parquet(folder / "requests.parquet", REQUESTS)
    ids = requests.filter(pa.array(violated(requests))).column("id").to_pylist()
    return hashlib.sha256(json.dumps(sorted(ids)).encode()).hexdigest()[:16]


def to_table(rows: list[Numbers]) -> pa.Table:
    """As a table, one row per system and seed."""
    return pa.Table.from_pylist([plain(row) for row in rows])


def plain(row: Numbers) -> dict[str, Any]:
    """As plain values."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
