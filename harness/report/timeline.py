"""What one system saw and did over a run: six panels over one axis of time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from harness.autopsy.causes import CAUSES, FAILURE
from harness.autopsy.drawing import COLOURS, INK, SLO_COLOUR, bin_edges
from harness.report.figures import new_figure
from harness.report.gather import Member

Figure = Any
Axes = Any
BLUE, SKY, GREY = "#0072b2", "#56b4e9", "#8c8c8c"


def draw_timeline(member: Member) -> Figure:
    """Offered rate, remaining budgets, cores, batch size, queue and violations of one system on one seed."""
    duration_s = member.cores.edges_s[-1]
    figure, axes = new_figure(7.2, 8.2, 6, sharex=True)
    edges_s = bin_edges(duration_s)
    panels = (_offered, _budgets, _cores, _batches, _queue, _violations)
    for one, panel in zip(axes, panels, strict=True):
        panel(one, member, edges_s)
        one.set_ylim(bottom=min(0.0, one.get_ylim()[0]))
    axes[-1].set_xlabel("time (s)")
    axes[-1].set_xlim(0.0, duration_s)
    figure.align_ylabels()
    return figure


def _offered(axes: Axes, member: Member, edges_s: Any) -> None:
    rate_rps = np.histogram(member.due["due_s"], edges_s)[0] / np.diff(edges_s)
    axes.stairs(rate_rps, edges_s, fill=True, color=SKY, alpha=0.8)
    _named(axes, "arrivals\n(requests/s)", "offered rate: requests due at the server")


def _budgets(axes: Axes, member: Member, edges_s: Any) -> None:
    due = member.due.sort_values("due_s")
    budget_ms = (due["deadline_s"] - due["due_s"]).to_numpy() * 1e3
    cuts = np.searchsorted(due["due_s"].to_numpy(), edges_s)
    parts = [budget_ms[a:b] for a, b in itertools.pairwise(cuts)]
    least, middle = (np.array([f(part) if len(part) else np.nan for part in parts]) for f in (np.min, np.median))
    centre_s = (edges_s[:-1] + edges_s[1:]) / 2
    axes.fill_between(centre_s, least, middle, step="mid", color=SKY, alpha=0.35, linewidth=0)
    axes.step(centre_s, middle, where="mid", color=BLUE, linewidth=1.3, label="median")
    axes.step(centre_s, least, where="mid", color=SLO_COLOUR, linewidth=1.1, label="least")
    _named(axes, "budget\n(ms)", "remaining budget when a request is due at the server")
    _key(axes)


def _cores(axes: Axes, member: Member, edges_s: Any) -> None:
    series = member.cores
    mean = series.core_s_between(edges_s) / np.diff(edges_s)
    many = len(series.cores) > 4 * len(edges_s)
    values, bounds = (mean, edges_s) if many else (series.cores, series.edges_s)
    axes.stairs(values, bounds, baseline=None, color=BLUE, linewidth=1.5)
    _named(axes, "cores", "granted cores in force" + (", mean per bin" if many else ""))
    axes.set_ylim(0.0, float(series.cores.max(initial=1.0)) * 1.12)


def _batches(axes: Axes, member: Member, edges_s: Any) -> None:
    del edges_s
    decisions = member.examined.decisions
    tick_s = decisions["tick_s"].to_numpy()
    start = float(member.manifest["start"]["batch_size"])
    largest = np.concatenate(([start], decisions["target_batch_size"].to_numpy()))
    bounds_s = np.concatenate(([0.0], tick_s, [max([member.cores.edges_s[-1], *tick_s[-1:]])]))
    axes.stairs(largest, bounds_s, baseline=None, color=GREY, linewidth=1.2, linestyle="--", label="bound")
    started_s, size = member.batches()
    axes.plot(started_s, size, marker=".", markersize=3.5, linestyle="", color=BLUE, label="formed",
              rasterized=len(size) > 3000)  # fmt: skip
    _named(axes, "batch\n(requests)", "batch size: the policy's bound, and the batches formed")
    axes.set_ylim(0.0, float(max(largest.max(), size.max(initial=1.0))) + 0.9)
    axes.yaxis.get_major_locator().set_params(integer=True)
    _key(axes)


def _queue(axes: Axes, member: Member, edges_s: Any) -> None:
    length = member.queue_peaks(edges_s)
    axes.stairs(length, edges_s, fill=True, color=COLOURS["queueing"], alpha=0.9)
    _named(axes, "queue\n(requests)", "longest queue in each bin")
    axes.yaxis.get_major_locator().set_params(integer=True)


def _violations(axes: Axes, member: Member, edges_s: Any) -> None:
    found = member.examined.violations
    base = np.zeros(len(edges_s) - 1)
    for cause in (*CAUSES, FAILURE):
        times_s = found.loc[found["cause"] == cause, "created_s"]
        if len(times_s):
            height = np.histogram(times_s, edges_s)[0] / np.diff(edges_s)
            axes.stairs(base + height, edges_s, baseline=base, fill=True, color=COLOURS[cause], label=cause)
            base = base + height
    _named(axes, "violations\n(per s)", "violations by what took most of their time, when created")
    if len(found):
        _key(axes)
    else:
        axes.set_ylim(0.0, 1.0)
        axes.set_yticks([0])
        axes.text(0.5, 0.45, "none", transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=9)


def _named(axes: Axes, label: str, title: str) -> None:
    axes.set_ylabel(label)
    axes.set_title(title, loc="left", fontsize=8.5, color=INK)


def _key(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=6, fontsize=8, labelcolor=INK, borderpad=0.1,
                handlelength=1.4)  # fmt: skip
