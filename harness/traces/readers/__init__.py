"""Readers: one small function per format, and the table that says which parser name is which function.

A reader of a format with one trace per file returns the trace; a reader of a format with several returns them by key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.traces.model import ArrivalTrace, BandwidthTrace, Trace
from harness.traces.readers.counts import read_counts, read_counts_archive
from harness.traces.readers.drives import read_conext23, read_mn_wild, read_ucc_5g
from harness.traces.readers.fivegophers import read_5gophers
from harness.traces.readers.ghent import read_ghent_json, read_ghent_log
from harness.traces.readers.lumos5g import read_lumos5g
from harness.traces.readers.mahimahi import read_mahimahi
from harness.traces.readers.memu22 import read_memu22
from harness.traces.readers.nyu_mets import read_nyu_mets, read_nyu_multivariate
from harness.traces.readers.plain import read_csv
from harness.traces.readers.requests import (
    read_alibaba_genai,
    read_azure_functions,
    read_azure_llm,
    read_burstgpt,
    read_mooncake,
)
from harness.traces.source import Source

Result = Trace | Mapping[str, BandwidthTrace]
Reader = Callable[[Source], Result]

READERS: Mapping[str, Reader] = {
    "5gophers": read_5gophers,
    "alibaba-genai": read_alibaba_genai,
    "azure-functions": read_azure_functions,
    "azure-llm": read_azure_llm,
    "burstgpt": read_burstgpt,
    "conext23": read_conext23,
    "counts": read_counts,
    "counts-archive": read_counts_archive,
    "csv": read_csv,
    "ghent-json": read_ghent_json,
    "ghent-log": read_ghent_log,
    "lumos5g": read_lumos5g,
    "mahimahi": read_mahimahi,
    "memu22": read_memu22,
    "mn-wild": read_mn_wild,
    "mooncake": read_mooncake,
    "nyu-mets": read_nyu_mets,
    "nyu-multivariate": read_nyu_multivariate,
    "ucc-5g": read_ucc_5g,
}


def read_all(parser: str, source: Source) -> Mapping[str, Trace]:
    """All traces of a file by key; the key of an only trace is "". Raises UsageError for faults in the file."""
    found = READERS[parser](source)
    return {"": found} if isinstance(found, BandwidthTrace | ArrivalTrace) else found


__all__ = ["READERS", "Reader", "read_all"]
