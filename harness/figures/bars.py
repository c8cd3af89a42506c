"""Figures with one bar or point per system and an interval over seeds: ablations, and cost against violations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.figures.floor import Floor, read_floor
from harness.figures.output import Drawn, Skipped
from harness.figures.style import (
    BLACK,
    SHADE,
    TWO_COLUMNS_IN,
    Axes,
    canvas,
    label_panels,
    looks_of,
)
from harness.stats.interval import Estimate
from harness.stored.modes import Mode, mode_of_run, newest_mode
from harness.stored.runs import newest_finished, run_command
from harness.stored.spread import mean_of_share

HONEST, PAPER = "honest-eval", "paper-eval"
COMMAND = "sponge-bench sweep honest-eval"
ABLATIONS = ("sponge", "sponge-fifo", "sponge-no-batching", "sponge-hold", "sponge-maxout", "sponge-reactive",
             "sponge-prototype")  # fmt: skip
LINEAR_BELOW_PERCENT = 0.1
NO_FLOOR = "The floor of the oracle is not drawn: it was not computed for this run (sponge-bench oracle --run)."


def draw_ablation(results: Path) -> Drawn | Skipped:
    """Violations and cores of sponge and its ablations, with intervals."""
    mode = newest_mode(results, HONEST, "sponge")
    systems = [name for name in ABLATIONS if mode and name in mode.systems]
    if mode is None or len(systems) < 2:
        return Skipped(f"no finished sweep and no valid run of {HONEST} with ablations of sponge", COMMAND)
    looks = looks_of(systems)
    figure, axes = canvas(1, 2, TWO_COLUMNS_IN, 0.27 * len(systems) + 0.9, sharey=True)
    numbers: dict[str, Any] = {}
    for panel, (name, unit) in zip(axes[0], (("violation_percent", "%"), ("mean_cores", "cores")), strict=True):
        estimates = [mean_of_share(mode.values(system, name)) for system in systems]
        bars(panel, systems, estimates, [looks[s].colour for s in systems])
        numbers[name] = {s: plain(e) for s, e in zip(systems, estimates, strict=True)}
        panel.set_xlabel("violations (% of planned requests)" if unit == "%" else "granted cores, mean over time")
    axes[0, 0].invert_yaxis()
    label_panels(axes[0], ("violations", "cost"))
    return Drawn(
        figure,
        "What each part of Sponge is worth",
        f"Each row but the first and the prototype changes one thing of sponge. Bars: mean over "
        f"{mode.units_text()} of {mode.scenario}; whiskers: 95 % interval of that mean (Student); numbers: the "
        f"means. A dropped or failed request is a violation.",
        **sources(mode),
        numbers=numbers,
    )


def bars(axes: Axes, systems: Sequence[str], estimates: Sequence[Estimate], colours: Sequence[str]) -> None:
    """Horizontal bars with whiskers, their value written after the whisker."""
    places = np.arange(len(systems))
    axes.barh(places, [e.value for e in estimates], color=colours, height=0.62, alpha=0.85)
    axes.errorbar([e.value for e in estimates], places, xerr=whiskers(estimates), fmt="none", color=BLACK,
                  linewidth=0.8, capsize=2)  # fmt: skip
    furthest = max((np.nanmax([e.value, e.high]) for e in estimates), default=0.0) or 1.0
    for place, one in zip(places, estimates, strict=True):
        axes.text(np.nanmax([one.value, one.high]) + 0.02 * furthest, place, f"{one.value:.3g}", va="center")
    axes.set_xlim(0.0, furthest * 1.18)
    axes.set_yticks(places, systems)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def draw_pareto(results: Path) -> Drawn | Skipped:
    """Cost against violations of all systems, with the oracle's floor when it was computed."""
    run = newest_finished(results, HONEST, "sponge")
    mode = mode_of_run(run) or newest_mode(results, HONEST, "sponge") or newest_mode(results, PAPER)
    if mode is None:
        return Skipped(f"no valid run of {HONEST}", run_command(HONEST))
    systems, floor = mode.systems, read_floor(run) if run else None
    looks = looks_of(systems)
    figure, axes = canvas(1, 1, TWO_COLUMNS_IN, 3.3)
    panel, numbers, markers = axes[0, 0], dict[str, Any](), []
    for system in systems:
        cost, missed = (mean_of_share(mode.values(system, name)) for name in ("mean_cores", "violation_percent"))
        numbers[system] = {"mean_cores": plain(cost), "violation_percent": plain(missed)}
        look = looks[system]
        panel.errorbar(cost.value, missed.value, xerr=whiskers([cost]), yerr=whiskers([missed]), fmt="none",
                       color=look.colour, linewidth=0.8, capsize=1.5)  # fmt: skip
        fill = "none" if system in ABLATIONS[1:-1] else "full"
        markers += panel.plot(cost.value, missed.value, marker=look.marker, color=look.colour, markersize=5.5,
                              linestyle="", fillstyle=fill, label=system)  # fmt: skip
    if floor is not None:
        markers += draw_floor(panel, floor)
        numbers["floor"] = floor.numbers()
    panel.set_yscale("symlog", linthresh=LINEAR_BELOW_PERCENT, linscale=0.5)
    panel.set_ylim(-0.02, 130.0)
    panel.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    panel.set_xlim(0.0, 1.05 * max(one.mean_cores for one in mode.measures))
    panel.set_xlabel("granted cores, mean over time")
    panel.set_ylabel("violations (% of planned requests)")
    figure.legend(handles=markers, loc="outside right upper")
    return Drawn(
        figure,
        "Cost against violations",
        f"Lower and further left is better. Points: mean over {mode.units_text()} of {mode.scenario}; whiskers: "
        f"95 % intervals of the means (Student). Vertical axis: logarithmic above {LINEAR_BELOW_PERCENT:g} %, linear "
        f"below. {floor.sentence() if floor else NO_FLOOR}",
        **sources(mode),
        numbers=numbers,
    )


def draw_floor(axes: Axes, floor: Floor) -> list[Any]:
    """Shade what one replica cannot reach, in steps; mark the bound for any number of them where it holds."""
    percent = np.concatenate(([0.0], floor.violation_percent))
    cores = np.concatenate((floor.cores[:1], floor.cores))
    shade = axes.fill_betweenx(percent, 0.0, cores, step="pre", color=SHADE, linewidth=0)
    shade.set_label("out of one replica's reach")
    axes.plot(cores, percent, color=BLACK, linewidth=0.8, drawstyle="steps-post")
    at = floor.any_scaling_cores, floor.oracle_percent
    bound = axes.plot(*at, marker=">", color=BLACK, markersize=5.5, linestyle="", fillstyle="none", clip_on=False,
                      label="bound for any scaling")  # fmt: skip
    return [shade, *bound]


def sources(mode: Mode) -> dict[str, Any]:
    """Where a figure says it comes from: a sweep or a run."""
    return {"sweeps" if mode.is_sweep else "runs": (mode.source,)}


def whiskers(estimates: Sequence[Estimate]) -> Any:
    """Distances of the interval's ends from the values (2 x n); zero where there is no interval."""
    low = [e.value - e.low for e in estimates]
    high = [e.high - e.value for e in estimates]
    return np.maximum(np.nan_to_num([low, high]), 0.0)


def plain(one: Estimate) -> dict[str, float | int | None]:
    """An estimate as JSON has it; no interval is null."""
    ends = {name: None if np.isnan(end) else end for name, end in (("low", one.low), ("high", one.high))}
    return {"mean": one.value, **ends, "units": one.n}
