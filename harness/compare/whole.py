"""A whole comparison: from run folders to judged comparisons, with what a reader must know about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.alone import Alone, each_alone
from harness.compare.metrics import METRICS, Metric, run_values
from harness.compare.runs import Run, gather, not_ended
from harness.compare.verdict import Comparison, compare_pairs, paired_values
from harness.compare.within import of_single_plans
from harness.errors import UsageError, unknown_name
from harness.results.provenance import trace_note
from harness.stats.paired import ALPHA

DEFAULT_BASELINE = "static-max"

Values = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Report:
    """comparisons: by system, then metric. plans: how many were replayed. repeats: most runs of one system on one plan
    (their mean counts as one run). left_out: sessions that did not end, and plans a system shares with the baseline not
    at all, in words. traces: that they are generated, if they are. alone: every run by itself, where there was but one
    plan."""

    scenario: str
    backend: str
    host: str
    baseline: str
    alpha: float
    plans: int
    repeats: int
    left_out: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    traces: str = ""
    alone: tuple[Alone, ...] = ()

    @property
    def within_run(self) -> bool:
        """Whether there was but one plan, so that nothing is known about other runs."""
        return any(comparison.within_run for comparison in self.comparisons)


def compare_runs(
    paths: Sequence[Path], baseline: str = "", metrics: Sequence[Metric] = METRICS, alpha: float = ALPHA
) -> Report:
    """Compare all systems of these run folders with a baseline, paired by plan.

    baseline: a system; empty takes static-max. Raises UsageError for unlike runs, an unknown baseline or nothing to
    compare, RunInvalid for an invalid run.
    """
    runs = gather(paths)
    systems = list(dict.fromkeys(run.system for run in sorted(runs, key=lambda run: run.system)))
    reference = chosen_baseline(baseline, systems)
    values = mean_values(runs)
    others = [name for name in systems if name != reference]
    shared = {name: [p for p in values[reference] if p in values[name]] for name in others}
    if lonely := [name for name in others if not shared[name]]:
        raise UsageError(f"{lonely[0]}: shares no plan_sha256 with the baseline {reference}; nothing can be paired")
    pairings = [paired_values(values, name, reference, metric) for name in others for metric in metrics]
    comparisons = of_single_plans(compare_pairs(pairings, alpha), runs, shared)
    first, plans = runs[0].manifest, len({run.plan for run in runs})
    return Report(
        scenario=str(first["scenario"].get("name", "?")),
        backend=str(first["backend"]["backend"]),
        host=f"{first['host']['cpu']}, {first['host']['cores']} cores",
        baseline=reference,
        alpha=alpha,
        plans=plans,
        repeats=most_repeats(runs),
        left_out=(*not_ended(paths), *filter(None, (unpaired(values, reference, name) for name in others))),
        comparisons=tuple(comparisons),
        traces=trace_note(run.manifest for run in runs),
        alone=tuple(each_alone(runs)) if plans == 1 else (),
    )


def chosen_baseline(asked: str, systems: Sequence[str]) -> str:
    """The baseline asked for, or static-max. Raises UsageError when it is not among the systems, or is alone."""
    if asked and asked not in systems:
        raise unknown_name("--baseline", "system", asked, systems)
    if not asked and DEFAULT_BASELINE not in systems:
        raise UsageError(f"--baseline is needed: {DEFAULT_BASELINE} is not among the systems {', '.join(systems)}")
    if len(systems) < 2:
        raise UsageError(f"only {systems[0]} was run; a comparison needs two systems")
    return asked or DEFAULT_BASELINE


def mean_values(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, float]]]:
    """values[system][plan][metric]; several runs of one system on one plan are one unit, their mean."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for run in sorted(runs, key=lambda run: (run.manifest["seed"], str(run.folder))):
        found.setdefault(run.system, {}).setdefault(run.plan, []).append(run_values(run))
    return {
        system: {plan: {name: float(np.mean([v[name] for v in many])) for name in many[0]} for plan, many in of.items()}
        for system, of in found.items()
    }


def most_repeats(runs: Sequence[Run]) -> int:
    """The most runs any system has on one plan."""
    keys = [(run.system, run.plan) for run in runs]
    return max(keys.count(key) for key in keys)


def unpaired(values: Values, baseline: str, system: str) -> str:
    """What of a system and the baseline cannot be paired, in words; empty when all can."""
    count = len(set(values[baseline]) ^ set(values[system]))
    plans = "1 plan" if count == 1 else f"{count} plans"
    verb = "is" if count == 1 else "are"
    return f"{system}: {plans} replayed by it or by {baseline} alone {verb} left out" if count else ""
