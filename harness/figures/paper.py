"""The figures of the paper, by name; each is drawn from stored runs, or skipped with the command that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import unknown_name
from harness.figures.bars import draw_ablation, draw_pareto
from harness.figures.dynamic_slo import draw_dynamic_slo
from harness.figures.latency_grid import draw_latency
from harness.figures.order import draw_order
from harness.figures.output import Drawn, Skipped, write
from harness.figures.sensitivity import figures_of_sweeps
from harness.figures.style import in_style
from harness.figures.timeline import draw_timeline

FIGURES: Mapping[str, Callable[[Path], Drawn | Skipped]] = {
    "dynamic-slo": draw_dynamic_slo,
    "latency": draw_latency,
    "timeline": draw_timeline,
    "order": draw_order,
    "pareto": draw_pareto,
    "ablation": draw_ablation,
    **figures_of_sweeps(),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one figure: its files, or why there are none."""

    name: str
    files: tuple[Path, ...] = ()
    skipped: Skipped | None = None


def draw_figures(results: Path, out: Path, names: Sequence[str] = ()) -> list[Written]:
    """Draw the named figures (all when none is named) from the runs under `results` into `out`.

    Raises UsageError for an unknown name.
    """
    for name in names:
        if name not in FIGURES:
            raise unknown_name("figures", "figure", name, FIGURES)
    return [draw_one(name, results, out) for name in names or FIGURES]


def draw_one(name: str, results: Path, out: Path) -> Written:
    """Draw and write one figure."""
    with in_style():
        made = FIGURES[name](results)
    if isinstance(made, Skipped):
        return Written(name, skipped=made)
    return Written(name, write(made, out, name))
