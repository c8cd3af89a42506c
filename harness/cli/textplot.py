"""A series over time as text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LEVELS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"


def text_plot(values: Sequence[float], seconds: float, unit: str, *, unicode: bool = True) -> str:
    """Means over equal parts of the time as a chart of 72 x 8 characters with its axes named."""
    parts = np.array_split(np.asarray(values, np.float64), min(72, len(values)))
    means = np.array([part.mean() for part in parts])
    peak = float(means.max()) or 1.0
    levels = _LEVELS if unicode else _ASCII
    rows = [unit]
    for row in range(7, -1, -1):
        fill = np.clip((means / peak * 8.0 - row) * 8.0, 0.0, 8.0).round().astype(int)
        label = f"{peak * (row + 1) / 8.0:8.3g}" if row % 2 else " " * 8
        rows.append(f"{label} |{''.join(levels[k] for k in fill)}")
    end = f"{seconds:,.0f} s"
    rows.append(f"{'':8} +{'-' * len(means)}")
    rows.append(f"{'':9} 0{end:>{max(len(means) - 1, len(end) + 1)}}")
    return "\n".join(rows)
