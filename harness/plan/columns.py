"""The plan as columns: what is replayed, in the order it is sent, and what is known of what is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.tables import PLAN
from harness.types import Request

Column = npt.NDArray[Any]
DTYPES: Mapping[str, np.dtype[Any]] = {column.name: np.dtype(column.type.to_pandas_dtype()) for column in PLAN}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Requests in the order they are sent: by due_s, ties by id. Ids count from 0 in order of creation.

    columns: by the names of `harness.tables.PLAN`, all of one length. never_arrived: requests that were created but
    whose upload ends after `end_s` (or never), so nothing of them can be replayed; their ids are missing here. Every
    one of them was beyond its SLO before any server could see it.
    end_s: duration_s + slo_s, the last instant at which an upload may end.
    """

    columns: Mapping[str, Column]
    never_arrived: int
    end_s: float
    seed: int

    def __len__(self) -> int:
        return len(self.columns["id"])

    @property
    def due_s(self) -> npt.NDArray[np.float64]:
        """When each request is to be sent to the server, nondecreasing."""
        return self.columns["due_s"]

    @property
    def unmeetable(self) -> int:
        """Requests no server could answer in time: those that arrive at or after their deadline, or never."""
        late = self.columns["due_s"] >= self.columns["deadline_s"]
        return int(np.count_nonzero(late)) + self.never_arrived

    def to_table(self) -> pa.Table:
        """The plan as a table of exactly the schema PLAN."""
        return pa.table([pa.array(self.columns[name]) for name in PLAN.names], schema=PLAN)

    @classmethod
    def from_table(cls, table: pa.Table, *, never_arrived: int, end_s: float, seed: int) -> Plan:
        """The plan that `to_table` wrote."""
        columns = {name: table.column(name).to_numpy() for name in PLAN.names}
        return cls(columns, never_arrived, end_s, seed)

    def requests(self) -> Iterator[Request]:
        """One value per row, in sending order."""
        rows = zip(*(self.columns[name].tolist() for name in PLAN.names), strict=True)
        return (Request(*row) for row in rows)

    @property
    def plan_sha256(self) -> str:
        """sha256 over the columns: the same plan has the same, wherever and however it was built."""
        digest = Digest()
        digest.add(self.columns)
        return digest.hexdigest()

    def peak_in_flight(self, horizon_s: float) -> int:
        """The most requests due within any window of `horizon_s`: in flight at once if each took that long."""
        if len(self) == 0:
            return 0
        due = self.due_s
        oldest = np.searchsorted(due, due - horizon_s, side="right")
        return int(np.max(np.arange(1, len(due) + 1) - oldest))

    def counts(self) -> dict[str, int]:
        """created = planned + never_arrived; unmeetable is a part of created. For the manifest."""
        return {
            "created": len(self) + self.never_arrived,
            "planned": len(self),
            "never_arrived": self.never_arrived,
            "unmeetable": self.unmeetable,
        }


class Digest:
    """sha256 of a plan whose rows come in pieces: per column over its little-endian bytes, then over the columns."""

    def __init__(self) -> None:
        self._columns = {name: hashlib.sha256() for name in PLAN.names}

    def add(self, columns: Mapping[str, Column]) -> None:
        """Take in the next rows."""
        for name, digest in self._columns.items():
            digest.update(np.ascontiguousarray(columns[name], DTYPES[name].newbyteorder("<")).data)

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        whole = hashlib.sha256()
        for name, digest in self._columns.items():
            whole.update(name.encode() + b"\0" + digest.digest())
        return whole.hexdigest()
