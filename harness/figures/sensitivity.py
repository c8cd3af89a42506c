"""Figures of sweeps: violations and cores against what was varied, one line per system, intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import UsageError
from harness.figures.output import Drawn, Skipped
from harness.figures.style import TWO_COLUMNS_IN, Axes, Look, canvas, label_panels, legend_above, looks_of, round_ticks
from harness.stats.interval import Estimate
from harness.stored.spread import mean_of_share
from harness.stored.sweeps import StoredSweep, hpa_note, newest_sweep

LINEAR_BELOW_PERCENT = 0.1
LOG_FROM_RATIO = 20.0


@dataclass(frozen=True, slots=True)
class Axis:
    """How a key of a scenario is shown: times a factor, with a label that has its unit."""

    label: str
    factor: float = 1.0


AXES: Mapping[str, Axis] = {
    "twin.cold_start_s": Axis("cold start of a replica (s)"),
    "twin.resize_delay_s": Axis("delay of a resize (s)"),
    "plan.payload_bytes": Axis("payload (kB)", 1e-3),
    "plan.arrivals.rate_rps": Axis("arrival rate (requests/s)"),
    "plan.slo_s": Axis("SLO (ms)", 1e3),
    "tick_s": Axis("control interval (s)"),
    "window_s": Axis("how far back a policy sees (s)"),
}
SWEEPS = ("cold-start", "resize-delay", "payload", "load", "slo", "window")


def draw_sensitivity(scenario: str, results: Path) -> Drawn | Skipped:
    """The newest sweep of a scenario over one numeric key."""
    sweep = newest_sweep(results, scenario)
    command = f"sponge-bench sweep {scenario}"
    if sweep is None:
        return Skipped(f"no finished sweep of {scenario}", command)
    keys = [key for key in sweep.axes if is_number(sweep.rows[key])]
    if len(keys) != 1 or len(sweep.axes) != 1:
        return Skipped(f"the newest sweep of {scenario} varies {', '.join(sweep.axes) or 'nothing'}", command)
    return draw_sweep(sweep, keys[0])


def figures_of_sweeps() -> dict[str, Any]:
    """A drawing function per sweep, named after the figure."""
    return {f"sensitivity-{scenario}": partial(draw_sensitivity, scenario) for scenario in SWEEPS}


def draw_sweep(sweep: StoredSweep, key: str) -> Drawn:
    """Violations left, cores right."""
    axis, looks = AXES.get(key, Axis(key)), looks_of(sweep.systems)
    figure, axes = canvas(1, 2, TWO_COLUMNS_IN, 2.5)
    numbers: dict[str, Any] = {}
    for panel, name in zip(axes[0], ("violation_percent", "mean_cores"), strict=True):
        for system, look in looks.items():
            values, found = curve(sweep.rows, system, key, name)
            draw_curve(panel, values * axis.factor, found, look, system)
            numbers.setdefault(system, {})[name] = [
                {"at": float(v), "mean": e.value, "low": bare(e.low), "high": bare(e.high), "n": e.n}
                for v, e in zip(values, found, strict=True)
            ]
        shape_axis(panel, np.unique(sweep.rows[key].to_numpy(float)) * axis.factor, axis.label)
    left, right = axes[0]
    left.set_yscale("symlog", linthresh=LINEAR_BELOW_PERCENT, linscale=0.5)
    left.set_ylim(-0.02, 130.0)
    left.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    left.set_ylabel("violations (% of planned requests)")
    right.set_ylim(bottom=0.0)
    round_ticks(right.yaxis)
    right.set_ylabel("granted cores, mean over time")
    label_panels(axes[0], ("violations", "cost"))
    legend_above(figure, handles(left))
    return Drawn(
        figure,
        f"Sensitivity to the {axis.label.split(' (')[0]}",
        f"{sweep.facts.get('scenario', {}).get('title', sweep.scenario)!s}. Mean over {len(sweep.seeds)} seeds and "
        f"its 95 % interval (Student), the same plans for all systems at each point. Left axis: logarithmic above "
        f"{LINEAR_BELOW_PERCENT:g} %, linear below. A dropped or failed request is a violation. "
        f"{hpa_note(sweep.systems, sweep.duration_s)}".rstrip(),
        sweeps=(sweep.source(),),
        numbers=numbers,
    )


def handles(axes: Axes) -> list[Any]:
    """One handle per system, without whiskers."""
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def curve(rows: pd.DataFrame, system: str, key: str, name: str) -> tuple[Any, list[Estimate]]:
    """The values of the key at which a system ran, ascending, and the estimate of a measure at each.

    Raises UsageError when a seed comes twice at a value.
    """
    mine = rows[rows["system"] == system].sort_values(key)
    if twice := mine[mine.duplicated([key, "seed"])].to_dict("records"):
        raise UsageError(f"{system}: {key} = {twice[0][key]} and seed {twice[0]['seed']} come twice; must be one row")
    groups = [(value, group) for value, group in mine.groupby(key, sort=True)]
    found = [
        mean_of_share({("", int(s)): float(v) for s, v in zip(g["seed"], g[name], strict=True)}) for _, g in groups
    ]
    return np.array([float(value) for value, _ in groups]), found


def draw_curve(axes: Axes, values: Any, found: list[Estimate], look: Look, label: str) -> None:
    """A line with a band where there is an interval."""
    means = np.array([e.value for e in found])
    ends = np.array([(e.value if np.isnan(e.low) else e.low, e.value if np.isnan(e.high) else e.high) for e in found])
    axes.fill_between(values, *ends.T, color=look.colour, alpha=0.15, linewidth=0)
    axes.plot(values, means, color=look.colour, linestyle=look.line, marker=look.marker, label=label)


def shape_axis(axes: Axes, values: Any, label: str) -> None:
    """Ticks at the values of the sweep; logarithmic when they are all positive and span far."""
    if values[0] > 0 and values[-1] / values[0] >= LOG_FROM_RATIO:
        axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(label)


def is_number(column: pd.Series) -> bool:
    """Whether a column is numeric and varies."""
    return bool(pd.api.types.is_numeric_dtype(column)) and column.nunique() > 1


def bare(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
