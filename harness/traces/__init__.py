"""Real workloads and networks: values, readers, catalogue, and the way from a name to a trace."""

from harness.traces.library import load_trace
from harness.traces.model import ArrivalTrace, BandwidthTrace, Provenance, Trace
from harness.traces.readers import read_ghent_json, read_ghent_log

__all__ = [
    "ArrivalTrace",
    "BandwidthTrace",
    "Provenance",
    "Trace",
    "load_trace",
    "read_ghent_json",
    "read_ghent_log",
]
