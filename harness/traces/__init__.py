"""Real workloads and networks: values, readers, catalogue, and the way from a name to a trace."""

from harness.traces.library import load_trace
from harness.traces.model import ArrivalTrace, BandwidthTrace, Provenance, Trace

__all__ = [
    "ArrivalTrace",
    "BandwidthTrace",
    "Provenance",
    "Trace",
    "load_trace",
]
