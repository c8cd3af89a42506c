"""Figure: service time against cores and batch, measured (points) and fitted (lines)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.figures.output import Drawn, Skipped
from harness.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    TWO_COLUMNS_IN,
    Axes,
    canvas,
    label_panels,
)
from harness.latency import LatencyModel
from harness.published import published_model, published_names
from harness.stored.runs import StoredRun, newest_finished

PUBLISHED = "yolov5s"
TICKS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
KEYS = ((BLUE, "o", "-"), (RED, "s", (0, (4, 1.5))), (GREEN, "^", (0, (1, 1.2))), (PURPLE, "D", (0, (4, 1.2, 1, 1.2))),
        (ORANGE, "v", (0, (8, 2))), (BLACK, "P", (0, (2, 2, 6, 2))), (SKY, "X", "-"))  # fmt: skip


def draw_latency(results: Path) -> Drawn | Skipped:
    """The published profile; below it a profile measured here, when a stored run carries one."""
    measured = newest_measured(results)
    rows: list[LatencyModel] = [published_model(PUBLISHED)]
    if measured is not None:
        rows.append(LatencyModel.from_dict(measured.facts["latency"]))
    figure, axes = canvas(len(rows), 2, TWO_COLUMNS_IN, 2.3 * len(rows))
    for model, (left, right) in zip(rows, axes, strict=True):
        draw_over(left, model, along="cores")
        draw_over(right, model, along="batch")
    label_panels(axes.ravel(), [f"{model.name}, over {along}" for model in rows for along in ("cores", "batch size")])
    ours = f" Below: {rows[1].name}, measured by this project's profiler." if measured else ""
    worst = {model.name: worst_error_percent(model) for model in rows}
    errors = "; ".join(f"{name} {percent:.0f} %" for name, percent in worst.items())
    return Drawn(
        figure,
        "Latency against cores and batch size",
        f"Points: measured; lines: the fit gamma*b/c + delta*b + epsilon/c + eta. Both axes of the left panels and the "
        f"vertical ones are logarithmic. Above: {PUBLISHED}, the published P99 grid and the published fit.{ours} "
        f"Largest error of a fit at a measured point, of the measured value: {errors}.",
        runs=(measured.source(),) if measured else (),
        numbers={"worst_error_percent": worst},
    )


def newest_measured(results: Path) -> StoredRun | None:
    """The newest run of any scenario whose latency model was measured rather than published."""
    scenarios = sorted(path.name for path in results.glob("*") if path.is_dir() and path.name != "reference")
    found = [run for name in scenarios if (run := newest_finished(results, name)) and is_measured(run.facts["latency"])]
    return max(found, key=lambda run: (run.started_utc, run.run_id), default=None)


def is_measured(latency: dict[str, Any]) -> bool:
    """Whether a manifest's latency model has a grid of its own."""
    return bool(latency.get("grid")) and latency.get("name") not in published_names()


def worst_error_percent(model: LatencyModel) -> float:
    """The largest |predicted - measured| / measured over the grid, per cent."""
    return max(abs(model.predict_s(c.batch, c.cores) / c.service_s - 1.0) for c in model.grid) * 100.0


def draw_over(axes: Axes, model: LatencyModel, along: str) -> None:
    """Service time along cores (one line per batch size) or along the batch size (one line per core count)."""
    across = "batch" if along == "cores" else "cores"
    values = sorted({getattr(cell, along) for cell in model.grid})
    fine = np.geomspace(values[0], values[-1], 60) if along == "cores" else np.linspace(values[0], values[-1], 60)
    for fixed, (colour, marker, line) in zip(sorted({getattr(c, across) for c in model.grid}), KEYS, strict=False):
        cells = [cell for cell in model.grid if getattr(cell, across) == fixed]
        fitted_s = model.predict_s(fixed, fine) if along == "cores" else model.predict_s(fine, fixed)
        label = f"b = {fixed:g}" if across == "batch" else f"c = {fixed:g}"
        axes.plot(fine, np.where(fitted_s > 0, fitted_s, np.nan) * 1e3, color=colour, linestyle=line, linewidth=0.8)
        axes.plot([getattr(c, along) for c in cells], [c.service_s * 1e3 for c in cells], marker, color=colour,
                  label=label)  # fmt: skip
    axes.set_yscale("log")
    if along == "cores":
        axes.set_xscale("log", base=2)
    axes.set_xticks(values, [f"{value:g}" for value in values])
    low, high = axes.get_ylim()
    shown_ms = [ms for ms in TICKS_MS if low <= ms <= high]
    axes.set_yticks(shown_ms, [f"{ms:g}" for ms in shown_ms])
    axes.minorticks_off()
    axes.set_xlabel("cores" if along == "cores" else "batch size (requests)")
    axes.set_ylabel("service time (ms)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0, borderaxespad=0.1)
