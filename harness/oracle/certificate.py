"""The proof of a floor, checked in exact arithmetic: a price for work in every slot, and what follows from it.

Claim. Let p(t) >= 0 be any price per request served at time t, constant in slots. Take any run of one replica in the
twin, of any policy and any engine settings, on a plan with windows w_1 .. w_n (see `Windows`), that misses at most m
of them. Then the core-seconds granted to it are at least

    (sum over i of pi_i) - (the m largest pi_i) + (sum over stretches of the least, over core counts a, of
        the sum over the stretch's slots k of length_k * (cost_k(a) - p_k * rate_k(a)))

with pi_i the least price in window i, and rate_k(a) the highest throughput that a cores allow with the requests
present in slot k (`Speeds`).

Proof. A request that is met is served by one batch within its window: it is there before the batch begins and the
batch ends before its deadline. While the batch runs with speed s, let the request advance by 1 / l(b, s) per second;
the twin ends a batch exactly when that adds up to 1, also when its speed changes on the way. At every instant one
batch runs at most. If j of its b requests are met, they advance together by j / l(b, s) <= rate(a), a the cores in
force, because s <= a, b >= j, and all j are present. So, with w(t) that joint advance,

    granted = int granted - p*w dt + int p*w dt >= int granted(t) - p(t) * rate(a(t), t) dt + (sum over the met of pi_i)

The last term is at least the sum over all less the m largest. Of the first: decisions fall on ticks, and a change is
in force `slowest_change_s` after its tick at the latest. Let a be what is in force when the change at the beginning of
a stretch has settled. It stays in force until the next tick, and from the request on granted is at least a (a growing
change is charged at once, a shrinking one when it is in force). Until then what is in force may be larger, and is
charged: cost_k(a) - p_k * rate_k(a) is then the least over all core counts from a on. After the end of the plan cost
is 0. Taking the least over a for each stretch gives the claim. Nothing was assumed about p: any prices give a floor,
good ones a high floor. The linear program of `harness.oracle.relaxation` only finds good ones, so neither its
tolerances nor its solver are trusted.

Replicas. A run with several replicas, all within the grid, has w <= best * (cores granted), best being the highest
throughput per core; with a price of at most 1 / best, granted - p*w >= granted * (1 - p * best) >= min_cores *
(1 - p * best), since at least one replica of min_cores is granted throughout. See `any_scaling_core_s`.

Misses. The met requests satisfy (sum over them of pi_i) <= (sum over slots of p_k * length_k * rate_k(all cores)); the
least m for which (sum of all pi_i) - (the m largest) satisfies it is a floor for the misses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from harness.errors import CheckError
from harness.oracle.foresight import Floats, Speeds, Windows
from harness.oracle.slots import Slots

ROUNDING = 1e-9  # relative; what rounded event times (1e-13 s) can add to the advance of a batch


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """Prices per slot (core-seconds per request, >= 0) and the floor they are said to prove for so many misses."""

    prices: Floats
    misses: int
    core_s: float


class Checker:
    """What prices prove about one plan. All sums are exact."""

    def __init__(self, speeds: Speeds, windows: Windows, slots: Slots) -> None:
        self._speeds = speeds
        self._slots = slots
        self._spans = slots.spans(windows)
        self._present = slots.present(self._spans)
        self._lengths_s = [Fraction(float(b)) - Fraction(float(a)) for a, b in pairwise(slots.borders_s)]
        self._rates = [[_up(rate) for rate in rates] for rates in speeds.rates_rps]
        self._cores = [Fraction(cores) for cores in speeds.cores]

    def prove(self, prices: Floats) -> Proof:
        """The floor these prices prove. Raises CheckError for prices that are not finite and >= 0, one per slot."""
        if len(prices) != len(self._slots) or not np.all(np.isfinite(prices)) or np.any(prices < 0):
            raise CheckError(f"certificate: {len(prices)} prices; must be {len(self._slots)} finite numbers >= 0")
        worth = sorted((Fraction(p) for p in self._worth(prices).tolist()), reverse=True)
        exact = [Fraction(p) for p in prices.tolist()]
        return Proof(self._base(exact), self._capacity(exact), tuple(worth))

    def verify(self, certificate: Certificate) -> None:
        """Raise CheckError when the prices prove less than the certificate says."""
        proven = self.prove(certificate.prices).core_s(certificate.misses)
        if proven < certificate.core_s:
            raise CheckError(
                f"certificate: the prices prove {proven!r} core-seconds for {certificate.misses} misses; it says "
                f"{certificate.core_s!r}"
            )

    def _worth(self, prices: Floats) -> Floats:
        """The least price in each window."""
        first, last = self._spans
        worth = prices[first] if len(first) else np.zeros(0)
        for ahead in range(1, int((last - first).max(initial=0)) + 1):
            worth = np.minimum(worth, prices[np.minimum(first + ahead, last)])
        return worth

    def _base(self, prices: Sequence[Fraction]) -> Fraction:
        stretches: dict[int, list[Fraction]] = {}
        total = Fraction(0)
        for slot, stretch in enumerate(self._slots.stretch.tolist()):
            values = self._values(slot, prices[slot], free=stretch < 0)
            if stretch < 0:
                total += min(values)
            elif stretch in stretches:
                stretches[stretch] = [a + b for a, b in zip(stretches[stretch], values, strict=True)]
            else:
                stretches[stretch] = values
        return total + sum((min(values) for values in stretches.values()), Fraction(0))

    def _values(self, slot: int, price: Fraction, *, free: bool) -> list[Fraction]:
        """Cost less earnings in a slot, per core count."""
        length_s, present = self._lengths_s[slot], min(int(self._present[slot]), self._speeds.max_batch)
        values = [
            length_s * ((0 if free else cores) - price * rates[present])
            for cores, rates in zip(self._cores, self._rates, strict=True)
        ]
        if self._slots.moving[slot]:
            for level in range(len(values) - 2, -1, -1):
                values[level] = min(values[level], values[level + 1])
        return values

    def _capacity(self, prices: Sequence[Fraction]) -> Fraction:
        total = Fraction(0)
        for slot, price in enumerate(prices):
            if price:
                present = min(int(self._present[slot]), self._speeds.max_batch)
                total += price * self._lengths_s[slot] * max(rates[present] for rates in self._rates)
        return total


@dataclass(frozen=True, slots=True)
class Proof:
    """base: the part of the floor that does not depend on who is served. capacity: what all cores could earn at these
    prices. worth: what each request pays at least, largest first."""

    base: Fraction
    capacity: Fraction
    worth: tuple[Fraction, ...]

    def core_s(self, misses: int) -> float:
        """Core-seconds no run with so many misses stays under; rounded down."""
        return _down(self.base + sum(self.worth[max(0, misses) :], Fraction(0)))

    def fewest_misses(self) -> int:
        """Misses no run stays under, whatever it costs."""
        left, misses = sum(self.worth, Fraction(0)), 0
        while left > self.capacity:
            left -= self.worth[misses]
            misses += 1
        return misses


def any_scaling_core_s(speeds: Speeds, windows: Windows, slots: Slots, duration_s: float, misses: int) -> float:
    """A floor that also holds for systems with several replicas: only efficiency and the smallest allocation count.

    The better of two prices, 0 and 1 / best: min_cores throughout, and every request at the best throughput per core.
    """
    per_core = max(
        _up(rates[-1]) / Fraction(cores) for rates, cores in zip(speeds.rates_rps, speeds.cores, strict=True)
    )
    spans = slots.spans(windows)
    paid = int(np.count_nonzero(slots.stretch[spans[1]] >= 0)) if len(windows) else 0
    least = Fraction(speeds.cores[0]) * Fraction(duration_s)
    return _down(max(least, max(0, paid - misses) / per_core))


def _up(rate: float) -> Fraction:
    return Fraction(math.nextafter(rate * (1 + ROUNDING), math.inf))


def _down(value: Fraction) -> float:
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)
