"""Figures of traces: bandwidth and what it leaves of an SLO, distributions by technology, arrivals over days.

matplotlib is imported when the first figure is drawn: it takes half a second that other commands need not wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.traces.model import ArrivalTrace, BandwidthTrace, Floats, Trace
from harness.traces.transforms import gaps, resample_arrivals, resample_bandwidth

Figure = Any
Axes = Any
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GREY = "#555555"
OUTAGE = "#d9d9d9"
FORMATS = (".png", ".pdf", ".svg")
_POINTS = 1200
_DAY_S = 86_400.0
_GAP_S = 600.0


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure by the path's ending. Raises UsageError for another one than png, pdf and svg."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: must end with one of {', '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def draw_trace(trace: Trace) -> Figure:
    """One trace over its time."""
    if isinstance(trace, ArrivalTrace):
        return draw_arrivals(trace)
    figure, (axes,) = _canvas(1, 3.2)
    _bandwidth(axes, trace)
    axes.set_xlabel("time (s)")
    return figure


def draw_remaining_slo(trace: BandwidthTrace, payloads_bytes: Sequence[int], slo_s: float) -> Figure:
    """Bandwidth above; below, what is left of the SLO when a request created at that time has arrived, per payload.

    A request that arrives after its SLO, or never, shows at zero, and the share of such times is in the legend.
    """
    figure, (upper, lower) = _canvas(2, 5.2)
    _bandwidth(upper, trace)
    created_s = np.linspace(0.0, trace.end_s, _POINTS, endpoint=False)
    for size_bytes, colour in zip(payloads_bytes, COLOURS, strict=False):
        left_s = slo_s - trace.transfer_s(created_s, size_bytes)
        spent = float(np.mean(left_s <= 0.0))
        label = f"{size_bytes / 1000:g} kB" + (f" (nothing left {spent:.1%} of the time)" if spent else "")
        lower.plot(created_s, np.maximum(left_s, 0.0) * 1e3, color=colour, linewidth=1.1, label=label)
    lower.set_ylim(0.0, slo_s * 1e3 * 1.02)
    lower.set_ylabel(f"remaining of {slo_s * 1e3:g} ms SLO (ms)")
    lower.set_xlabel("time the request is created (s)")
    figure.legend(*lower.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    figure.align_ylabels()
    return figure


def draw_cdfs(groups: Mapping[str, Sequence[BandwidthTrace]]) -> Figure:
    """Share of the time with at most so much bandwidth, one curve per group (a technology), logarithmic in Mbit/s.

    Time in outage is the height at which a curve begins; it stands in the legend.
    """
    figure, (axes,) = _canvas(1, 4.2, width=9.0)
    for number, (name, traces) in enumerate(groups.items()):
        mbps = np.concatenate([trace.bits_per_s for trace in traces]) / 1e6
        weights = np.concatenate([trace.steps_s() for trace in traces])
        order = np.argsort(mbps, kind="stable")
        share = np.cumsum(weights[order]) / weights.sum()
        outage = float(weights[mbps == 0.0].sum() / weights.sum())
        label = f"{name}\n{weights.sum() / 3600:.1f} h in {len(traces)} traces, outage {outage:.1%}"
        shown = mbps[order] > 0.0
        style = ("-", "--", "-.", ":")[number // len(COLOURS) % 4]
        axes.step(mbps[order][shown], share[shown], where="post", color=COLOURS[number % len(COLOURS)], linewidth=1.4,
                  linestyle=style, label=label)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(left=0.1)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("bandwidth (Mbit/s)")
    axes.set_ylabel("share of the time at or below")
    figure.legend(frameon=False, fontsize=8, loc="outside right center")
    return figure


def draw_arrivals(trace: ArrivalTrace) -> Figure:
    """Requests per second over time: mean, and the range from the 5th to the 95th percentile, of equal parts.

    Long runs without a request are shaded as gaps in the collection.
    """
    if trace.counts is None:
        trace = resample_arrivals(trace, [1.0])
    figure, (axes,) = _canvas(1, 3.2)
    unit_s, unit = _time_unit(trace.end_s)
    rates = np.asarray(trace.counts) / trace.bin_s
    parts = np.array_split(rates, min(400, len(rates)))
    middle = (np.arange(len(parts)) + 0.5) * trace.end_s / len(parts) / unit_s
    if len(rates) >= 10 * len(parts):
        low, high = (np.array([np.quantile(part, q) for part in parts]) for q in (0.05, 0.95))
        axes.fill_between(middle, low, high, color=COLOURS[0], alpha=0.25, linewidth=0, label="5th to 95th percentile")
    axes.plot(
        middle,
        [part.mean() for part in parts],
        color=COLOURS[0],
        linewidth=1.1,
        label=f"mean of {trace.end_s / len(parts):,.0f} s",
    )
    for number, (first, last) in enumerate(gaps(trace, _GAP_S)):
        label = "no request for 10 min or more" if number == 0 else None
        edges = (first * trace.bin_s / unit_s, last * trace.bin_s / unit_s)
        axes.axvspan(*edges, color=COLOURS[1], alpha=0.35, linewidth=0, label=label)
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(0.0, trace.end_s / unit_s)
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylabel("requests/s")
    axes.set_title(_title(trace, f"{trace.requests:,} requests"), loc="left", fontsize=9, color=GREY)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=3)
    return figure


def _canvas(rows: int, height: float, width: float = 8.0) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color="#eeeeee")
        one.set_axisbelow(True)
    return figure, list(axes)


def _bandwidth(axes: Axes, trace: BandwidthTrace) -> None:
    """Bandwidth as steps, outages shaded; a long trace as means of equal parts."""
    shown = trace if len(trace.times_s) <= _POINTS else resample_bandwidth(trace, [trace.end_s / _POINTS])
    edges = np.append(shown.times_s, shown.end_s)
    axes.stairs(shown.bits_per_s / 1e6, edges, baseline=None, color=COLOURS[0], linewidth=1.0)
    for first_s, last_s in _outages(trace):
        axes.axvspan(first_s, last_s, color=OUTAGE, linewidth=0)
    axes.set_xlim(0.0, trace.end_s)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("bandwidth (Mbit/s)")
    way = f"measured {trace.direction}link{'' if trace.bits_per_s.all() else ', outages shaded'}"
    axes.set_title(_title(trace, way), loc="left", fontsize=9, color=GREY)


def _outages(trace: BandwidthTrace) -> list[tuple[float, float]]:
    out = np.concatenate(([False], trace.bits_per_s == 0.0, [False]))
    edges = np.append(trace.times_s, trace.end_s)
    turns: Floats = edges[np.flatnonzero(out[1:] != out[:-1])]
    return [(float(first), float(last)) for first, last in turns.reshape(-1, 2)]


def _title(trace: Trace, what: str) -> str:
    made = "; generated, not a measurement" if trace.is_synthetic else ""
    return f"{trace.name} ({what}{made})"


def _time_unit(seconds: float) -> tuple[float, str]:
    if seconds >= 2 * _DAY_S:
        return _DAY_S, "days"
    return (3600.0, "hours") if seconds >= 7200.0 else (1.0, "s")
