"""What the claims are judged by: the published series, and measures of stored runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.claims.decomposition import Parts, parts_of
from harness.stats.interval import Estimate
from harness.stored.modes import Mode, mode_of_run, newest_mode
from harness.stored.prototype import first_collapse_s, prototype_violation_percent
from harness.stored.published import PublishedSeries, read_published
from harness.stored.runs import StoredRun, newest_finished, run_command
from harness.stored.spread import Unit, mean_difference_of, mean_of, mean_of_share, ratio_of

PAPER, HONEST, MIXED = "paper-eval", "honest-eval", "mixed-eval"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. A mode without a stored run is None. parts: of the ratio to FA2, per seed of the published set-up.

    collapse_s: per seed, from when static 8 violates for good, by the prototype's metric; absent when it recovers.
    """

    published: PublishedSeries
    paper: Mode | None
    honest: Mode | None
    mixed: Mode | None
    parts: Mapping[Unit, Parts]
    collapse_s: Mapping[Unit, float]

    def sources(self) -> tuple[Mapping[str, Any], ...]:
        """The runs and sweeps behind it."""
        return tuple(mode.source for mode in (self.paper, self.honest, self.mixed) if mode is not None)

    def not_run(self) -> tuple[str, ...]:
        """The commands that make what is not there."""
        modes = {PAPER: self.paper, HONEST: self.honest, MIXED: self.mixed}
        return tuple(run_command(scenario) for scenario, mode in modes.items() if mode is None)


def gather(results: Path) -> Evidence:
    """Read what there is: the newest valid run of each scenario, or its newest sweep when that is what it has."""
    paper = newest_finished(results, PAPER, "sponge-prototype")
    return Evidence(
        published=read_published(),
        paper=mode_of_run(paper),
        honest=newest_mode(results, HONEST, "sponge"),
        mixed=newest_mode(results, MIXED, "sponge", "sponge-fifo"),
        parts=parts_of(paper) if paper else {},
        collapse_s=collapses(paper) if paper else {},
    )


def collapses(run: StoredRun) -> dict[Unit, float]:
    """When static 8 begins to violate for good, s, per seed in which it does."""
    found = {}
    for cell in run.of("static-8"):
        since_s = first_collapse_s(prototype_violation_percent(cell.requests(), cell.duration_s))
        if since_s is not None:
            found["", cell.seed] = since_s
    return found


def mean(mode: Mode | None, system: str, name: str) -> Estimate | None:
    """The mean of a measure over units; None when there are no data."""
    values = mode.values(system, name) if mode else {}
    return mean_of_share(values) if values else None


def ratio(mode: Mode | None, above: str, below: str, name: str) -> Estimate | None:
    """A measure of one system over that of another; None when one of them did not run."""
    sides = [mode.values(system, name) if mode else {} for system in (above, below)]
    return ratio_of(*sides) if sides[0].keys() & sides[1].keys() else None


def gain(mode: Mode | None, without: str, with_it: str, name: str) -> Estimate | None:
    """A measure of one system minus that of another, paired; None when one of them did not run."""
    sides = [mode.values(system, name) if mode else {} for system in (without, with_it)]
    return mean_difference_of(*sides) if sides[0].keys() & sides[1].keys() else None


def saving_percent(mode: Mode | None, system: str, reference: str) -> Estimate | None:
    """How many fewer cores a system takes than another, per cent of the other's, paired."""
    sides = [mode.values(name, "mean_cores") if mode else {} for name in (system, reference)]
    both = sides[0].keys() & sides[1].keys()
    return mean_of({unit: 100.0 * (1.0 - sides[0][unit] / sides[1][unit]) for unit in both}) if both else None


def middle(values: Mapping[Unit, float]) -> float | None:
    """The median; None when there are none."""
    return float(np.median(list(values.values()))) if values else None
