"""From plan pieces to arrivals, and from what became of them to rows of requests.parquet, in bounded memory.

Requests are numbered by their place in the plan. A piece of the plan is kept until all its requests have ended; then
its rows go out, ordered by id within the piece.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.plan.columns import Column
from harness.sim.ledger import Ledger
from harness.sim.spec import TwinSpec
from harness.sim.twin import Piece
from harness.tables import REQUESTS

Columns = Mapping[str, Column]
Write = Callable[[pa.Table], None]
Floats = npt.NDArray[np.float64]
_SERVED, _DROPPED = 1, 2


@dataclass(frozen=True, slots=True)
class Named:
    """What all rows of a run share: names of stage and variant."""

    stage: str
    variant: str


@dataclass(slots=True, eq=False)
class _Open:
    """A piece that has requests which have not ended. Columns of results are in the order of arrival."""

    first: int
    plan: Columns
    queued_s: Floats
    columns: dict[str, npt.NDArray[Any]]
    missing: int


class Rows:
    """Feeds a twin and writes its rows. Delays of transport are drawn per request from the spec, in order of sending.

    The plan's pieces must ascend by due_s over all pieces. ended: requests that have ended, by status.
    """

    def __init__(
        self, ledger: Ledger, spec: TwinSpec, named: Named, generator: np.random.Generator, write: Write
    ) -> None:
        self.counts = {"served": 0, "dropped": 0}
        self.violations = 0
        self._ledger = ledger
        self._spec = spec
        self._named = named
        self._generator = generator
        self._write = write
        self._open: list[_Open] = []
        self._names: list[str] = []

    def feed(self, pieces: Iterable[Columns]) -> Iterator[Piece]:
        """Arrivals for the twin; what has ended in between is written before the next piece is taken."""
        first = 0
        for plan in in_order_of_arrival(pieces, self._spec.inbound_s, self._generator):
            self.collect()
            many = len(plan["id"])
            self._open.append(_opened(first, plan))
            # The gateway counts the budget from when it has the request, so its deadline is later by the way in.
            deadline_s = plan["deadline_s"] + (plan["queued_s"] - plan["due_s"])
            yield first, many, array("d", plan["queued_s"].tobytes()), array("d", deadline_s.tobytes())
            first += many

    def collect(self) -> None:
        """Take over what the ledger has, and write every piece that is complete."""
        self._take_served()
        self._take_shed()
        self._ledger.clear()
        while self._open and self._open[0].missing == 0:
            self._write(self._table(self._open.pop(0)))

    def _take_served(self) -> None:
        ledger = self._ledger
        if not ledger.served_ids:
            return
        ids, sizes = np.array(ledger.served_ids), np.array(ledger.sizes)
        values = {
            "started_s": np.repeat(np.array(ledger.started_s), sizes),
            "finished_s": np.repeat(np.array(ledger.finished_s), sizes),
            "batch_id": np.repeat(np.array(ledger.batch_ids), sizes),
            "batch_size": np.repeat(sizes, sizes),
            "cores": np.repeat(np.array(ledger.cores), sizes),
            "replica": np.repeat(self._codes(ledger.replicas), sizes),
        }
        self._put(ids, {**values, "status": np.full(len(ids), _SERVED)})

    def _take_shed(self) -> None:
        ledger = self._ledger
        if ledger.shed_ids:
            values = {"finished_s": np.array(ledger.shed_s), "reason": self._codes(ledger.reasons)}
            self._put(np.array(ledger.shed_ids), {**values, "status": np.full(len(ledger.shed_ids), _DROPPED)})

    def _put(self, ids: npt.NDArray[np.int64], values: Mapping[str, npt.NDArray[Any]]) -> None:
        low, high = int(ids.min()), int(ids.max())
        for piece in self._open:
            end = piece.first + len(piece.queued_s)
            if high < piece.first or low >= end:
                continue
            mine = slice(None) if piece.first <= low and high < end else (piece.first <= ids) & (ids < end)
            at = ids[mine] - piece.first
            for name, column in values.items():
                piece.columns[name][at] = column[mine]
            piece.missing -= len(at)

    def _codes(self, names: list[str]) -> npt.NDArray[np.int64]:
        known = {name: code for code, name in enumerate(self._names)}
        for name in names:
            if name not in known:
                known[name] = len(known)
                self._names.append(name)
        return np.array([known[name] for name in names])

    def _table(self, piece: _Open) -> pa.Table:
        order = np.argsort(piece.plan["id"], kind="stable")
        plan = {name: column[order] for name, column in piece.plan.items()}
        found = {name: column[order] for name, column in piece.columns.items()}
        served = found["status"] == _SERVED
        received_s = found["finished_s"] + _drawn(self._spec.outbound_s, len(order), self._generator)[order]
        self.counts["served"] += int(np.count_nonzero(served))
        self.counts["dropped"] += int(np.count_nonzero(~served))
        self.violations += int(np.count_nonzero(~served | (received_s > plan["deadline_s"])))
        columns: dict[str, Any] = {name: plan[name] for name in ("id", "client", "created_s", "due_s", "deadline_s")}
        columns |= {"dispatched_s": plan["due_s"], "sent_s": plan["due_s"], "queued_s": plan["queued_s"]}
        columns |= {"received_s": received_s, "error": pa.nulls(len(order), pa.string())}
        for name in ("started_s", "finished_s", "batch_id", "batch_size", "cores"):
            columns[name] = pa.array(found[name], REQUESTS.field(name).type, mask=~served)
        columns |= {
            "stage": _words([self._named.stage], np.where(served, 0, 1)),
            "variant": _words([self._named.variant], np.where(served, 0, 1)),
            "replica": _words(self._names, np.where(served, found["replica"], len(self._names))),
            "status": _words(["served", "dropped"], np.where(served, 0, 1)),
            "drop_reason": _words(self._names, np.where(served, len(self._names), found["reason"])),
        }
        return pa.table({name: columns[name] for name in REQUESTS.names}, schema=REQUESTS)


def in_order_of_arrival(
    pieces: Iterable[Columns], inbound_s: tuple[float, ...], generator: np.random.Generator
) -> Iterator[Columns]:
    """The plan with `queued_s`, in that order; a request held up on its way in lets later ones pass."""
    held: Columns | None = None
    for plan in pieces:
        queued_s = plan["due_s"] + _drawn(inbound_s, len(plan["id"]), generator)
        joined = _joined(held, {**plan, "queued_s": queued_s})
        order = np.argsort(joined["queued_s"], kind="stable")
        until_s = plan["due_s"][-1] + min(inbound_s) if len(queued_s) else -np.inf
        ready = int(np.searchsorted(joined["queued_s"], until_s, side="left", sorter=order))
        held = {name: column[order[ready:]] for name, column in joined.items()}
        if ready:
            yield {name: column[order[:ready]] for name, column in joined.items()}
    if held is not None and len(held["id"]):
        yield held


def _joined(one: Columns | None, other: Columns) -> Columns:
    if one is None:
        return other
    return {name: np.concatenate((one[name], other[name])) for name in other}


def _drawn(values_s: tuple[float, ...], many: int, generator: np.random.Generator) -> Floats:
    if len(values_s) == 1:
        return np.full(many, values_s[0])
    return np.asarray(values_s)[generator.integers(len(values_s), size=many)]


def _opened(first: int, plan: Columns) -> _Open:
    many = len(plan["id"])
    kinds: dict[str, Any] = {"started_s": np.nan, "finished_s": np.nan, "cores": np.nan}
    kinds |= {"batch_id": -1, "batch_size": 0, "replica": 0, "reason": 0, "status": 0}
    return _Open(first, plan, plan["queued_s"], {name: np.full(many, value) for name, value in kinds.items()}, many)


def _words(words: list[str], codes: npt.NDArray[np.int64]) -> pa.Array:
    """Text by code; the code after the last word is null."""
    return pa.array([*words, None], pa.string()).take(pa.array(codes))
