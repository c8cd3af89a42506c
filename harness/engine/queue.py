"""The waiting line: requests in the order in which they will be served."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from harness.types import Order

_ROOM = 64  # places to begin with


class WaitingLine:
    """A priority queue by deadline (`edf`) or arrival (`fifo`); ties go to the request that arrived first.

    Requests are anything with `arrived_s` and `deadline_s`. edf: whether it is by deadline now.
    A binary heap in columns: key, place of arrival, request. No two entries are equal, so neither is the order.
    """

    def __init__(self, order: Order) -> None:
        self.edf = order == "edf"
        self.many = 0
        self._serial = 0
        self._room = _ROOM
        self._keys = array("d", bytes(8 * _ROOM))
        self._serials = array("q", bytes(8 * _ROOM))
        self._requests: list[Any] = [None] * _ROOM

    def __len__(self) -> int:
        return self.many

    def __iter__(self) -> Iterator[Any]:
        return iter(self.in_order())

    def in_order(self) -> list[Any]:
        """All requests, the next one first."""
        many = self.many
        entries = zip(self._keys[:many], self._serials[:many], self._requests[:many], strict=True)
        return [request for _, _, request in sorted(entries)]

    def push(self, request: Any, deadline_s: float) -> None:
        """Take a request in."""
        self._serial += 1
        if self.many == self._room:
            self._make_room()
        self._put(self.many, deadline_s if self.edf else 0.0, self._serial, request)
        self.many += 1

    def head(self) -> Any:
        """The request that is served next. The line must not be empty."""
        return self._requests[0]

    def pop(self) -> Any:
        """Take out the request that is served next."""
        found = self._requests[0]
        last = self.many - 1
        key, serial, request = self._keys[last], self._serials[last], self._requests[last]
        self._requests[last] = None
        self.many = last
        if last:
            self._put(self._hole(), key, serial, request)
        return found

    def oldest_arrival_s(self) -> float:
        """When the request that has waited longest arrived. Linear; asked only of lines shorter than a batch."""
        return float(min(request.arrived_s for request in self._requests[: self.many]))

    def reorder(self, order: Order) -> None:
        """Serve in another order from now on; nobody loses their place of arrival."""
        edf = order == "edf"
        if edf == self.edf:
            return
        self.edf = edf
        many, self.many = self.many, 0
        entries = zip(self._serials[:many], self._requests[:many], strict=True)
        for serial, request in list(entries):
            self._put(self.many, request.deadline_s if edf else 0.0, serial, request)
            self.many += 1

    def _hole(self) -> int:
        """Move the smaller child up, from the top to the bottom; the place this leaves free."""
        keys, serials, requests, many = self._keys, self._serials, self._requests, self.many
        at, child = 0, 1
        while child < many:
            right = child + 1
            if right < many and (
                keys[right] < keys[child] or (keys[right] == keys[child] and serials[right] < serials[child])
            ):
                child = right
            keys[at], serials[at], requests[at] = keys[child], serials[child], requests[child]
            at, child = child, 2 * child + 1
        return at

    def _put(self, at: int, key: float, serial: int, request: Any) -> None:
        """Put an entry at a free place and let it rise to where it belongs."""
        keys, serials, requests = self._keys, self._serials, self._requests
        while at:
            above = (at - 1) // 2
            if keys[above] < key or (keys[above] == key and serials[above] < serial):
                break
            keys[at], serials[at], requests[at] = keys[above], serials[above], requests[above]
            at = above
        keys[at], serials[at], requests[at] = key, serial, request

    def _make_room(self) -> None:
        self._keys = array("d", bytes(self._keys) + bytes(8 * self._room))
        self._serials = array("q", bytes(self._serials) + bytes(8 * self._room))
        self._requests = self._requests + [None] * self._room
        self._room *= 2
