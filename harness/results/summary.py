"""One line of numbers per system and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.outcome import used_core_s
from harness.results.cores import granted_core_s, resizes, start_of
from harness.results.folders import finished_manifest, run_folders
from harness.results.requests import OUTCOME, served_latency_s, violations
from harness.tables import DECISIONS, REQUESTS, USAGE, parquet_pieces, read_parquet


@dataclass(frozen=True, slots=True)
class Summary:
    """One system on one seed.

    violation_rate: violations / planned; dropped and failed requests are violations. Latencies are received - created
    of served requests, s. Core-seconds are taken over the plan's duration: granted, integrated over effective
    allocations; used, from the CPU counters. other_cores: mean cores the host spent on anything but the replicas.
    All latencies are NaN when nothing was served.
    """

    system: str
    seed: int
    planned: int
    violations: int
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    granted_core_s: float
    used_core_s: float
    send_lag_p99_s: float
    resizes: int
    other_cores: float
    valid: bool
    invalid_reasons: tuple[str, ...]
    folder: Path

    @property
    def violation_rate(self) -> float:
        """Share of planned requests that were not answered by their deadline."""
        return self.violations / self.planned if self.planned else 0.0


def summarise(folder: Path) -> Summary:
    """The numbers of one folder; of the requests only their latencies are held at once.

    Raises UsageError when a file is missing or of another schema.
    """
    manifest = finished_manifest(folder)
    missed, rows, quantiles_s = _requests(folder)
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    usage = read_parquet(folder / "usage.parquet", USAGE)
    duration_s = manifest["scenario"]["plan"]["duration_s"]
    planned = manifest["counts"]["planned"]
    p50, p95, p99 = quantiles_s
    return Summary(
        system=manifest["system"]["name"],
        seed=manifest["seed"],
        planned=planned,
        violations=missed + planned - rows,
        latency_p50_s=p50,
        latency_p95_s=p95,
        latency_p99_s=p99,
        granted_core_s=granted_core_s(decisions, start_of(manifest), duration_s),
        used_core_s=used_core_s(usage, duration_s),
        send_lag_p99_s=_number(manifest["send_lag"].get("p99_s")),
        resizes=resizes(decisions, manifest["start"]["cores"]),
        other_cores=_other_cores(manifest.get("load", {}), used_core_s(usage, math.inf)),
        valid=manifest["valid"],
        invalid_reasons=tuple(manifest["invalid_reasons"]),
        folder=folder,
    )


def _requests(folder: Path) -> tuple[int, int, tuple[float, ...]]:
    """Violations, rows, and the quantiles 0.5, 0.95, 0.99 of the latency, s."""
    missed, rows, latencies_s = 0, 0, [np.empty(0)]
    for piece in parquet_pieces(folder / "requests.parquet", REQUESTS, OUTCOME):
        missed += violations(piece)
        rows += len(piece)
        latencies_s.append(served_latency_s(piece))
    latency_s = np.concatenate(latencies_s)
    quantiles_s = np.quantile(latency_s, (0.5, 0.95, 0.99)) if len(latency_s) else np.full(3, np.nan)
    return missed, rows, tuple(quantiles_s.tolist())


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def summary_row(summary: Summary) -> Mapping[str, str]:
    """A line of the table people read: milliseconds and per cent."""
    return {
        "system": summary.system if summary.valid else f"{summary.system} INVALID",
        "seed": str(summary.seed),
        "violations": f"{summary.violation_rate:.2%} {summary.violations}/{summary.planned}",
        "p50\nms": _ms(summary.latency_p50_s),
        "p95\nms": _ms(summary.latency_p95_s),
        "p99\nms": _ms(summary.latency_p99_s),
        "granted\ncore-s": f"{summary.granted_core_s:.1f}",
        "used\ncore-s": f"{summary.used_core_s:.1f}",
        "send lag\np99 ms": _ms(summary.send_lag_p99_s, digits=2),
    }


def summaries(run: Path, order: Sequence[str] = ()) -> list[Summary]:
    """All summaries of a run, systems in the given order."""
    found = [summarise(folder) for folder in run_folders(run)]
    rank = {name: index for index, name in enumerate(order)}
    return sorted(found, key=lambda s: (s.seed, rank.get(s.system, len(rank)), s.system))


def _other_cores(load: Mapping[str, Any], used_s: float) -> float:
    if not load:
        return 0.0
    return float(load["host_load"]["busy_cores"]) - used_s / max(float(load["elapsed_s"]), 1e-9)


def _ms(value_s: float, *, digits: int = 0) -> str:
    return "-" if np.isnan(value_s) else f"{value_s * 1e3:.{digits}f}"
