"""One look for all figures of runs: sizes of a two-column page, a palette, and a fixed look per system.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; every system has also a line style and
a marker of its own within its colour, so that a figure printed in grey can be read. matplotlib is imported when the
first figure is drawn: it takes half a second that other commands need not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Figure = Any
Axes = Any

ONE_COLUMN_IN = 3.3
TWO_COLUMNS_IN = 7.0
SMALLEST_PT = 7.0

BLACK, BLUE, SKY, GREEN, ORANGE, RED, PURPLE, GREY = (
    "#000000",
    "#0072b2",
    "#56b4e9",
    "#009e73",
    "#e69f00",
    "#d55e00",
    "#cc79a7",
    "#7f7f7f",
)
SHADE = "#e6e6e6"

SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": SMALLEST_PT,
    "xtick.labelsize": SMALLEST_PT,
    "ytick.labelsize": SMALLEST_PT,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "pdf.fonttype": 42,  # embedded TrueType: text stays text
    "svg.hashsalt": "sponge-bench",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a system is drawn, in every figure."""

    colour: str
    line: Any = "-"
    marker: str = "o"


_DOTTED, _DASHED, _MIXED, _LONG = (0, (1, 1.2)), (0, (4, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (8, 2))

LOOKS: Mapping[str, Look] = {
    "sponge": Look(BLUE, "-", "o"),
    "sponge-fifo": Look(BLUE, _DASHED, "v"),
    "sponge-no-batching": Look(BLUE, _DOTTED, "X"),
    "sponge-hold": Look(BLUE, _MIXED, "<"),
    "sponge-maxout": Look(BLUE, _LONG, ">"),
    "sponge-reactive": Look(BLUE, (0, (2, 2, 6, 2)), "h"),
    "sponge-prototype": Look(SKY, "-", "s"),
    "static-max": Look(GREY, "-", "D"),
    "static-max-no-batching": Look(GREY, _DOTTED, "d"),
    "static-half": Look(GREY, _DASHED, "p"),
    "static-8": Look(ORANGE, _DOTTED, "1"),
    "static-8-batching": Look(ORANGE, "-", "^"),
    "static-12-batching": Look(ORANGE, _MIXED, "8"),
    "static-16": Look(BLACK, _DOTTED, "2"),
    "static-16-batching": Look(BLACK, _DASHED, "P"),
    "fa2": Look(RED, "-", "*"),
    "fa2-prototype": Look(RED, _DASHED, "x"),
    "hpa": Look(GREEN, "-", "+"),
    "vpa": Look(PURPLE, "-", "3"),
    "vpa-fast": Look(PURPLE, _DASHED, "4"),
    "oracle": Look(BLACK, "-", "H"),
}
PUBLISHED = Look(BLACK, (0, (2, 1)), "")
_SPARE = tuple(
    Look(colour, line, marker)
    for line, marker in ((_LONG, "$A$"), (_MIXED, "$B$"))
    for colour in (GREEN, PURPLE, SKY, RED, GREY)
)


def looks_of(systems: Iterable[str]) -> dict[str, Look]:
    """A look per system: the fixed one, or for systems of one's own a spare one, by order of name."""
    names = list(systems)
    unknown = sorted(set(names) - LOOKS.keys())
    spare = {name: _SPARE[number % len(_SPARE)] for number, name in enumerate(unknown)}
    return {name: LOOKS.get(name) or spare[name] for name in names}


def canvas(rows: int, columns: int, width_in: float, height_in: float, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of this size and its axes as an array (rows x columns). Use within `in_style`."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def in_style() -> Any:
    """A context in which everything is drawn, and saved, in this look."""
    import matplotlib

    return matplotlib.rc_context(SETTINGS)


def legend_above(figure: Figure, handles: Iterable[Any], most_columns: int = 5) -> None:
    """A legend above all axes, where it covers no data; in rows of about the same length."""
    found = list(handles)
    rows = -(-len(found) // most_columns)
    figure.legend(handles=found, loc="outside upper center", ncols=-(-len(found) // rows), columnspacing=1.2)


def round_ticks(axis: Any, most: int = 5) -> None:
    """Ticks at whole numbers that people count in."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 4, 5, 10]))


def label_panels(axes: Iterable[Axes], titles: Iterable[str]) -> None:
    """Titles at the left, lettered (a), (b) ... in order."""
    for letter, (one, title) in zip("abcdefghijklmnop", zip(axes, titles, strict=True), strict=False):
        one.set_title(f"({letter}) {title}", loc="left")
