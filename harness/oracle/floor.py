"""The floor of one plan: certified core-seconds for any number of misses, from prices of several linear programs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.oracle.certificate import Checker, Proof, any_scaling_core_s
from harness.oracle.foresight import Floats, Foresight, Speeds, Windows, windows_of
from harness.oracle.relaxation import Relaxation
from harness.oracle.slots import Slots, slots_of

MISS_CORE_S = (1.5, 5.0, 20.0)  # prices of a miss: each finds the part of the floor where that is its slope
LEADING_CORE_S = 10.0  # the prices that lead a search


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Prices and what they prove."""

    prices: Floats
    proof: Proof


@dataclass(frozen=True, slots=True, eq=False)
class Proven:
    """What was proven about a plan. fewest_misses: meetable requests no run of one replica serves all the same."""

    offers: tuple[Offer, ...]
    fewest_misses: int

    def best(self, misses: int) -> Offer:
        """The prices that prove most for so many misses of meetable requests."""
        return max(self.offers, key=lambda offer: offer.proof.core_s(misses))

    def core_s(self, misses: int) -> float:
        """Core-seconds no run of one replica with so many misses stays under."""
        return self.best(misses).proof.core_s(misses)


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """One plan under its conditions."""

    foresight: Foresight
    speeds: Speeds
    windows: Windows
    slots: Slots
    relaxation: Relaxation
    checker: Checker

    @classmethod
    def of(cls, foresight: Foresight) -> Floor:
        """The floor of this plan; nothing is solved yet."""
        speeds = Speeds(foresight)
        windows = windows_of(foresight, speeds)
        slots = slots_of(foresight, windows)
        spans = slots.spans(windows)
        relaxation = Relaxation(speeds, slots, spans, slots.present(spans))
        return cls(foresight, speeds, windows, slots, relaxation, Checker(speeds, windows, slots))

    def prices(self, miss_core_s: float = LEADING_CORE_S) -> Floats:
        """What serving a request costs, slot by slot."""
        return self.relaxation.prices(miss_core_s)

    def prove(self, miss_core_s: tuple[float, ...] = MISS_CORE_S) -> Proven:
        """Solve the programs and check what their prices prove."""
        checker, relaxation = self.checker, self.relaxation
        all_prices = [np.zeros(len(self.slots)), *(relaxation.prices(price) for price in miss_core_s)]
        offers = tuple(Offer(prices, checker.prove(prices)) for prices in all_prices)
        return Proven(offers, checker.prove(relaxation.prices(1.0, free=True)).fewest_misses())

    def any_scaling_core_s(self, misses: int) -> float:
        """The floor that holds for several replicas, too."""
        return any_scaling_core_s(self.speeds, self.windows, self.slots, self.foresight.duration_s, misses)
