"""What a trace is: a bandwidth over time, or arrivals over time, together with where it came from.

Times are seconds from the trace's own start. A bandwidth trace is piecewise constant: `bits_per_s[k]` holds from
`times_s[k]` to `times_s[k + 1]`, the last step until `end_s`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Direction = Literal["down", "up"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a trace came from and what was done to it; goes into the manifest as a plain dict.

    synthetic_because: empty for measured data; otherwise why a generated trace stands here.
    transforms: what was applied after reading, in order, in the words of `harness.traces.transforms`.
    """

    dataset: str = ""
    file: str = ""
    source_sha256: str = ""
    licence: str = ""
    citation: str = ""
    synthetic_because: str = ""
    transforms: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values."""
        return {**asdict(self), "transforms": list(self.transforms)}

    def then(self, transform: str) -> Provenance:
        """The provenance after one more transform."""
        return replace(self, transforms=(*self.transforms, transform))


class _Sourced:
    """What both kinds of trace say of their origin."""

    __slots__ = ()
    provenance: Provenance

    @property
    def source_sha256(self) -> str:
        """sha256 of the file the trace was read from; empty for a synthetic one."""
        return self.provenance.source_sha256

    @property
    def is_synthetic(self) -> bool:
        """Whether it was generated rather than measured."""
        return bool(self.provenance.synthetic_because)


@dataclass(frozen=True, slots=True, eq=False)
class BandwidthTrace(_Sourced):
    """Bandwidth of a link over time.

    times_s: starts of the steps, shape (n,), strictly increasing, first 0. bits_per_s: shape (n,), finite, >= 0;
    0 is an outage. end_s: end of the last step. direction: the way the bytes went when it was measured.
    Raises UsageError when the arrays break these rules.
    """

    name: str
    times_s: Floats
    bits_per_s: Floats
    end_s: float
    direction: Direction = "down"
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        times, rates = self.times_s, self.bits_per_s
        if len(times) == 0:
            raise UsageError(f"{self.name}: no samples; a trace needs at least one")
        if len(times) != len(rates):
            raise UsageError(f"{self.name}: {len(times)} times but {len(rates)} bandwidths; must be equal in number")
        if times[0] != 0.0 or not np.isfinite(self.end_s):
            raise UsageError(f"{self.name}: runs from {times[0]} to {self.end_s} s; must start at 0 and end")
        if not bool(np.all(np.diff(times, append=self.end_s) > 0.0)):
            raise UsageError(f"{self.name}: times must be increasing, up to the end at {self.end_s} s")
        if not bool(np.all(np.isfinite(rates) & (rates >= 0.0))):
            raise UsageError(f"{self.name}: bandwidths must be finite and >= 0")

    def steps_s(self) -> Floats:
        """How long each step lasts, shape (n,)."""
        return np.asarray(np.diff(self.times_s, append=self.end_s))

    def mean_bits_per_s(self) -> float:
        """Bits carried per second over the whole trace."""
        return float(self.steps_s() @ self.bits_per_s / self.end_s)

    def transfer_s(
        self, start_s: npt.ArrayLike, size_bytes: npt.ArrayLike, *, loop: bool = False, queued: bool = False
    ) -> Floats:
        """Seconds each transfer takes: the bandwidth integrated over the steps, through outages.

        start_s: >= 0, any shape; size_bytes: >= 0, broadcast against it. A transfer that the trace cannot finish
        before it ends takes inf; with `loop` the trace starts over at `end_s`, as often as needed, and only a trace
        without any bandwidth gives inf. With `queued` (start_s one-dimensional and nondecreasing) the transfers share
        the link in order: each begins when the one before it has finished; otherwise each has the link to itself.
        """
        start, size = np.broadcast_arrays(np.asarray(start_s, np.float64), np.asarray(size_bytes, np.float64))
        link = _Link.of(self, loop=loop)
        begun = link.bits_by(start)
        bits = 8.0 * size
        goal = _queue(begun, bits) if queued else begun + bits
        finish: Floats = np.where(bits > 0.0, link.time_of(goal), start)
        return np.asarray(np.maximum(finish - start, 0.0))


@dataclass(frozen=True, slots=True)
class _Link:
    """Bits a trace can have carried by each step's edge, so that both directions are one lookup."""

    edges_s: Floats
    edge_bits: Floats
    bits_per_s: Floats
    loop: bool

    @classmethod
    def of(cls, trace: BandwidthTrace, *, loop: bool) -> _Link:
        carried = np.concatenate(([0.0], np.cumsum(trace.steps_s() * trace.bits_per_s)))
        return cls(np.append(trace.times_s, trace.end_s), carried, trace.bits_per_s, loop)

    def bits_by(self, t_s: Floats) -> Floats:
        """Bits the link can carry from 0 to t."""
        laps = np.floor(t_s / self.edges_s[-1]) if self.loop else np.zeros_like(t_s)
        within = np.minimum(t_s - laps * self.edges_s[-1], self.edges_s[-1])
        step = np.clip(np.searchsorted(self.edges_s, within, side="right") - 1, 0, len(self.bits_per_s) - 1)
        carried = self.edge_bits[step] + (within - self.edges_s[step]) * self.bits_per_s[step]
        return np.asarray(laps * self.edge_bits[-1] + carried)

    def time_of(self, bits: Floats) -> Floats:
        """First time at which the link has carried so many bits; inf when it never does."""
        lap_bits = self.edge_bits[-1]
        if lap_bits == 0.0:
            return np.full_like(bits, np.inf)
        laps = np.maximum(np.ceil(bits / lap_bits) - 1.0, 0.0) if self.loop else np.zeros_like(bits)
        rest = bits - laps * lap_bits
        edge = np.clip(np.searchsorted(self.edge_bits, rest, side="left"), 1, len(self.edge_bits) - 1)
        rate = self.bits_per_s[edge - 1]
        missing = rest - self.edge_bits[edge - 1]
        within = self.edges_s[edge - 1] + np.divide(missing, rate, out=np.zeros_like(rest), where=rate > 0.0)
        if not self.loop:
            within = np.where(rest > lap_bits, np.inf, within)
        return np.asarray(laps * self.edges_s[-1] + within)


