"""Lumos5G as in the SIGCOMM 2021 artifact: second and Mbit/s, separated by blanks or tabs, no header.

Source: Narayanan et al., IMC 2020 and SIGCOMM 2021. Some 4G files repeat or skip a second.
"""

from __future__ import annotations

from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import stamped
from harness.traces.source import Column, Source, number


def read_lumos5g(source: Source) -> BandwidthTrace:
    """A repeated second is averaged, a skipped one keeps the value before it."""
    times, values = Column(source.path), Column(source.path)
    for line, text in source.lines():
        try:
            second, mbps = _row(text)
            if len(times) and second < times.values[-1]:
                raise ValueError(f"time {second:g} < previous {times.values[-1]:g}; must be nondecreasing")
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        times.append(second)
        values.append(mbps)
    return stamped(source, times.values, values.values, 1.0)


def _row(text: str) -> tuple[float, float]:
    fields = text.split()
    if len(fields) != 2:
        raise ValueError(f"{len(fields)} fields; must be 2: second, Mbit/s")
    return number(fields[0], "second", 0.0), number(fields[1], "Mbit/s", 0.0)
