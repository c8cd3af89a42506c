"""Parsed traces kept as Parquet, one file per trace with its provenance, so that a second load need not parse.

The folder is named after the source's sha256 and the format of this store, so a changed source or a newer reader is
parsed anew. Whatever cannot be read back is parsed again: the store holds nothing that is not elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.tables import write_parquet
from harness.traces.model import ArrivalTrace, BandwidthTrace, Provenance, Trace

STORE_VERSION = 1
_META = b"sponge_bench_trace"


def parsed_dir(source_sha256: str) -> Path:
    """Where the traces of a source are kept."""
    return cache_dir() / "parsed" / f"v{STORE_VERSION}" / source_sha256


def save_all(source_sha256: str, traces: Mapping[str, Trace]) -> None:
    """Keep all traces of a source; the list of keys is written last, so half a store is no store."""
    folder = parsed_dir(source_sha256)
    folder.mkdir(parents=True, exist_ok=True)
    for number, trace in enumerate(traces.values()):
        save(folder / f"{number}.parquet", trace)
    partial = folder / f"keys.{os.getpid()}.partial"
    partial.write_text(json.dumps(list(traces)), encoding="utf-8")
    partial.replace(folder / "keys.json")


def load_keys(source_sha256: str) -> list[str] | None:
    """The keys of a kept source, or None when it is not kept."""
    try:
        keys = json.loads((parsed_dir(source_sha256) / "keys.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return keys if isinstance(keys, list) else None


def load_kept(source_sha256: str, key: str) -> Trace | None:
    """One kept trace, or None when the source is not kept, has no such key, or cannot be read back."""
    keys = load_keys(source_sha256)
    if keys is None or key not in keys:
        return None
    try:
        return load(parsed_dir(source_sha256) / f"{keys.index(key)}.parquet")
    except (OSError, ValueError, KeyError, TypeError, UsageError):  # damaged: parse the source again
        return None


def save(path: Path, trace: Trace) -> None:
    """Write one trace as Parquet."""
    facts = {"name": trace.name, "end_s": trace.end_s, "provenance": trace.provenance.as_dict()}
    columns: dict[str, Any]
    if isinstance(trace, BandwidthTrace):
        columns = {"time_s": trace.times_s, "bits_per_s": trace.bits_per_s}
        facts |= {"kind": "bandwidth", "direction": trace.direction}
    elif trace.counts is not None:
        columns = {"count": trace.counts}
        facts |= {"kind": "counts", "bin_s": trace.bin_s}
    else:
        columns = {"time_s": np.asarray(trace.times_s)}
        facts |= {"kind": "instants"}
    write_parquet(path, pa.table(columns), {_META.decode(): json.dumps(facts)})


def load(path: Path) -> Trace:
    """Read back what `save` wrote. Raises UsageError, OSError, ValueError or KeyError when it is not that."""
    table = pq.read_table(path)
    facts: dict[str, Any] = json.loads((table.schema.metadata or {})[_META])
    given = facts["provenance"]
    provenance = replace(Provenance(), **{**given, "transforms": tuple(given["transforms"])})
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    if facts["kind"] == "bandwidth":
        times, rates = columns["time_s"], columns["bits_per_s"]
        return BandwidthTrace(facts["name"], times, rates, facts["end_s"], facts["direction"], provenance)
    if facts["kind"] == "counts":
        counts, bin_s = columns["count"], facts["bin_s"]
        return ArrivalTrace(facts["name"], facts["end_s"], counts=counts, bin_s=bin_s, provenance=provenance)
    return ArrivalTrace(facts["name"], facts["end_s"], times_s=columns["time_s"], provenance=provenance)
