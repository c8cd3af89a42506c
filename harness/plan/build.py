"""From a spec, loaded traces and a seed to a plan. Pure; the same three give the same plan, bit by bit.

Requests come in pieces of bounded size from the arrivals to the last column, so a plan of a hundred million requests
needs no more memory than one of a million. `build_plan` puts the pieces of `stream_plan` together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from harness.errors import UsageError
from harness.plan.arrivals import created
from harness.plan.columns import DTYPES, Column, Plan
from harness.plan.network import Uplink, check_length
from harness.plan.spec import PlanSpec
from harness.tables import PLAN
from harness.traces.model import ArrivalTrace, BandwidthTrace, Trace
from harness.traces.transforms import apply_transforms

Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True, eq=False)
class PlanPiece:
    """The next rows of a plan, in sending order. never_arrived: requests created meanwhile that are not in it."""

    columns: Columns
    never_arrived: int

    def to_table(self) -> pa.Table:
        """The rows as a table of exactly the schema PLAN."""
        return pa.table([pa.array(self.columns[name]) for name in PLAN.names], schema=PLAN)


def build_plan(spec: PlanSpec, traces: Mapping[str, Trace], seed: int) -> Plan:
    """The whole plan. traces: by the names of `spec.trace_names()`. Raises UsageError as `stream_plan` does."""
    pieces = list(stream_plan(spec, traces, seed))
    columns = {name: np.concatenate([piece.columns[name] for piece in pieces]) for name in DTYPES}
    never = sum(piece.never_arrived for piece in pieces)
    return Plan(columns, never, spec.duration_s + spec.slo_s, seed)


def stream_plan(spec: PlanSpec, traces: Mapping[str, Trace], seed: int) -> Iterator[PlanPiece]:
    """The plan in pieces of some hundred thousand requests, at least one, memory bounded.

    Raises UsageError for a spec that breaks its rules, a trace of the wrong kind, or one too short for the run.
    """
    spec.validate("plan")
    network, arrivals = network_traces(spec, traces), arrival_trace(spec, traces)
    check_length(spec, network)
    arrivals_seed, clients_seed = np.random.SeedSequence(seed).spawn(2)
    instants = created(spec.arrivals, spec.duration_s, arrivals, arrivals_seed)
    in_order = sorted_by("created_s", (({"created_s": piece.created_s}, piece.until_s) for piece in instants))
    return _Requests(spec, Uplink(spec, network), np.random.default_rng(clients_seed)).pieces(in_order)


def network_traces(spec: PlanSpec, traces: Mapping[str, Trace]) -> list[BandwidthTrace]:
    """The network traces in the order the clients take them, transforms done. Raises UsageError for another kind."""
    found = []
    for name in spec.network.names():
        trace = apply_transforms(traces[name], spec.network.transforms, "network")
        if not isinstance(trace, BandwidthTrace):
            raise UsageError(f"network: trace {name!r} holds arrivals; must be a bandwidth trace")
        found.append(trace)
    return found


def arrival_trace(spec: PlanSpec, traces: Mapping[str, Trace]) -> ArrivalTrace | None:
    """The trace of arrivals, transforms done, or None for generated ones. Raises UsageError for another kind."""
    if spec.arrivals.kind != "trace":
        return None
    trace = apply_transforms(traces[spec.arrivals.trace], spec.arrivals.transforms, "arrivals")
    if not isinstance(trace, ArrivalTrace):
        raise UsageError(f"arrivals: trace {spec.arrivals.trace!r} is a bandwidth trace; must hold arrivals")
    return trace


def describe_traces(spec: PlanSpec, traces: Mapping[str, Trace]) -> list[dict[str, Any]]:
    """For the manifest: every trace with its role, origin and transforms, and what must be said about its use."""
    arrivals = arrival_trace(spec, traces)
    found = [_described("arrivals", spec.arrivals.trace, arrivals)] if arrivals else []
    for name, trace in zip(spec.network.names(), network_traces(spec, traces), strict=True):
        row = _described("network", name, trace)
        row["direction"] = trace.direction
        if trace.direction == "down":
            row["note"] = "measured downlink, used as uplink"
        found.append(row)
    return found


def _described(role: str, asked_for: str, trace: Trace) -> dict[str, Any]:
    return {"role": role, "asked_for": asked_for, "name": trace.name, **trace.provenance.as_dict()}


class _Requests:
    """Gives each instant its id, client and times, and brings the requests into sending order."""

    def __init__(self, spec: PlanSpec, uplink: Uplink, generator: np.random.Generator) -> None:
        self._spec = spec
        self._uplink = uplink
        self._generator = generator
        self._payloads = np.array([spec.payload_of(k) for k in range(spec.clients.count)], np.int64)
        self._created = 0
        self._never_arrived = 0

    def pieces(self, instants: Iterable[tuple[Columns, float]]) -> Iterator[PlanPiece]:
        """The plan's pieces; each counts what was left out since the one before."""
        for columns, _ in sorted_by("due_s", self._arriving(instants)):
            never, self._never_arrived = self._never_arrived, 0
            yield PlanPiece(columns, never)

    def _arriving(self, instants: Iterable[tuple[Columns, float]]) -> Iterator[tuple[Columns, float]]:
        for columns, until_s in instants:
            whole = self._columns(columns["created_s"])
            arrives = whole["due_s"] <= self._spec.duration_s + self._spec.slo_s
            self._never_arrived += int(np.count_nonzero(~arrives))
            yield _take(whole, arrives), until_s

    def _columns(self, created_s: Column) -> Columns:
        """All columns of requests in order of creation. The one place where deadlines are computed."""
        spec, many = self._spec, len(created_s)
        ids = np.arange(self._created, self._created + many, dtype=np.int64)
        self._created += many
        if spec.arrivals.kind == "constant":
            client = ids % spec.clients.count
        else:
            client = self._generator.integers(spec.clients.count, size=many)
        size_bytes, slo_s = self._payloads[client], np.full(many, spec.slo_s)
        uplink_s = self._uplink.times_s(created_s, client, size_bytes)
        if not spec.network.delays:
            created_s = created_s - np.where(np.isfinite(uplink_s), uplink_s, 0.0)
        columns = {"id": ids, "client": client, "created_s": created_s, "due_s": created_s + uplink_s}
        columns |= {"payload_bytes": size_bytes, "uplink_s": uplink_s, "slo_s": slo_s, "deadline_s": created_s + slo_s}
        return {name: np.asarray(columns[name], dtype) for name, dtype in DTYPES.items()}


def sorted_by(key: str, pieces: Iterable[tuple[Columns, float]]) -> Iterator[tuple[Columns, float]]:
    """The same rows in order of `key`, ties in the order they came. Each piece comes with a bound that no later row's
    key lies below, so only rows beyond it are held back.
    """
    held: Columns | None = None
    for columns, until in pieces:
        joined = columns if held is None else _join(held, columns)
        order = np.argsort(joined[key], kind="stable")
        ready = int(np.searchsorted(joined[key], until, side="left", sorter=order))
        held = _take(joined, order[ready:])
        yield _take(joined, order[:ready]), until
    if held is not None:
        yield held, np.inf


def _take(columns: Columns, rows: Column) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def _join(one: Columns, other: Columns) -> Columns:
    return {name: np.concatenate((one[name], other[name])) for name in one}
