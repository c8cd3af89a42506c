"""Figure: the network of a plan, and what it leaves of the SLO when a request reaches the server."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.columns import floats
from harness.figures.output import Drawn, Skipped
from harness.figures.style import BLACK, BLUE, ORANGE, RED, SHADE, TWO_COLUMNS_IN, Axes, canvas
from harness.stored.measures import route_of
from harness.stored.runs import newest_finished, run_command
from harness.stored.series import Floats

SCENARIO = "paper-eval"
SIZES_KIB = ((100, ORANGE, (0, (1, 1))), (200, BLUE, (0, (4, 1.5))), (500, RED, "-"))


def draw_dynamic_slo(results: Path) -> Drawn | Skipped:
    """Bandwidth above, remaining SLO below, over the time of the plan of the first seed."""
    run = newest_finished(results, SCENARIO)
    if run is None:
        return Skipped(f"no valid run of {SCENARIO}", run_command(SCENARIO))
    cell = run.cells[0]
    plan = run.plan(cell.seed)
    created_s, uplink_s = floats(plan, "created_s"), floats(plan, "uplink_s")
    payload_bytes, slo_s = floats(plan, "payload_bytes"), float(cell.manifest["scenario"]["plan"]["slo_s"])
    with np.errstate(divide="ignore", invalid="ignore"):
        bits_per_s = np.where(uplink_s > 0, payload_bytes * 8.0 / uplink_s, np.nan)
    figure, axes = canvas(2, 1, TWO_COLUMNS_IN, 3.2, sharex=True)
    upper, lower = axes[:, 0]
    draw_bandwidth(upper, created_s, bits_per_s)
    draw_remaining(lower, created_s, bits_per_s, slo_s)
    left_ms = (slo_s - uplink_s) * 1e3
    size = np.median(payload_bytes) / 1e3
    lower.plot(created_s, left_ms, color=BLACK, linewidth=0.9, label=f"{size:g} kB, this plan", drawstyle="steps-post")
    lower.set_xlim(0.0, cell.duration_s)
    lower.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, borderaxespad=0.2)
    figure.align_ylabels()
    route = route_of(cell.manifest["scenario"]["plan"]["network"])
    return Drawn(
        figure,
        "Dynamic SLO",
        f"Above: bandwidth each upload of the plan saw (payload over upload time, {route}, measured downlink used as "
        f"uplink). Below: what is left of the {slo_s * 1e3:g} ms SLO when the request reaches the server; the black "
        f"line is the plan itself, seed {cell.seed}; the others are the published sizes at the same bandwidth "
        f"(1 KiB = 1024 bytes). Shaded: at or below zero. Remaining SLO of the plan: median "
        f"{np.median(left_ms):.0f} ms, least {left_ms.min():.0f} ms.",
        runs=(run.source(),),
        numbers={"remaining_median_ms": float(np.median(left_ms)), "remaining_least_ms": float(left_ms.min())},
    )


def draw_bandwidth(axes: Axes, created_s: Floats, bits_per_s: Floats) -> None:
    """Bandwidth over the time of creation."""
    axes.plot(created_s, bits_per_s / 1e6, color=BLUE, linewidth=0.8, drawstyle="steps-post")
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("bandwidth (Mbit/s)")


def draw_remaining(axes: Axes, created_s: Floats, bits_per_s: Floats, slo_s: float) -> None:
    """Remaining SLO of the published payload sizes at the bandwidth of each upload."""
    lowest_ms = -0.25 * slo_s * 1e3
    for size_kib, colour, line in SIZES_KIB:
        left_ms = (slo_s - size_kib * 1024 * 8.0 / bits_per_s) * 1e3
        axes.plot(created_s, np.maximum(left_ms, lowest_ms), color=colour, linestyle=line, linewidth=0.7,
                  label=f"{size_kib} KiB", drawstyle="steps-post")  # fmt: skip
    axes.axhspan(lowest_ms, 0.0, color=SHADE, linewidth=0)
    axes.set_ylim(lowest_ms, slo_s * 1e3)
    axes.set_ylabel("remaining SLO (ms)")
    axes.set_xlabel("time the request is created (s)")
