"""What a row of a sweep says of one run: from its rows and manifest, by the code that summarises any run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.results import finished_manifest, summarise


def measure(folder: Path) -> dict[str, Any]:
    """Columns of `sweep.parquet`: counts, seconds, core-seconds, cores.

    violations = late + dropped + failed (late includes what has no row); mean_cores and used_cores: granted and used
    core-seconds over the plan's duration.
    """
    found, manifest = summarise(folder), finished_manifest(folder)
    counts, duration_s = manifest["counts"], manifest["scenario"]["plan"]["duration_s"]
    refused = {"dropped": counts["dropped"], "failed": counts["failed"]}
    return {
        "valid": found.valid,
        "planned": found.planned,
        "unmeetable": manifest["plan"]["unmeetable"],
        "violations": found.violations,
        "violation_rate": found.violation_rate,
        "late": found.violations - sum(refused.values()),
        **refused,
        "p50_s": found.latency_p50_s,
        "p95_s": found.latency_p95_s,
        "p99_s": found.latency_p99_s,
        "granted_core_s": found.granted_core_s,
        "used_core_s": found.used_core_s,
        "mean_cores": found.granted_core_s / duration_s,
        "used_cores": found.used_core_s / duration_s,
        "resizes": found.resizes,
    }
