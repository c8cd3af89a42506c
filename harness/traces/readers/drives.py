"""Stamped tables of measurement drives: MN-Wild (iPerf), the satellite and cellular drives of CoNEXT 2023, UCC 5G.

Positions, speeds and cell identities are passed over. Sources: Narayanan et al., SIGCOMM 2021; Hu et al., CoNEXT 2023
Companion; Raca et al., MMSys 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from harness.errors import UsageError
from harness.traces.archive import csv_members
from harness.traces.model import BandwidthTrace, Direction, Provenance
from harness.traces.readers.samples import csv_table, stamped
from harness.traces.source import Column, Source, number

SESSION_GAP_S = 10.0


def read_mn_wild(source: Source) -> BandwidthTrace:
    """Rows of one second from `_start` on; seconds the log left out keep the value before them."""
    table = csv_table(source, "_start", "bits_per_second")
    times, values = Column(source.path), Column(source.path)
    for line, row in table.rows:
        try:
            start_s = number(row["_start"], "_start", 0.0)
            if len(times) and start_s < times.values[-1]:
                raise ValueError(f"_start = {start_s:g} after {times.values[-1]:g}; must be nondecreasing")
            bits_per_s = number(row["bits_per_second"], "bits_per_second", 0.0)
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        times.append(start_s)
        values.append(bits_per_s / 1e6)
    return stamped(source, times.values, values.values, 1.0)


def read_conext23(source: Source) -> Mapping[str, BandwidthTrace]:
    """Traces by session (`session-1`, ...): the file joins drives; a session ends where stamps jump more than 10 s.

    The direction is the folder's: `Uplink` in the path is up, anything else down.
    """
    table = csv_table(source, "time", "throughput")
    direction: Direction = "up" if "uplink" in str(source.path).lower() else "down"
    sessions: list[tuple[Column, Column]] = []
    for line, row in table.rows:
        try:
            at_s = _wall_clock_s(row["time"], "%Y-%m-%d %H:%M:%S")
            mbps = number(row["throughput"], "throughput", 0.0)
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        if not sessions or not 0.0 <= at_s - sessions[-1][0].values[-1] <= SESSION_GAP_S:
            sessions.append((Column(source.path), Column(source.path)))
        sessions[-1][0].append(at_s)
        sessions[-1][1].append(mbps)
    if not sessions:
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    return {
        f"session-{k}": stamped(source, times.values, values.values, 1.0, direction)
        for k, (times, values) in enumerate(sessions, start=1)
    }


def _wall_clock_s(text: str, form: str) -> float:
    """Seconds of a stamp whose zone, if any, is the same in the whole file and so does not matter."""
    stamp = text.strip()[:19]
    try:
        return (datetime.strptime(stamp, form) - datetime(1970, 1, 1)).total_seconds()
    except ValueError:
        raise ValueError(f"time = {text.strip()!r}; must look like {form}") from None


def read_ucc_5g(source: Source) -> Mapping[str, BandwidthTrace]:
    """Traces of the zip by path (`download/driving/b_2019.12.16_13.40.04`), or "" for one table on its own."""
    if source.path.suffix.lower() != ".zip":
        return {"": read_ucc_5g_table(source)}
    traces = {}
    for key, member in csv_members(source):
        trace = read_ucc_5g_table(member)
        traces[key.removeprefix("5g-production-dataset/")] = trace
    if not traces:
        raise UsageError(f"{source.path}: holds no CSV; must hold the production dataset")
    return traces


def read_ucc_5g_table(source: Source) -> BandwidthTrace:
    """Downlink kbit/s of the rows in state D (downloading); what the link could do while idle is not known.

    Idle rows are cut out and the trace closes up. A table that never downloads is kept as measured.
    """
    table = csv_table(source, "Timestamp", "DL_bitrate", "State")
    rows: list[tuple[float, float, bool]] = []
    for line, row in table.rows:
        try:
            at_s = _wall_clock_s(row["Timestamp"], "%Y.%m.%d_%H.%M.%S")
            if rows and at_s < rows[-1][0]:
                raise ValueError(f"Timestamp = {row['Timestamp']} is before the previous; must be nondecreasing")
            rows.append((at_s, number(row["DL_bitrate"], "DL_bitrate", 0.0), row["State"].strip() == "D"))
        except ValueError as fault:
            source.fault(line, str(fault))
    return _downloading(source, rows)


def _downloading(source: Source, rows: list[tuple[float, float, bool]]) -> BandwidthTrace:
    if not any(busy for _, _, busy in rows):
        return stamped(source, [t for t, _, _ in rows], [kbps / 1e3 for _, kbps, _ in rows], 1.0)
    idle_s, times, values = 0.0, [], []
    for (at_s, kbps, busy), after in zip(rows, [*rows[1:], rows[-1]], strict=True):
        if busy:
            times.append(at_s - idle_s)
            values.append(kbps / 1e3)
        else:
            idle_s += after[0] - at_s
    trace = stamped(source, times, values, 1.0)
    if idle_s == 0.0:
        return trace
    notes = Provenance(transforms=(*trace.provenance.transforms, f"cut {idle_s:g} s of idle"))
    return replace(trace, provenance=notes)
