"""Requests and service samples kept as columns and seen as sequences of values.

An observation shows thousands of requests at high rates. As columns they are copied at the speed of lists, and a
policy that can use columns reads them directly; any other iterates over `Queued` values as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

from harness.types import Queued, ServiceSample

T = TypeVar("T")


class _Columns(Sequence[T]):
    """A read-only sequence of values made from columns on demand; equal to any sequence of equal values."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class Requests(_Columns[Queued]):
    """`Queued` values as columns: ids, arrived_s, deadlines_s, all of one length. Nobody may change them."""

    __slots__ = ("arrived_s", "deadlines_s", "ids")

    def __init__(self, ids: Sequence[int], arrived_s: Sequence[float], deadlines_s: Sequence[float]) -> None:
        self.ids = ids
        self.arrived_s = arrived_s
        self.deadlines_s = deadlines_s

    @classmethod
    def of(cls, requests: Sequence[Queued]) -> Requests:
        """The same requests as columns; columns stay what they are."""
        if isinstance(requests, Requests):
            return requests
        return cls([r.id for r in requests], [r.arrived_s for r in requests], [r.deadline_s for r in requests])

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Queued]:
        return map(Queued, self.ids, self.arrived_s, self.deadlines_s)


class Samples(_Columns[ServiceSample]):
    """`ServiceSample` values as columns: batch_sizes, cores, service_s, all of one length."""

    __slots__ = ("batch_sizes", "cores", "service_s")

    def __init__(self, batch_sizes: Sequence[int], cores: Sequence[float], service_s: Sequence[float]) -> None:
        self.batch_sizes = batch_sizes
        self.cores = cores
        self.service_s = service_s

    @classmethod
    def of(cls, samples: Sequence[ServiceSample]) -> Samples:
        """The same samples as columns; columns stay what they are."""
        if isinstance(samples, Samples):
            return samples
        return cls([s.batch_size for s in samples], [s.cores for s in samples], [s.service_s for s in samples])

    def __len__(self) -> int:
        return len(self.batch_sizes)

    def __iter__(self) -> Iterator[ServiceSample]:
        return map(ServiceSample, self.batch_sizes, self.cores, self.service_s)
