"""Figures as inline SVG that takes its colours from the page, so that it is readable light and dark."""

from __future__ import annotations

import io
import re
from html import escape
from typing import Any

from harness.autopsy.drawing import GRID, INK

Figure = Any
SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "svg.fonttype": "none",  # text stays text, in the page's font
    "axes.edgecolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "path.simplify": True,
}
FROM_PAGE = {INK: "currentColor", "#000000": "currentColor", GRID: "var(--grid)", "#0072b2": "var(--blue)"}
_HEAD = re.compile(r"^.*?<svg ", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")


def in_page_style() -> Any:
    """A context in which figures of the page are drawn and saved."""
    import matplotlib

    return matplotlib.rc_context(SETTINGS)


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element with its description for those who cannot see it.

    name: unique on the page; ids within the figure are made from it. Use within `in_page_style`.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = _METADATA.sub("", _HEAD.sub("<svg ", buffer.getvalue(), count=1))
    for colour, variable in FROM_PAGE.items():
        text = text.replace(f": {colour}", f": {variable}")
    text = _FONT.sub(r"font-size: \1px", text)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    marks = f'role="img" aria-label="{escape(description, quote=True)}" preserveAspectRatio="xMidYMid meet" '
    return text.replace("<svg ", f"<svg {marks}", 1)