def _queue(begun_bits: Floats, bits: Floats) -> Floats:
    """Where on the link's bit count each transfer ends when they go one after the other."""
    before = np.cumsum(bits) - bits
    return np.asarray(before + np.maximum.accumulate(begun_bits - before) + bits)


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalTrace(_Sourced):
    """Requests over time: either exact instants (`times_s`, nondecreasing, >= 0) or counts per bin of `bin_s`.

    Exactly one of the two is given. counts: shape (bins,), >= 0. end_s: length; for counts, bins * bin_s.
    Raises UsageError when the arrays break these rules.
    """

    name: str
    end_s: float
    times_s: Floats | None = None
    counts: Ints | None = None
    bin_s: float = 1.0
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if (self.times_s is None) == (self.counts is None):
            raise UsageError(f"{self.name}: needs either times_s or counts")
        if self.times_s is not None:
            _check_instants(self.name, self.times_s, self.end_s)
        if self.counts is not None and (len(self.counts) == 0 or int(self.counts.min()) < 0):
            raise UsageError(f"{self.name}: counts must be >= 0, and at least one")

    @property
    def requests(self) -> int:
        """How many requests it holds."""
        return int(self.counts.sum()) if self.counts is not None else len(np.asarray(self.times_s))

    def mean_rps(self) -> float:
        """Requests per second over the whole trace."""
        return self.requests / self.end_s


def _check_instants(name: str, times_s: Floats, end_s: float) -> None:
    if len(times_s) == 0:
        raise UsageError(f"{name}: no requests; a trace needs at least one")
    if not np.all(np.isfinite(times_s)) or times_s[0] < 0.0 or bool(np.any(np.diff(times_s) < 0.0)):
        raise UsageError(f"{name}: times must be finite, >= 0 and nondecreasing")
    if not np.isfinite(end_s) or end_s < times_s[-1]:
        raise UsageError(f"{name}: end_s = {end_s}; must not lie before the last request at {times_s[-1]} s")


Trace = BandwidthTrace | ArrivalTrace
