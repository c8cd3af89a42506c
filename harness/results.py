"""What a finished run says: one line of numbers per system and seed, from its Parquet and manifest alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.errors import UsageError
from harness.tables import DECISIONS, REQUESTS, USAGE, read_parquet

Floats = npt.NDArray[np.float64]


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


def run_folders(run: Path) -> list[Path]:
    """The folders of one run, one per system and seed. Raises UsageError when there are none."""
    folders = sorted(path.parent for path in run.glob("*/seed-*/manifest.json"))
    if not folders:
        raise UsageError(f"{run}: holds no run; expected <system>/seed-<k>/manifest.json below it")
    return folders


def summarise(folder: Path) -> Summary:
    """The numbers of one folder. Raises UsageError when a file is missing or of another schema."""
    manifest = _finished_manifest(folder)
    requests = read_parquet(folder / "requests.parquet", REQUESTS)
    decisions = read_parquet(folder / "decisions.parquet", DECISIONS)
    usage = read_parquet(folder / "usage.parquet", USAGE)
    duration_s = manifest["scenario"]["plan"]["duration_s"]
    served = _column(requests, "status") == "served"
    latency_s = (_floats(requests, "received_s") - _floats(requests, "created_s"))[served]
    p50, p95, p99 = np.quantile(latency_s, (0.5, 0.95, 0.99)).tolist() if len(latency_s) else (float("nan"),) * 3
    used_s = used_core_s(usage, duration_s)
    start = manifest["start"]["cores"], manifest["start"]["replicas"]
    return Summary(
        system=manifest["system"]["name"],
        seed=manifest["seed"],
        planned=manifest["counts"]["planned"],
        violations=violations(requests) + manifest["counts"]["planned"] - len(requests),
        latency_p50_s=p50,
        latency_p95_s=p95,
        latency_p99_s=p99,
        granted_core_s=granted_core_s(decisions, start, duration_s),
        used_core_s=used_s,
        send_lag_p99_s=_number(manifest["send_lag"].get("p99_s")),
        resizes=resizes(decisions, manifest["start"]["cores"]),
        other_cores=_other_cores(manifest.get("load", {}), used_core_s(usage, math.inf)),
        valid=manifest["valid"],
        invalid_reasons=tuple(manifest["invalid_reasons"]),
        folder=folder,
    )


def _finished_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    needed = ("scenario", "system", "seed", "start", "counts", "send_lag", "valid", "invalid_reasons")
    if missing := [key for key in needed if key not in manifest]:
        state = manifest.get("state", "unknown")
        raise UsageError(f"{path}: has no {', '.join(missing)} (state {state!r}); the run did not end")
    return manifest


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def violations(requests: pa.Table) -> int:
    """Rows that were not served, or were received after their deadline."""
    served = _column(requests, "status") == "served"
    late = _floats(requests, "received_s") > _floats(requests, "deadline_s")
    return int(np.count_nonzero(~served | late))


def granted_core_s(decisions: pa.Table, start: tuple[float, int], duration_s: float) -> float:
    """Integral of granted cores over [0, duration_s). start: cores per replica, and replicas.

    From the request for a change until it is in force the larger of old and new is charged, of the cores and of the
    replicas: while both exist together, both are paid for. What a decision wanted and did not get costs nothing.
    """
    columns = ["requested_at_s", "effective_s", "effective_cores", "effective_replicas"]
    (cores, replicas), since_s, total = start, 0.0, 0.0
    for requested_s, effective_s, new_cores, new_replicas in zip(
        *(decisions[c].to_pylist() for c in columns), strict=True
    ):
        if (new_cores, new_replicas) == (cores, replicas):
            continue
        from_s = min(max(requested_s, since_s), duration_s)
        until_s = min(max(effective_s, from_s), duration_s)
        total += cores * replicas * (from_s - since_s)
        total += max(cores, new_cores) * max(replicas, new_replicas) * (until_s - from_s)
        cores, replicas, since_s = new_cores, new_replicas, until_s
    return total + cores * replicas * (duration_s - since_s)


def used_core_s(usage: pa.Table, duration_s: float) -> float:
    """CPU time the replicas used in [0, duration_s), s; a reading that reaches beyond counts in proportion."""
    total, before = 0.0, dict[str, float]()
    for row in usage.select(["t_s", "replica", "used_cores"]).to_pylist():
        name, t_s = row["replica"], row["t_s"]
        total += row["used_cores"] * max(0.0, min(t_s, duration_s) - before.get(name, t_s))
        before[name] = t_s
    return total


def resizes(decisions: pa.Table, start_cores: float) -> int:
    """How often the effective cores of a replica changed."""
    levels = np.concatenate(([start_cores], _floats(decisions, "effective_cores")))
    return int(np.count_nonzero(np.diff(levels)))


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


def _floats(table: pa.Table, name: str) -> Floats:
    values: Floats = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] = np.asarray(table.column(name).to_pylist(), dtype=object)
    return column
