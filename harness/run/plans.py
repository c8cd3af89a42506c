"""Plans on disk: written piece by piece, so that a plan of a hundred million requests fits into any memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.plan import PlanSpec, PlanSummary, stream_plan
from harness.tables import PLAN, ParquetStream
from harness.traces import Trace


@dataclass(frozen=True, slots=True)
class PlannedSeed:
    """A plan on disk, and what the manifest says of it. totals: created, planned, never_arrived, unmeetable."""

    seed: int
    path: Path
    totals: dict[str, int]
    plan_sha256: str


def plan_path(folder: Path, seed: int) -> Path:
    """Where the plan of a seed lies: once per seed, the same for all systems."""
    return folder / "plans" / f"seed-{seed}" / "plan.parquet"


def write_plan(path: Path, spec: PlanSpec, traces: Mapping[str, Trace], seed: int) -> PlanSummary:
    """Write plan.parquet; what is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    summary = PlanSummary()
    with ParquetStream(path, PLAN) as stream:
        for piece in stream_plan(spec, traces, seed):
            summary.add(piece)
            stream.append(piece.to_table())
        stream.mark({"plan_sha256": summary.plan_sha256, "seed": str(seed)})
    return summary


def survey_plan(spec: PlanSpec, traces: Mapping[str, Trace], seed: int) -> PlanSummary:
    """What is in a plan that nobody keeps."""
    summary = PlanSummary()
    for piece in stream_plan(spec, traces, seed):
        summary.add(piece)
    return summary


def plan_seed(folder: Path, spec: PlanSpec, traces: Mapping[str, Trace], seed: int) -> PlannedSeed:
    """The plan of one seed of a run, on disk."""
    path = plan_path(folder, seed)
    summary = write_plan(path, spec, traces, seed)
    return PlannedSeed(seed, path, summary.counts(), summary.plan_sha256)
