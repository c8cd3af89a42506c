"""Packet-delivery files of mahimahi and of its Saturator traces: each line is a millisecond at which a packet may go.

Source: Winstein et al., NSDI 2013; Netravali et al., USENIX ATC 2015.
"""

from __future__ import annotations

import numpy as np

from harness.errors import UsageError
from harness.traces.model import BandwidthTrace, Direction
from harness.traces.readers.samples import steady
from harness.traces.source import Column, Source

PACKET_BYTES = 1500
STEP_MS = 100


def read_mahimahi(source: Source) -> BandwidthTrace:
    """Packets of 1,500 bytes counted per 100 ms; a packet at 100 ms belongs to the first step.

    Direction is the file's ending (`.up`, anything else is down). The last step lasts whole, as the trace's period.
    """
    times = Column(source.path)
    previous = 0
    for line, text in source.lines():
        stamp = text.strip()
        if not stamp.isascii() or not stamp.isdigit():
            source.fault(line, f"{stamp[:40]!r}; must be a whole number of milliseconds >= 0")
            continue
        if int(stamp) < previous:
            source.fault(line, f"time {int(stamp)} ms < previous {previous} ms; must be nondecreasing")
            continue
        previous = int(stamp)
        times.append(previous)
    if previous == 0:
        raise UsageError(f"{source.path}: no packet after 0 ms; a trace needs at least one")
    step = np.maximum(np.ceil(np.asarray(times.values) / STEP_MS).astype(np.int64) - 1, 0)
    if step[-1] >= 10_000_000:
        raise UsageError(f"{source.path}: lasts {previous} ms; no trace is so long (are the times milliseconds?)")
    mbps = np.bincount(step) * PACKET_BYTES * 8 / (STEP_MS * 1e3)
    direction: Direction = "up" if source.path.suffix.lower() == ".up" else "down"
    return steady(source, mbps.tolist(), STEP_MS / 1000.0, direction)
