"""5Gophers 1.0: drives (a column per carrier), a walk, and static tests (many runs in one table). Mbit/s per second.

Source: Narayanan et al., A First Look at Commercial 5G Performance on Smartphones, WWW 2020.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import UsageError
from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import Row, csv_table, stamped
from harness.traces.source import Column, Source, number

_SUFFIX = "_throughput_mbps"
_RUN = ("protocol", "carrier", "server_location", "num_tcp_conn", "run_num")


def read_5gophers(source: Source) -> Mapping[str, BandwidthTrace]:
    """Traces by key: the carrier for a drive, `tcp/verizon/us-east/8-conns/run-1` for a static test, "" for a walk."""
    table = csv_table(source, "seq_num")
    columns = {name: name.removesuffix(_SUFFIX).lower() for name in table.columns if name.endswith(_SUFFIX)}
    single = "throughput_mbps" in table.columns
    if not columns and not single:
        raise UsageError(f"{source.path}:1: no throughput_mbps column; has {', '.join(table.columns)}")
    many = single and set(_RUN) <= set(table.columns)
    found: dict[str, tuple[Column, Column]] = {}
    for line, row in table.rows:
        try:
            second = number(row["seq_num"], "seq_num", 0.0)
            for name, key in ({"throughput_mbps": _run(row) if many else ""} if single else columns).items():
                times, values = found.setdefault(key, (Column(source.path), Column(source.path)))
                value = number(row[name], name, 0.0)
                if len(times) and second <= times.values[-1]:
                    raise ValueError(f"seq_num = {second:g} after {times.values[-1]:g}; must be increasing")
                times.append(second)
                values.append(value)
        except ValueError as fault:
            source.fault(line, str(fault))
    return {key: stamped(source, times.values, values.values, 1.0) for key, (times, values) in found.items()}


def _run(row: Row) -> str:
    protocol, carrier, server, connections, run = (row[name].strip().lower() for name in _RUN)
    return f"{protocol}/{carrier}/{server}/{connections}-conns/run-{run}"
