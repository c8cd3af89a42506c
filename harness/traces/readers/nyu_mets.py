"""NYU-METS: one row per second, `value,unit`, and the unit is the row's own. Also the zip of multivariate tables.

Source: Mei et al., PAM 2019 and Computer Networks 2020.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import UsageError
from harness.traces.archive import csv_members
from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import csv_table, steady
from harness.traces.source import Column, Source, number

MBPS = {"mbits/sec": 1.0, "kbits/sec": 1e-3, "bits/sec": 1e-6, "gbits/sec": 1e3}


def read_nyu_mets(source: Source) -> BandwidthTrace:
    """Raises UsageError for a row whose unit is missing or not one of Gbits/sec, Mbits/sec, Kbits/sec, bits/sec."""
    values = Column(source.path)
    for line, text in source.lines():
        try:
            values.append(_row(text))
        except ValueError as fault:
            source.fault(line, str(fault))
    return steady(source, values.values, 1.0)


def _row(text: str) -> float:
    value, comma, unit = text.partition(",")
    if not comma:
        raise ValueError("1 field; must be 2: value, unit")
    scale = MBPS.get(unit.strip().lower())
    if scale is None:
        raise ValueError(f"unit = {unit.strip()!r}; must be one of Gbits/sec, Mbits/sec, Kbits/sec, bits/sec")
    return number(value, "bandwidth", 0.0) * scale


def read_nyu_multivariate(source: Source) -> Mapping[str, BandwidthTrace]:
    """Tables of one row per second in a zip; only the bandwidth (Mbit/s) is taken. Traces by the table's name."""
    traces = {}
    for key, member in csv_members(source):
        traces[key] = _table(member)
    if not traces:
        raise UsageError(f"{source.path}: holds no CSV; must hold the multivariate tables")
    return traces


def _table(source: Source) -> BandwidthTrace:
    table = csv_table(source)
    named = [name for name in table.columns if re.search(r"bandwidth|throughput", name, re.IGNORECASE)]
    if not named:
        raise UsageError(f"{source.path}:1: no column named bandwidth or throughput; has {', '.join(table.columns)}")
    values = Column(source.path)
    for line, row in table.rows:
        try:
            values.append(number(row[named[0]], named[0], 0.0))
        except ValueError as fault:
            source.fault(line, str(fault))
    return steady(source, values.values, 1.0)
