"""Ghent 4G: the original logs and their JSON conversion.

Source: van der Hooft et al., IEEE Communications Letters 20(11), 2016; the conversion is that of Spiteri et al.,
MMSys'18. Positions (GPS) in the logs are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.errors import UsageError
from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import stepped
from harness.traces.source import Column, Source, number

_CLOCK_TOLERANCE_MS = 1.5  # rows are stamped in whole milliseconds


def read_ghent_log(source: Source) -> BandwidthTrace:
    """Rows of: epoch ms, ms since start, latitude, longitude, bytes since the last row, ms since the last row.

    A row's bytes went over the interval that ends at its stamp, so a row of 9 s is one step of 9 s. A hole between
    two rows is a fault: the log does not say what the link did meanwhile.
    """
    steps_s, bits_per_s = Column(source.path), Column(source.path)
    previous_ms = 0.0
    for line, text in source.lines():
        try:
            stamp_ms, size_bytes, interval_ms = _log_row(text, previous_ms)
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        previous_ms = stamp_ms
        steps_s.append(interval_ms / 1000.0)
        bits_per_s.append(size_bytes * 8000.0 / interval_ms)
    return stepped(source, steps_s.values, bits_per_s.values)


def _log_row(text: str, previous_ms: float) -> tuple[float, float, float]:
    fields = text.split()
    if len(fields) != 6:
        raise ValueError(f"{len(fields)} fields; must be 6: epoch ms, ms, latitude, longitude, bytes, interval ms")
    stamp_ms = number(fields[1], "ms since start", 0.0)
    size_bytes = number(fields[4], "bytes", 0.0)
    interval_ms = number(fields[5], "interval ms", 0.0)
    if interval_ms == 0.0:
        raise ValueError("interval ms = 0; must be > 0")
    if stamp_ms <= previous_ms:
        raise ValueError(f"time {stamp_ms:g} ms <= previous {previous_ms:g} ms; must be increasing")
    if previous_ms and abs(stamp_ms - interval_ms - previous_ms) > _CLOCK_TOLERANCE_MS:
        raise ValueError(
            f"interval ms = {interval_ms:g}; must be the {stamp_ms - previous_ms:g} ms since the previous row"
        )
    return stamp_ms, size_bytes, interval_ms


def read_ghent_json(source: Source) -> BandwidthTrace:
    """A list of {"duration_ms", "bandwidth_kbps", "latency_ms"}; also used by the Norway 3G conversion.

    `latency_ms` is a constant the converter put in, not a measurement, and is passed over.
    """
    steps_s, bits_per_s = Column(source.path), Column(source.path)
    for line, item in _items(source):
        try:
            duration_ms = _field(item, "duration_ms")
            kbps = _field(item, "bandwidth_kbps")
            if duration_ms == 0.0:
                raise ValueError("duration_ms = 0; must be > 0")
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        steps_s.append(duration_ms / 1000.0)
        bits_per_s.append(kbps * 1000.0)
    return stepped(source, steps_s.values, bits_per_s.values)


def _field(item: Any, key: str) -> float:
    if not isinstance(item, dict) or key not in item:
        raise ValueError(f"{item!r:.80}; must be an object with {key!r}")
    if isinstance(item[key], bool) or not isinstance(item[key], int | float):
        raise ValueError(f"{key} = {item[key]!r}; must be a number")
    return number(repr(item[key]), key, 0.0)


def _items(source: Source) -> Iterator[tuple[int, Any]]:
    """(line, value) for each item of a JSON list, so that a fault inside the list has its line."""
    text, decoder = source.document(), json.JSONDecoder()
    at, line = _skip(text, 0, " \t\r\n"), 1
    line += text.count("\n", 0, at)
    if text[at] != "[":
        raise UsageError(f"{source.path}:{line}: starts with {text[at]!r}; must be a JSON list")
    after = _skip(text, at + 1, " \t\r\n,")
    while after < len(text) and text[after] != "]":
        line += text.count("\n", at, after)
        at = after
        try:
            item, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise UsageError(f"{source.path}:{error.lineno}: not JSON ({error.msg}); truncated download?") from error
        yield line, item
        after = _skip(text, end, " \t\r\n,")
    if after >= len(text):
        raise UsageError(f"{source.path}:{line}: the list is not closed; truncated download?")


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at
