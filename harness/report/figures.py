"""Figures over all systems of a run: latency, violations over time, violations against cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.autopsy.drawing import INK, SLO_COLOUR, bin_edges, plain
from harness.figures.style import Look, looks_of
from harness.report.gather import Gathered

Figure = Any
Axes = Any
CURVE_POINTS = 400
SLOS_SHOWN = 3.0  # of latencies; how late a system is that was overloaded would leave no room for the others


def new_figure(width: float, height: float, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """An empty figure and its axes, an array of `rows`."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, **options)[:, 0]
    for one in axes:
        plain(one)
    return figure, axes


def draw_latency(run: Gathered) -> Figure:
    """Share of all planned requests answered within a time, all runs of a system together.

    What was dropped or failed is never answered, so a curve ends below 1; where there is one SLO for all requests, the
    height of the curve there is the share of requests that were in time, and the axis ends at three of it.
    """
    figure, (axes,) = new_figure(7.2, 3.6)
    most_ms = 0.0
    for system, look in looks_of(run.systems).items():
        members = run.of(system)
        parts = [m.examined.requests for m in members]
        ms = np.sort(np.concatenate([p.loc[p["status"] == "served", "whole_s"].to_numpy() for p in parts])) * 1e3
        planned = sum(m.summary.planned for m in members)
        if len(ms):
            at = np.unique(np.linspace(0, len(ms) - 1, CURVE_POINTS).astype(int))
            axes.step(ms[at], (at + 1) / planned, where="post", label=system, **_line(look))
            most_ms = max(most_ms, float(ms[-1]))
    slos_ms = np.unique(np.concatenate([m.examined.requests["slo_s"].round(9).unique() for m in run.members])) * 1e3
    if len(slos_ms) == 1:
        axes.axvline(slos_ms[0], color=SLO_COLOUR, linestyle="--", linewidth=1.2, label="SLO")
        most_ms = max(min(most_ms, SLOS_SHOWN * slos_ms[0]), slos_ms[0] * 1.05)
    axes.set_xlim(0.0, max(most_ms, 1.0))
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("time from creation to answer (ms)")
    axes.set_ylabel("share of planned requests\nanswered within that time")
    _legend(figure, axes)
    return figure


def draw_violations(run: Gathered) -> Figure:
    """Per cent of the requests created in each second that violated, mean over the runs; one row per system."""
    edges_s = bin_edges(run.duration_s)
    figure, axes = new_figure(7.2, max(1.8, 0.5 + 0.75 * len(run.systems)), len(run.systems), sharex=True, sharey=True)
    highest = 1.0
    for one, (system, look) in zip(axes, looks_of(run.systems).items(), strict=True):
        percent = np.zeros((2, len(edges_s) - 1))
        for member in run.of(system):
            requests = member.examined.requests
            percent[0] += np.histogram(requests.loc[requests["violated"], "created_s"], edges_s)[0]
            percent[1] += np.histogram(requests["created_s"], edges_s)[0]
        share = 100.0 * np.divide(percent[0], percent[1], out=np.zeros(len(edges_s) - 1), where=percent[1] > 0)
        one.stairs(share, edges_s, fill=True, color=look.colour, alpha=0.9)
        total = percent.sum(axis=1)
        one.set_title(f"{system}: {int(total[0]):,} of {int(total[1]):,}", loc="left", fontsize=8.5,
                      color=INK)  # fmt: skip
        highest = max(highest, float(share.max()))
    axes[0].set_ylim(0.0, highest * 1.05)
    axes[0].set_xlim(0.0, run.duration_s)
    axes[-1].set_xlabel("time the request was created (s)")
    figure.supylabel("violations (% of requests)", fontsize=9, color=INK)
    return figure


def draw_cost(run: Gathered) -> Figure:
    """Violations against granted core-seconds: a small dot per run, a large one for the mean of a system."""
    figure, (axes,) = new_figure(7.2, 3.6)
    axes.grid(axis="x", color="#e2e3e8", linewidth=0.8)
    for system, look in looks_of(run.systems).items():
        found = [member.summary for member in run.of(system)]
        cost_s = np.array([summary.granted_core_s for summary in found])
        percent = np.array([100.0 * summary.violation_rate for summary in found])
        marker = look.marker or "o"
        if len(found) > 1:
            axes.plot(cost_s, percent, marker=marker, linestyle="", color=look.colour, markersize=4, alpha=0.55)
        axes.plot(cost_s.mean(), percent.mean(), marker=marker, linestyle="", color=look.colour, markersize=10,
                  label=system, clip_on=False)  # fmt: skip
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=min(-0.02 * axes.get_ylim()[1], 0.0))
    axes.set_xlabel("granted core-seconds per run")
    axes.set_ylabel("violations (% of planned requests)")
    _legend(figure, axes)
    return figure


def _line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": look.line}


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8.5, labelcolor=INK)
