"""The waiting line: requests in the order in which they will be served."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from harness.types import Order

Entry = tuple[float, int, Any]  # key, place of arrival, request (anything with `arrived_s` and `deadline_s`)


class WaitingLine:
    """A priority queue by deadline (`edf`) or arrival (`fifo`); ties go to the request that arrived first.

    edf: whether it is by deadline now.
    """

    def __init__(self, order: Order) -> None:
        self.edf = order == "edf"
        self._serial = 0
        self._heap: list[Entry] = []

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.in_order())

    def in_order(self) -> list[Any]:
        """All requests, the next one first."""
        return [entry[2] for entry in sorted(self._heap)]

    def push(self, request: Any) -> None:
        """Take a request in."""
        self._serial += 1
        key = request.deadline_s if self.edf else 0.0
        heapq.heappush(self._heap, (key, self._serial, request))

    def head(self) -> Any:
        """The request that is served next. The line must not be empty."""
        return self._heap[0][2]

    def pop(self) -> Any:
        """Take out the request that is served next."""
        return heapq.heappop(self._heap)[2]

    def oldest_arrival_s(self) -> float:
        """When the request that has waited longest arrived. Linear; asked only of lines shorter than a batch."""
        return float(min(entry[2].arrived_s for entry in self._heap))

    def reorder(self, order: Order) -> None:
        """Serve in another order from now on; nobody loses their place of arrival."""
        edf = order == "edf"
        if edf == self.edf:
            return
        self.edf = edf
        self._heap = [(r.deadline_s if edf else 0.0, serial, r) for _, serial, r in self._heap]
        heapq.heapify(self._heap)
