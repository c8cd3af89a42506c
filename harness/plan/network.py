"""How long a request is on its way to the server: the only place where upload times come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import UsageError
from harness.plan.spec import PlanSpec
from harness.traces.model import BandwidthTrace, Floats, Ints


def sponge_remaining_s(trace: BandwidthTrace, second: Ints, size_bytes: Ints, slo_s: float) -> Floats:
    """What the Sponge prototype has left of the SLO in each second: its integer formula, one sample per second.

    bandwidth = int(bytes / ms) of row `second`, remaining = int(slo_ms - size / bandwidth) in ms; may be negative,
    and is -inf where the bandwidth is below one byte/ms. Source: the prototype, spec section 2.
    """
    bytes_per_ms = np.floor(trace.bits_per_s[second] / 8000.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.trunc(slo_s * 1000.0 - size_bytes / bytes_per_ms) / 1000.0)


class Uplink:
    """Upload times of requests that come piece by piece, in order of creation.

    traces: the network traces in the order the clients take them; empty when there is no network but the round trip.
    """

    def __init__(self, spec: PlanSpec, traces: Sequence[BandwidthTrace]) -> None:
        self._spec = spec
        self._traces = traces
        self._free_s: dict[int, float] = {}  # per link: when its queue has drained, in trace time

    def times_s(self, created_s: Floats, client: Ints, size_bytes: Ints) -> Floats:
        """Seconds from creation to the server's door; inf for what never arrives."""
        network = self._spec.network
        spent = np.full(len(created_s), network.rtt_s)
        if not self._traces:
            return spent
        begin = created_s + network.start_s
        if network.sharing != "all":
            begin = begin + self._offsets_s()[client]
        which = client % len(self._traces)
        for number, trace in enumerate(self._traces):
            mine = which == number
            spent[mine] += self._transfer_s(trace, begin[mine], client[mine], size_bytes[mine])
        return spent

    def _transfer_s(self, trace: BandwidthTrace, begin_s: Floats, client: Ints, size_bytes: Ints) -> Floats:
        network = self._spec.network
        if network.rule == "sponge-exact":
            return self._sponge_exact(trace, begin_s, size_bytes)
        if network.sharing == "none":
            return trace.transfer_s(begin_s, size_bytes, loop=network.loop)
        return self._queued(
            trace, begin_s, client if network.sharing == "client" else np.zeros_like(client), size_bytes
        )

    def _offsets_s(self) -> Floats:
        clients = self._spec.clients
        return np.array([clients.offset_of(k) for k in range(clients.count)])

    def _sponge_exact(self, trace: BandwidthTrace, begin_s: Floats, size_bytes: Ints) -> Floats:
        row = np.floor(begin_s).astype(np.int64)
        if self._spec.network.loop:
            row %= len(trace.bits_per_s)
        return np.asarray(self._spec.slo_s - sponge_remaining_s(trace, row, size_bytes, self._spec.slo_s))

    def _queued(self, trace: BandwidthTrace, begin_s: Floats, link: Ints, size_bytes: Ints) -> Floats:
        spent = np.empty(len(begin_s))
        for one in np.unique(link).tolist():
            mine = link == one
            free_s = self._free_s.get(one, 0.0)
            if not np.isfinite(free_s):
                spent[mine] = np.inf
                continue
            start = np.maximum(begin_s[mine], free_s)
            end = start + trace.transfer_s(start, size_bytes[mine], loop=self._spec.network.loop, queued=True)
            self._free_s[one] = float(end[-1])
            spent[mine] = end - begin_s[mine]
        return spent


def check_length(spec: PlanSpec, traces: Sequence[BandwidthTrace]) -> None:
    """Raise UsageError when a client would run off the end of a trace that does not loop."""
    if spec.network.loop:
        return
    rows = spec.network.rule == "sponge-exact"
    for client in range(spec.clients.count if traces else 0):
        trace = traces[client % len(traces)]
        offset_s = 0.0 if spec.network.sharing == "all" else spec.clients.offset_of(client)
        has_s = float(len(trace.times_s)) if rows else trace.end_s
        need_s = spec.network.start_s + offset_s + spec.duration_s
        if need_s > has_s + 1e-9:
            what = "has samples for" if rows else "lasts"
            rule = "shorten the run or the offsets, or set network.loop = true"
            raise UsageError(f"{trace.name}: {what} {has_s:g} s; client {client} needs {need_s:g} s of it; {rule}")
