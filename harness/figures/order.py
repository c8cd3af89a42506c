"""Figure: earliest deadline first against first come first served, where payloads and links are mixed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.columns import floats, is_value
from harness.figures.bars import plain, whiskers
from harness.figures.output import Drawn, Skipped
from harness.figures.style import TWO_COLUMNS_IN, Axes, canvas, label_panels, legend_above, looks_of
from harness.results import violated
from harness.stats.interval import Estimate
from harness.stored.runs import Cell, StoredRun, newest_finished, run_command
from harness.stored.series import Floats
from harness.stored.spread import Unit, mean_difference_of, mean_of_share

SCENARIOS = ("mixed-eval", "payload")
SYSTEMS = ("sponge", "sponge-fifo")
ALL = "all"


def draw_order(results: Path) -> Drawn | Skipped:
    """Violations per payload size, and how much time was left at the answer, for EDF and FIFO."""
    run = next((run for name in SCENARIOS if (run := newest_finished(results, name, *SYSTEMS))), None)
    if run is None:
        return Skipped("no valid run of mixed-eval with sponge and sponge-fifo", run_command(SCENARIOS[0]))
    missed = {system: missed_percent(run, system) for system in SYSTEMS}
    figure, axes = canvas(1, 2, TWO_COLUMNS_IN, 2.3, width_ratios=(1.2, 1.0))
    groups = list(missed[SYSTEMS[0]])
    estimates = {s: [mean_of_share(missed[s][group]) for group in groups] for s in SYSTEMS}
    grouped_bars(axes[0, 0], groups, estimates)
    slack_curves(axes[0, 1], run)
    label_panels(axes[0], ("violations by payload", "time left at the answer"))
    legend_above(figure, axes[0, 0].get_legend_handles_labels()[0] + axes[0, 1].get_legend_handles_labels()[0])
    saved = mean_difference_of(missed["sponge-fifo"][ALL], missed["sponge"][ALL])
    return Drawn(
        figure,
        "Earliest deadline first against first come first served",
        f"sponge and sponge-fifo differ in the order of the queue only; {run.scenario}, {len(run.seeds)} seeds, the "
        f"same plans for both. (a) Violations by payload size, per cent of the planned requests of that size, mean "
        f"over seeds, 95 % intervals. (b) Deadline minus time of the answer, share of the planned with at "
        f"most that much, all seeds together; left of zero is late, and a dropped request has no answer and counts as "
        f"late without bound. FIFO minus EDF, paired by seed, all sizes: {points(saved)}.",
        runs=(run.source(),),
        numbers={
            "violation_percent": {s: dict(zip(groups, map(plain, e), strict=True)) for s, e in estimates.items()},
            "fifo_minus_edf_points": plain(saved),
        },
    )


def points(one: Estimate) -> str:
    """A difference of per cents in words."""
    if np.isnan(one.low):
        return f"{one.value:+.2f} points (one seed: no interval)"
    return f"{one.value:+.2f} points (95 % interval {one.low:+.2f} to {one.high:+.2f}, n = {one.n})"


def missed_percent(run: StoredRun, system: str) -> Mapping[str, dict[Unit, float]]:
    """Violations by payload size (and over all), per seed, per cent of the planned requests of the size."""
    groups: dict[str, dict[Unit, float]] = {}
    for cell in run.of(system):
        payload_kb, missed = joined(run, cell)
        masks = {f"{size:g} kB": payload_kb == size for size in np.unique(payload_kb)}
        for group, mask in {**masks, ALL: np.ones(len(missed), bool)}.items():
            groups.setdefault(group, {})["", cell.seed] = 100.0 * float(missed[mask].mean())
    return groups


def joined(run: StoredRun, cell: Cell) -> tuple[Floats, Any]:
    """Per planned request: its payload in kB and whether it was violated; one without a row was."""
    plan, requests = run.plan(cell.seed), cell.requests()
    ids = floats(plan, "id").astype(int)
    missed = dict(zip(floats(requests, "id").astype(int).tolist(), violated(requests).tolist(), strict=True))
    return floats(plan, "payload_bytes") / 1e3, np.array([missed.get(i, True) for i in ids.tolist()])


def grouped_bars(axes: Axes, groups: list[str], estimates: Mapping[str, list[Estimate]]) -> None:
    """Two bars per group, with whiskers."""
    looks, places = looks_of(SYSTEMS), np.arange(len(groups))
    for offset, hatch, (system, found) in zip((-0.2, 0.2), ("", "////"), estimates.items(), strict=True):
        axes.bar(places + offset, [e.value for e in found], 0.36, label=label_of(system), yerr=whiskers(found),
                 facecolor=looks[system].colour if not hatch else "white", edgecolor=looks[system].colour, hatch=hatch,
                 error_kw={"linewidth": 0.8, "capsize": 2}, linewidth=0.8)  # fmt: skip
    axes.set_xticks(places, groups)
    axes.set_xlabel("payload of the request")
    axes.set_ylabel("violations (%)")
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="x", visible=False)


def slack_curves(axes: Axes, run: StoredRun) -> None:
    """Distribution of deadline minus answer, all seeds together."""
    looks = looks_of(SYSTEMS)
    slo_ms = float(run.facts["scenario"]["plan"]["slo_s"]) * 1e3
    for system in SYSTEMS:
        left_ms = np.sort(np.concatenate([left_at_answer_ms(cell) for cell in run.of(system)]))
        share = np.arange(1, len(left_ms) + 1) / len(left_ms) * 100.0
        look = looks[system]
        axes.step(left_ms, share, where="post", color=look.colour, linestyle=look.line, label=label_of(system))
    axes.axvline(0.0, color="#000000", linewidth=0.6)
    axes.set_xlim(-0.2 * slo_ms, slo_ms)
    axes.set_yscale("log")
    axes.set_ylim(0.05, 100.0)
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.minorticks_off()
    axes.set_xlabel("deadline minus answer (ms)")
    axes.set_ylabel("requests with at most that (%)")


def left_at_answer_ms(cell: Cell) -> Floats:
    """Deadline minus time of the answer, ms; minus infinity for a request that was not served."""
    requests = cell.requests()
    left_ms = (floats(requests, "deadline_s") - floats(requests, "received_s")) * 1e3
    values: Floats = np.where(is_value(requests, "status", "served"), left_ms, -np.inf)
    return values


def label_of(system: str) -> str:
    """The order a system serves in, and its name."""
    return "FIFO (sponge-fifo)" if system == "sponge-fifo" else "EDF (sponge)"
