"""What `sponge-bench traces show` says of a trace, as (name, value) rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.traces.catalogue import datasets, files, slices
from harness.traces.model import BandwidthTrace, Provenance, Trace
from harness.traces.statistics import Statistics
from harness.traces.transforms import resample_arrivals, resample_bandwidth


def origin_rows(name: str, origin: Provenance) -> Iterator[tuple[str, str]]:
    """Where it comes from, what was done to it, what it may be used for, and whom to cite."""
    dataset = datasets().get(origin.dataset)
    if origin.synthetic_because:
        yield (
            "synthetic",
            f"generated from the statistics of {origin.dataset.removeprefix('synthetic-')}; not a measurement",
        )
    if dataset:
        yield "dataset", f"{origin.dataset}: {dataset.title}"
    yield from ((key, value) for key, value in (("file", origin.file), ("sha256", origin.source_sha256)) if value)
    if part := slices().get(name):
        yield "used by", part.used_by
    yield "transforms", "; ".join(origin.transforms) or "none"
    if dataset:
        yield "licence", f"{dataset.licence} (terms: {dataset.terms})"
        yield "citation", dataset.citation
        if dataset.notes:
            yield "notes", dataset.notes
    for file in files():
        if file.sha256 == origin.source_sha256 and file.url:
            yield "address", file.url


def number_rows(trace: Trace, found: Statistics) -> Iterator[tuple[str, str]]:
    """Its statistics."""
    yield "seconds", f"{found.seconds:,.3f}"
    if isinstance(trace, BandwidthTrace):
        steps = trace.steps_s()
        used = "measured downlink; used as uplink it says so in the manifest" if trace.direction == "down" else "uplink"
        yield "direction", used
        yield "steps", f"{len(steps):,} of {steps.min():.3g} to {steps.max():.3g} s"
    else:
        yield (
            "requests",
            f"{trace.requests:,} ({'exact instants' if trace.counts is None else f'counts per {trace.bin_s:g} s'})",
        )
    yield "mean", f"{found.mean:.3f} {found.unit}"
    yield "p5 / p50 / p95", f"{found.p5:.3f} / {found.p50:.3f} / {found.p95:.3f} {found.unit}"
    yield "peak", f"{found.peak:.3f} {found.unit}"
    yield "time at zero", f"{found.zero_share:.2%}"
    yield "1 s correlation", f"{found.correlation_1s:.3f}"


def plotted(trace: Trace) -> list[float]:
    """What a plot shows: Mbit/s of 288 equal parts, or requests/s of every bin."""
    if isinstance(trace, BandwidthTrace):
        return list(resample_bandwidth(trace, [trace.end_s / 288]).bits_per_s / 1e6)
    counted = trace if trace.counts is not None else resample_arrivals(trace, [1.0])
    return list(np.asarray(counted.counts) / counted.bin_s)
