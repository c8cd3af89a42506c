"""Readers: one small function per format, and the table that says which parser name is which function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.traces.model import Trace
from harness.traces.readers.ghent import read_ghent_json, read_ghent_log
from harness.traces.source import Source

Reader = Callable[[Source], Trace]

SINGLE: Mapping[str, Reader] = {
    "ghent-json": read_ghent_json,
    "ghent-log": read_ghent_log,
}

__all__ = ["SINGLE", "Reader", "read_ghent_json", "read_ghent_log"]
