"""Comparing systems over runs: who is better, by how much, and what cannot be told (docs/statistics.md)."""

from harness.compare.alone import Alone, Line
from harness.compare.metrics import METRICS, NAMES, Margin, Metric, run_values, with_margins
from harness.compare.render import as_frame, as_markdown, as_table, footnotes, heading, sections
from harness.compare.runs import Run, gather
from harness.compare.verdict import Comparison, Pairing, compare_pairs
from harness.compare.whole import Report, compare_runs

__all__ = [
    "METRICS",
    "NAMES",
    "Alone",
    "Comparison",
    "Line",
    "Margin",
    "Metric",
    "Pairing",
    "Report",
    "Run",
    "as_frame",
    "as_markdown",
    "as_table",
    "compare_pairs",
    "compare_runs",
    "footnotes",
    "gather",
    "heading",
    "run_values",
    "sections",
    "with_margins",
]
