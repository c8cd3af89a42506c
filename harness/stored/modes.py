"""The measures of one scenario, whether they come from a run or from a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.stored.measures import Measures, by_unit, measures_of
from harness.stored.runs import StoredRun, newest_finished
from harness.stored.spread import Unit
from harness.stored.sweeps import ROUTE, measures_in, newest_sweep


@dataclass(frozen=True, slots=True)
class Mode:
    """source: as captions name it. is_sweep: from a sweep, whose rows of requests are not kept."""

    scenario: str
    source: Mapping[str, Any]
    measures: tuple[Measures, ...]
    is_sweep: bool = False

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, in order."""
        return tuple(dict.fromkeys(one.system for one in self.measures))

    def values(self, system: str, name: str) -> dict[Unit, float]:
        """One measure of one system by route and seed; empty when the system did not run."""
        return by_unit(self.measures, system, name)

    def units_text(self) -> str:
        """`5 seeds`, or `34 routes, each the mean of 5 seeds`."""
        seeds, routes = len({m.seed for m in self.measures}), len({m.route for m in self.measures})
        return f"{seeds} seeds" if routes == 1 else f"{routes} routes, each the mean of {seeds} seeds"


def newest_mode(results: Path, scenario: str, *systems: str) -> Mode | None:
    """The newest sweep of a scenario with these systems, or its newest run when there is no such sweep.

    A sweep over anything but routes is of other conditions than the scenario's and does not count.
    """
    sweep = newest_sweep(results, scenario, *systems, within={ROUTE})
    if sweep is not None:
        return Mode(scenario, sweep.source(), measures_in(sweep), is_sweep=True)
    return mode_of_run(newest_finished(results, scenario, *systems))


def mode_of_run(run: StoredRun | None) -> Mode | None:
    """The measures of a run."""
    return None if run is None else Mode(run.scenario, run.source(), measures_of(run))
