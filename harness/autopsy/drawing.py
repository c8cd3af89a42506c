"""The stacked timeline: where the time of requests went, and which of them violated, over the run.

matplotlib is imported when the first figure is drawn: it takes half a second that other commands need not wait.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.autopsy.causes import CAUSES, FAILURE, cause_times
from harness.autopsy.folder import Examined

Figure = Any
Axes = Any
INK = "#1b1c20"
GRID = "#e2e3e8"
COLOURS = {
    "client lag": "#8c8c8c",
    "network": "#56b4e9",
    "queueing": "#e69f00",
    "actuation": "#cc79a7",
    "service": "#0072b2",
    FAILURE: "#000000",
}
SLO_COLOUR = "#d55e00"
MOST_BINS = 150


def draw_stacked(examined: Examined, duration_s: float) -> Figure:
    """Above, mean time per request by cause, stacked, against the time of creation; below, violations per second by
    their dominant cause. Bins are those of `bin_edges`."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(8.0, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
    edges_s = bin_edges(duration_s)
    _stack_times(upper, examined, edges_s)
    _stack_violations(lower, examined, edges_s)
    lower.set_xlabel("time the request was created (s)")
    lower.set_xlim(0.0, duration_s)
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=6, frameon=False, fontsize=8.5, labelcolor=INK)
    figure.align_ylabels()
    return figure


def bin_edges(duration_s: float) -> Any:
    """Edges of at most 150 bins over the run, s, each so many whole seconds, but for the last: bins of other lengths
    would beat with arrivals that come once a second."""
    width_s = max(1.0, float(np.ceil(duration_s / MOST_BINS)))
    return np.append(np.arange(0.0, duration_s, width_s), duration_s)


def plain(axes: Axes) -> None:
    """Two spines, a quiet grid, everything written in ink."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=8.5)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")


def _stack_times(axes: Axes, examined: Examined, edges_s: Any) -> None:
    requests = examined.requests[examined.requests["whole_s"].notna()]
    place = np.clip(np.digitize(requests["created_s"], edges_s) - 1, 0, len(edges_s) - 2)
    many = np.bincount(place, minlength=len(edges_s) - 1)
    base = np.zeros(len(many))
    for cause, column in cause_times(requests).items():
        total_s = np.bincount(place, weights=column, minlength=len(many))
        mean_ms = np.divide(total_s, many, out=np.zeros(len(many)), where=many > 0) * 1e3
        axes.stairs(base + mean_ms, edges_s, baseline=base, fill=True, color=COLOURS[cause], label=cause)
        base = base + mean_ms
    slo_ms = examined.requests["slo_s"].to_numpy() * 1e3
    axes.axhline(slo_ms.mean() if len(slo_ms) else 0.0, color=SLO_COLOUR, linestyle="--", linewidth=1.3, label="SLO")
    axes.set_ylabel("mean time per\nrequest (ms)")
    plain(axes)


def _stack_violations(axes: Axes, examined: Examined, edges_s: Any) -> None:
    found = examined.violations
    per_s = 1.0 / np.diff(edges_s)
    base = np.zeros(len(per_s))
    for cause in (*CAUSES, FAILURE):
        times_s = found.loc[found["cause"] == cause, "created_s"]
        height = np.histogram(times_s, edges_s)[0] * per_s
        axes.stairs(base + height, edges_s, baseline=base, fill=True, color=COLOURS[cause])
        base = base + height
    if not len(found):
        axes.text(0.5, 0.5, "no violations", transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=9)
        axes.set_yticks([])
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("violations\nper second")
    plain(axes)
