"""From a spec, loaded traces and a seed to a plan. Pure; the same three give the same plan, bit by bit.

Requests come in pieces of bounded size from the arrivals to the last column, so a plan of a hundred million requests
needs no more memory than one of a million. `build_plan` puts the pieces of `stream_plan` together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import UsageError
from harness.plan.arrivals import created
from harness.plan.columns import DTYPES, Column, Plan
from harness.plan.network import Uplink, check_length
from harness.plan.spec import PlanSpec
from harness.traces.model import ArrivalTrace, BandwidthTrace, Trace

Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True, eq=False)
class PlanPiece:
    """The next rows of a plan, in sending order. never_arrived: requests created meanwhile that are not in it."""

    columns: Columns
    never_arrived: int


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
    network = _bandwidth(traces, spec.network.trace)
    if network is not None:
        check_length(spec, network)
    arrivals_seed, clients_seed = np.random.SeedSequence(seed).spawn(2)
    arrivals = _arrivals(traces, spec.arrivals.trace if spec.arrivals.kind == "trace" else "")
    instants = created(spec.arrivals, spec.duration_s, arrivals, arrivals_seed)
    in_order = sorted_by("created_s", (({"created_s": piece.created_s}, piece.until_s) for piece in instants))
    return _rows(spec, in_order, Uplink(spec, network), np.random.default_rng(clients_seed))


def _bandwidth(traces: Mapping[str, Trace], name: str) -> BandwidthTrace | None:
    if not name:
        return None
    trace = traces[name]
    if not isinstance(trace, BandwidthTrace):
        raise UsageError(f"network: trace {name!r} holds arrivals; must be a bandwidth trace")
    return trace


def _arrivals(traces: Mapping[str, Trace], name: str) -> ArrivalTrace | None:
    if not name:
        return None
    trace = traces[name]
    if not isinstance(trace, ArrivalTrace):
        raise UsageError(f"arrivals: trace {name!r} is a bandwidth trace; must hold arrivals")
    return trace


def _rows(
    spec: PlanSpec, instants: Iterable[tuple[Columns, float]], uplink: Uplink, generator: np.random.Generator
) -> Iterator[PlanPiece]:
    """Give each instant its id, client and times, and bring the requests into sending order."""
    never = 0

    def requests() -> Iterator[tuple[Columns, float]]:
        nonlocal never
        first = 0
        for columns, until_s in instants:
            whole = _request_columns(spec, columns["created_s"], first, uplink, generator)
            first += len(columns["created_s"])
            arrives = whole["due_s"] <= spec.duration_s + spec.slo_s
            never += int(np.count_nonzero(~arrives))
            yield {name: column[arrives] for name, column in whole.items()}, until_s

    for columns, _ in sorted_by("due_s", requests()):
        yield PlanPiece(columns, never)
        never = 0


def _request_columns(
    spec: PlanSpec, created_s: Column, first: int, uplink: Uplink, generator: np.random.Generator
) -> Columns:
    """The columns of requests in order of creation. The one place where deadlines are computed."""
    ids = np.arange(first, first + len(created_s), dtype=np.int64)
    if spec.arrivals.kind == "constant":
        client = ids % spec.clients.count
    else:
        client = generator.integers(spec.clients.count, size=len(ids))
    size_bytes = np.full(len(ids), spec.payload_bytes, dtype=np.int64)
    slo_s = np.full(len(ids), spec.slo_s)
    uplink_s = uplink.times_s(created_s, client, size_bytes)
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
