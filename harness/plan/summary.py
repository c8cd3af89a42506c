"""What is in a plan, taken in piece by piece: counts exactly, upload times as quantiles to a tenth of a percent."""

from __future__ import annotations

import numpy as np

from harness.plan.build import PlanPiece
from harness.plan.columns import Digest
from harness.traces.model import Floats, Ints

_EDGES_S = np.concatenate(([0.0], np.geomspace(1e-6, 1e6, 27_632)))  # 0.1 % apart
_SIGNED_EDGES_S = np.concatenate((-_EDGES_S[:0:-1], _EDGES_S))


class PlanSummary:
    """Counts, sha256, and the distributions of upload time and budget of a plan that is never held whole."""

    def __init__(self) -> None:
        self._digest = Digest()
        self._uplinks = np.zeros(len(_EDGES_S) + 1, np.int64)
        self._budgets = np.zeros(len(_SIGNED_EDGES_S) + 1, np.int64)
        self._extremes_s = {"uplink": (np.inf, -np.inf), "budget": (np.inf, -np.inf)}
        self.planned = 0
        self.never_arrived = 0
        self.unmeetable = 0

    def add(self, piece: PlanPiece) -> None:
        """Take in the next rows."""
        columns = piece.columns
        budget_s = columns["deadline_s"] - columns["due_s"]
        self._digest.add(columns)
        self.planned += len(budget_s)
        self.never_arrived += piece.never_arrived
        self.unmeetable += int(np.count_nonzero(budget_s <= 0.0)) + piece.never_arrived
        if len(budget_s):
            _tally(self._uplinks, _EDGES_S, columns["uplink_s"])
            _tally(self._budgets, _SIGNED_EDGES_S, budget_s)
            self._widen("uplink", columns["uplink_s"])
            self._widen("budget", budget_s)

    def _widen(self, what: str, values_s: Floats) -> None:
        least, most = self._extremes_s[what]
        self._extremes_s[what] = (min(least, float(values_s.min())), max(most, float(values_s.max())))

    @property
    def plan_sha256(self) -> str:
        """The same as `Plan.plan_sha256` of the whole."""
        return self._digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """The same as `Plan.counts` of the whole."""
        created = self.planned + self.never_arrived
        return {
            "created": created,
            "planned": self.planned,
            "never_arrived": self.never_arrived,
            "unmeetable": self.unmeetable,
        }

    def uplink_s(self, share: float) -> float:
        """The upload time that this share of the planned requests does not exceed; nan for an empty plan."""
        return self._quantile("uplink", self._uplinks, _EDGES_S, share)

    def budget_s(self, share: float) -> float:
        """The budget at the server's door that this share of the planned requests does not exceed."""
        return self._quantile("budget", self._budgets, _SIGNED_EDGES_S, share)

    def _quantile(self, what: str, tally: Ints, edges_s: Floats, share: float) -> float:
        if self.planned == 0:
            return float("nan")
        least, most = self._extremes_s[what]
        if share <= 0.0:
            return least
        rank = max(1, int(np.ceil(share * self.planned)))
        bin_number = int(np.searchsorted(np.cumsum(tally), rank, side="left"))
        return float(np.clip(edges_s[min(bin_number, len(edges_s) - 1)], least, most))


def _tally(tally: Ints, edges_s: Floats, values_s: Floats) -> None:
    found = np.bincount(np.searchsorted(edges_s, values_s, side="left"), minlength=len(tally))
    tally[: len(found)] += found
