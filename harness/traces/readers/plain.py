"""One's own traces: CSV of time and Mbit/s (a header may name them, and the unit)."""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import stamped
from harness.traces.source import Column, Source, number

_UNITS = {"mbit/s": 1.0, "mbps": 1.0, "mbits/s": 1.0, "mbit": 1.0, "kbit/s": 1e-3, "kbps": 1e-3, "kbits/s": 1e-3,
          "bit/s": 1e-6, "bps": 1e-6, "bits/s": 1e-6, "gbit/s": 1e3, "gbps": 1e3}  # fmt: skip


def read_csv(source: Source) -> BandwidthTrace:
    """Two columns: time in s, increasing, and bandwidth in Mbit/s unless a header says otherwise (kbps, bit/s, ...).

    A value holds until the next row; the last as long as the row before it did (1 s when it is the only one).
    """
    times, values, scale = Column(source.path), Column(source.path), 1.0
    for line, text in source.lines():
        fields = re.split(r"[,;\t ]+", text.strip())
        if len(times) == 0 and line == 1 and not _is_number(fields[0]):
            scale = _scale(source, fields)
            continue
        try:
            _append(fields, times, values)
        except ValueError as fault:
            source.fault(line, str(fault))
    if not len(times):
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    last_s = times.values[-1] - times.values[-2] if len(times) > 1 else 1.0
    return stamped(source, times.values, [value * scale for value in values.values], last_s)


def _append(fields: list[str], times: Column, values: Column) -> None:
    if len(fields) != 2:
        raise ValueError(f"{len(fields)} fields; must be 2: time s, Mbit/s")
    at_s, value = number(fields[0], "time", 0.0), number(fields[1], "bandwidth", 0.0)
    if len(times) and at_s <= times.values[-1]:
        raise ValueError(f"time {at_s:g} <= previous {times.values[-1]:g}; must be increasing")
    times.append(at_s)
    values.append(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _scale(source: Source, header: list[str]) -> float:
    """Mbit/s per unit of the second column, from a header such as `time_s,bandwidth_kbps` or `time,Mbit/s`."""
    if len(header) != 2:
        raise UsageError(f"{source.path}:1: header has {len(header)} names; must have 2: time s, Mbit/s")
    name = re.sub(r"_per_", "/", header[1].lower())
    ends = [unit for unit in _UNITS if re.search(rf"(^|[^a-z]){re.escape(unit)}[)\]]?$", name)]
    if not ends:
        known = "Mbit/s, mbps, kbps, kbit/s, bps, bit/s, Gbit/s, gbps"
        raise UsageError(f"{source.path}:1: unit of {header[1]!r} is unknown; must end with one of {known}")
    return _UNITS[max(ends, key=len)]
