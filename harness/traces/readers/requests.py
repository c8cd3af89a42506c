"""Traces of single requests, and of invocations per minute. Only when something arrived is taken.

Sources: Patel et al., ISCA 2024 (Azure LLM); Qin et al., FAST 2025 (Mooncake); Wang et al. (BurstGPT); Shahrad et
al., ATC 2020 and Zhang et al., SOSP 2021 (Azure Functions); Alibaba cluster-trace-v2026-GenAI.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np

from harness.errors import UsageError
from harness.traces.archive import only_member
from harness.traces.model import ArrivalTrace
from harness.traces.readers.samples import Row, counted, csv_table, instants
from harness.traces.source import Column, Source, number

MINUTE_S = 60.0
_EPOCH = datetime(1970, 1, 1)


def read_azure_llm(source: Source) -> ArrivalTrace:
    """TIMESTAMP (to 100 ns) of each request, nondecreasing."""
    return _from_rows(source, ("TIMESTAMP",), lambda row: _stamp_s(row["TIMESTAMP"], "TIMESTAMP"), ordered=True)


def read_burstgpt(source: Source) -> ArrivalTrace:
    """Timestamp in seconds of each request, failed ones included: they were asked for."""
    columns = ("Timestamp", "Request tokens")
    return _from_rows(source, columns, lambda row: number(row["Timestamp"], "Timestamp", 0.0), ordered=True)


def read_azure_functions(source: Source) -> ArrivalTrace:
    """2019: invocations per minute and function, summed over the functions. 2021: one invocation per row, which
    began at end_timestamp - duration.
    """
    table = csv_table(source)
    if "end_timestamp" in table.columns:
        return _from_rows(source, ("end_timestamp", "duration"), _began_s, ordered=False)
    minutes = [name for name in table.columns if name.isdigit()]
    if not minutes:
        raise UsageError(f"{source.path}:1: no columns 1, 2, ... of minutes; has {', '.join(table.columns):.200}")
    total = np.zeros(len(minutes), np.int64)
    for line, row in table.rows:
        try:
            total += [int(number(row[name], f"minute {name}", 0.0)) for name in minutes]
        except ValueError as fault:
            source.fault(line, str(fault))
    return counted(source, total, MINUTE_S)


def _began_s(row: Row) -> float:
    return number(row["end_timestamp"], "end_timestamp", 0.0) - number(row["duration"], "duration", 0.0)


def read_mooncake(source: Source) -> ArrivalTrace:
    """One JSON object per line with `timestamp` in milliseconds, nondecreasing."""
    times = Column(source.path)
    for line, text in source.lines():
        try:
            item = json.loads(text)
            if not isinstance(item, dict) or type(item.get("timestamp")) not in (int, float):
                raise ValueError("must be an object with the number 'timestamp'")
            _append(times, number(repr(item["timestamp"]), "timestamp", 0.0) / 1000.0, ordered=True)
        except json.JSONDecodeError as error:
            source.fault(line, f"not JSON ({error.msg}); truncated download?")
        except ValueError as fault:
            source.fault(line, str(fault))
    return instants(source, times.values)


def read_alibaba_genai(source: Source) -> ArrivalTrace:
    """`gmt_create` of each request, or the requests of the gateway's samples of rate (value per sample) per minute."""
    if source.path.suffix.lower() != ".csv":
        source = replace(source, opener=only_member(source.path, ".csv"))
    columns = csv_table(source).columns
    if "gmt_create" in columns:
        return _from_rows(source, ("gmt_create",), lambda row: _stamp_s(row["gmt_create"], "gmt_create"), ordered=False)
    return _sampled_rates(source)


def _sampled_rates(source: Source) -> ArrivalTrace:
    """Rates sampled per container and type: averaged over a minute each, then summed, times 60 s."""
    sums: dict[tuple[int, str, str], list[float]] = {}
    for line, row in csv_table(source, "timestamp_anon", "value").rows:
        try:
            minute = int(number(row["timestamp_anon"], "timestamp_anon") // MINUTE_S)
            value = number(row["value"], "value", 0.0)
        except ValueError as fault:
            source.fault(line, str(fault))
            continue
        seen = sums.setdefault((minute, row.get("container_ip", ""), row.get("request_type", "")), [0.0, 0.0])
        seen[0] += value
        seen[1] += 1.0
    if not sums:
        raise UsageError(f"{source.path}: no samples; a trace needs at least one")
    first = min(minute for minute, _, _ in sums)
    rates = np.zeros(max(minute for minute, _, _ in sums) - first + 1)
    for (minute, _, _), (total, many) in sums.items():
        rates[minute - first] += total / many
    return counted(source, np.rint(rates * MINUTE_S), MINUTE_S)


def _from_rows(
    source: Source, columns: tuple[str, ...], when_s: Callable[[Row], float], *, ordered: bool
) -> ArrivalTrace:
    times = Column(source.path)
    for line, row in csv_table(source, *columns).rows:
        try:
            _append(times, when_s(row), ordered=ordered)
        except ValueError as fault:
            source.fault(line, str(fault))
    return instants(source, times.values)


def _append(times: Column, at_s: float, *, ordered: bool) -> None:
    if ordered and len(times) and at_s < times.values[-1]:
        raise ValueError(f"time {at_s:.7f} s < previous {times.values[-1]:.7f} s; must be nondecreasing")
    times.append(at_s)


def _stamp_s(text: str, what: str) -> float:
    """Seconds since 1970 of `2023-11-16 18:15:46.6805900`, also with slashes or without seconds."""
    whole, _, fraction = text.strip().replace("/", "-").replace("T", " ").partition(".")
    digits = "".join(fraction.split("+")[0].rstrip("Z"))
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"):
        try:
            seconds = (datetime.strptime(whole.rstrip("Z"), form) - _EPOCH).total_seconds()
            return seconds + (float(f"0.{digits}") if digits else 0.0)
        except ValueError:
            continue
    raise ValueError(f"{what} = {text.strip()!r}; must look like 2023-11-16 18:15:46.6805900")
