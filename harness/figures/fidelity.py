"""A real run and its twin, one over the other: latency distributions and granted cores, per system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.fidelity.measures import REAL, TWIN
from harness.figures.style import BLACK, RED, TWO_COLUMNS_IN, canvas, in_style, legend_above
from harness.figures.traces import save_figure

ROW_IN = 1.45
FORMATS = ("pdf", "png")


def draw_fidelity(rows: pd.DataFrame, title: str, slo_s: float) -> Any:
    """The figure. rows: those of fidelity.parquet. slo_s: drawn as a line. Use within `in_style`."""
    systems = list(dict.fromkeys(rows["system"]))
    figure, axes = canvas(len(systems), 2, TWO_COLUMNS_IN, 0.75 + ROW_IN * len(systems), sharex="col")
    for (left, right), system in zip(axes, systems, strict=True):
        mine = rows[rows["system"] == system]
        handles = _latencies(left, mine)
        _cores(right, mine)
        left.set_ylabel(f"{system}\nshare of served requests")
        right.set_ylabel("granted cores")
        left.axvline(slo_s * 1e3, color="#7f7f7f", linewidth=0.7, linestyle=(0, (1, 1.2)))
        left.set_ylim(0.0, 1.0)
        right.set_ylim(bottom=0.0)
    axes[0][0].set_title("(a) latency; dotted: the SLO", loc="left")
    seed = int(rows["seed"].min())
    axes[0][1].set_title(f"(b) cores over time, seed {seed}", loc="left")
    axes[-1][0].set_xlabel("latency of served requests (ms)")
    axes[-1][0].set_xlim(left=0.0)
    axes[-1][1].set_xlabel("time (s)")
    legend_above(figure, handles, 3)
    figure.suptitle(title, fontsize=7.5, x=0.01, ha="left")
    return figure


def save_fidelity(rows: pd.DataFrame, title: str, slo_s: float, folder: Path) -> list[Path]:
    """Write fidelity.pdf and fidelity.png into a folder; the files."""
    paths = [folder / f"fidelity.{ending}" for ending in FORMATS]
    with in_style():
        figure = draw_fidelity(rows, title, slo_s)
        for path in paths:
            save_figure(figure, path)
    return paths


def _latencies(axes: Any, rows: pd.DataFrame) -> list[Any]:
    """Mean over seeds of the quantiles: real, median of the twin's draws, and their 5th to 95th percentile."""
    levels, real, low, twin, high = _series(rows[rows["metric"] == "latency_s"])
    band = axes.fill_betweenx(levels, low * 1e3, high * 1e3, color=RED, alpha=0.25, linewidth=0)
    (dashed,) = axes.plot(twin * 1e3, levels, color=RED, linestyle=(0, (4, 1.5)))
    (solid,) = axes.plot(real * 1e3, levels, color=BLACK)
    band.set_label("twin, 5th to 95th percentile of its draws")
    dashed.set_label("twin, median of its draws")
    solid.set_label("real")
    return [solid, dashed, band]


def _cores(axes: Any, rows: pd.DataFrame) -> None:
    first = rows["seed"] == rows["seed"].min()
    times_s, real, low, twin, high = _series(rows[(rows["metric"] == "cores") & first])
    axes.fill_between(times_s, low, high, color=RED, alpha=0.25, linewidth=0, step="post")
    axes.step(times_s, twin, color=RED, linestyle=(0, (4, 1.5)), where="post")
    axes.step(times_s, real, color=BLACK, where="post")
    if len(times_s):
        axes.set_xlim(0.0, times_s[-1])


def _series(rows: pd.DataFrame) -> tuple[Any, Any, Any, Any, Any]:
    """(at, real, twin's 5th percentile, median and 95th), each the mean over seeds."""
    real = rows[rows["source"] == REAL].groupby("at")["value"].mean()
    draws = rows[rows["source"] == TWIN].groupby(["at", "draw"])["value"].mean().unstack()
    at = draws.index.union(real.index)
    low, middle, high = (draws.quantile(q, axis=1).reindex(at).to_numpy() for q in (0.05, 0.5, 0.95))
    return at.to_numpy(dtype=np.float64), real.reindex(at).to_numpy(), low, middle, high
