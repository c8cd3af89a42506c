"""Figure: violations and cores over time, one row per system, the published series overlaid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.figures.output import Drawn, Skipped
from harness.figures.style import PUBLISHED, TWO_COLUMNS_IN, Axes, Look, canvas, legend_above, looks_of, round_ticks
from harness.stored.prototype import prototype_violation_percent
from harness.stored.published import DURATION_S, PublishedSeries, read_published, step_times_s
from harness.stored.runs import Cell, newest_finished, run_command
from harness.stored.series import Floats, bin_edges_s, mean_cores, moving_mean, violation_percent

SCENARIO = "paper-eval"
SMOOTH_S = 15
FIRST = ("sponge-prototype", "sponge", "fa2-prototype", "fa2", "static-8", "static-16")


def draw_timeline(results: Path) -> Drawn | Skipped:
    """All systems of the newest run of the published set-up, first seed."""
    run = newest_finished(results, SCENARIO, "sponge-prototype")
    if run is None:
        return Skipped(f"no valid run of {SCENARIO}", run_command(SCENARIO))
    systems = sorted(run.systems, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST),))
    looks, published = looks_of(systems), read_published()
    figure, axes = canvas(len(systems), 2, TWO_COLUMNS_IN, 0.95 * len(systems) + 0.6, sharex=True)
    most_cores = float(run.facts["scenario"]["cores"]["max_cores"])
    for system, (left, right) in zip(systems, axes, strict=True):
        cell = run.of(system)[0]
        draw_violations(left, cell, looks[system], published_violations(system, published))
        draw_cores(right, cell, looks[system], published_cores(system, published))
        right.set_ylim(0.0, most_cores * 1.08)
        round_ticks(left.yaxis, 3)
        round_ticks(right.yaxis, 4)
        left.set_ylabel(system.replace("-", "-\n", 1) if len(system) > 12 else system)
    axes[0, 0].set_title(f"violations (% of requests), mean of {SMOOTH_S} s", loc="left")
    axes[0, 1].set_title("granted cores", loc="left")
    for bottom in axes[-1]:
        bottom.set_xlabel("time (s)")
        bottom.set_xlim(0.0, max(cell.duration_s for cell in run.cells))
    legend_above(figure, handles())
    figure.align_ylabels(axes[:, 0])
    seed = run.seeds[0]
    return Drawn(
        figure,
        "Violations and cores over time, with the published series",
        f"Every system of {SCENARIO}, seed {seed}. Left: violations, moving mean of {SMOOTH_S} s; a violation is a "
        f"request dropped, failed or answered after its own deadline (solid), and the prototype's own metric (thin), "
        f"with the published series of that metric (black, dashed; its divisor is another one: that of static 8 "
        f"reaches 100 %, the metric itself cannot pass 52.5 % at 20 requests/s). Vertical axes of the left panels "
        f"differ. Right: granted cores, and the published cores or replicas. No published series of violations is at "
        f"hand for FA2 and static 16; the published cores have one value per adaptation step, spread evenly over "
        f"{DURATION_S:g} s.",
        runs=(run.source(),),
        numbers={"seed": seed},
    )


def draw_violations(axes: Axes, cell: Cell, look: Look, published: Floats | None) -> None:
    """Ours by deadline, ours by the prototype's metric, and the published series if there is one."""
    requests = cell.requests()
    ours = moving_mean(violation_percent(requests, cell.duration_s), SMOOTH_S)
    theirs = moving_mean(prototype_violation_percent(requests, cell.duration_s), SMOOTH_S)
    second = np.arange(len(ours)) + 0.5
    axes.plot(second, ours, color=look.colour, linewidth=1.1)
    axes.plot(second, theirs, color=look.colour, linewidth=0.6, linestyle=(0, (1, 1)))
    highest = max(float(np.nanmax(ours, initial=0.0)), float(theirs.max(initial=0.0)))
    if published is not None:
        smooth = moving_mean(published, SMOOTH_S)
        axes.plot(np.arange(len(smooth)) + 0.5, smooth, color=PUBLISHED.colour, linestyle=PUBLISHED.line, linewidth=0.8)
        highest = max(highest, float(smooth.max()))
    axes.set_ylim(-0.03 * max(highest, 1.0), max(highest, 1.0) * 1.08)


def draw_cores(axes: Axes, cell: Cell, look: Look, published: Floats | None) -> None:
    """Granted cores second by second, and the published ones if there are any."""
    bounds_s = bin_edges_s(cell.duration_s)
    axes.stairs(mean_cores(cell.cores(), bounds_s), bounds_s, baseline=None, color=look.colour, linewidth=1.1)
    if published is not None:
        axes.stairs(published, step_times_s(published), baseline=None, color=PUBLISHED.colour,
                    linestyle=PUBLISHED.line, linewidth=0.6)  # fmt: skip


def published_violations(system: str, published: PublishedSeries) -> Floats | None:
    """The published series of a system, by the prototype's metric."""
    return {
        "sponge-prototype": published.sponge_violation_percent,
        "static-8": published.static8_violation_percent,
    }.get(system)


def published_cores(system: str, published: PublishedSeries) -> Floats | None:
    """The published cores of a system; FA2's replicas have one core each."""
    return {
        "sponge-prototype": published.sponge_cores,
        "fa2-prototype": published.fa2_replicas,
        "static-8": np.full(1, 8.0),
        "static-16": np.full(1, 16.0),
    }.get(system)


def handles() -> list[object]:
    """The legend: what a line is, whatever its colour."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color="#444444", linewidth=1.1, label="here, by deadline; cores"),
        Line2D([], [], color="#444444", linewidth=0.6, linestyle=(0, (1, 1)), label="the prototype's metric"),
        Line2D([], [], color=PUBLISHED.colour, linewidth=0.8, linestyle=PUBLISHED.line, label="published series"),
    ]
