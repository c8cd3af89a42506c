"""What the published ratio of FA2's violations to Sponge's rests on, published and ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.stats.interval import Estimate
from harness.stored.prototype import plotted_term_percent, prototype_violation_percent
from harness.stored.published import (
    DURATION_S,
    FA2_MEASURED_PERCENT,
    FA2_PLOTTED_PERCENT,
    FA2_RATIO_AFTER_START,
    FA2_START_S,
    PublishedSeries,
)
from harness.stored.runs import Cell, StoredRun
from harness.stored.series import Floats
from harness.stored.spread import Unit, mean_of, ratio_of

SPONGE, FA2 = "sponge-prototype", "fa2-prototype"


@dataclass(frozen=True, slots=True)
class Parts:
    """Means over the seconds of one seed, per cent by the prototype's metric: of the whole run and from second 53 on;
    plotted: with the points the plotting script adds."""

    sponge: float
    sponge_later: float
    fa2: float
    fa2_later: float
    fa2_plotted: float


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the decomposition: FA2's violations over Sponge's. cited: the published number, or the mean of FA2
    it is made of, is not computed here, because its series is not at hand. ours: None without a run."""

    name: str
    published: float
    cited: bool
    published_text: str
    ours: Estimate | None
    ours_text: str


def parts_of(run: StoredRun) -> dict[Unit, Parts]:
    """The parts for every seed that has both systems."""
    pairs = {cell.seed: cell for cell in run.of(SPONGE)}
    return {("", fa2.seed): parts(pairs[fa2.seed], fa2) for fa2 in run.of(FA2) if fa2.seed in pairs}


def parts(sponge: Cell, fa2: Cell) -> Parts:
    """The parts of one seed."""
    ours, theirs = (prototype_violation_percent(cell.requests(), cell.duration_s) for cell in (sponge, fa2))
    added = plotted_term_percent(replicas_per_second(fa2))
    return Parts(
        sponge=float(ours.mean()),
        sponge_later=later_mean(ours),
        fa2=float(theirs.mean()),
        fa2_later=later_mean(theirs),
        fa2_plotted=float((theirs + added).mean()),
    )


def later_mean(percent: Floats) -> float:
    """The mean from second 53 on; NaN for a run that ends before."""
    return float(percent[FA2_START_S:].mean()) if len(percent) > FA2_START_S else float("nan")


def replicas_per_second(cell: Cell) -> Floats:
    """Replicas of one core at the end of each second."""
    seconds = np.arange(int(np.ceil(cell.duration_s)))
    return cell.cores().at(np.minimum(seconds + 1.0, cell.duration_s) - 1e-9)


def decomposition(published: PublishedSeries, ours: Mapping[Unit, Parts]) -> tuple[Step, ...]:
    """As plotted, as measured, and without FA2's start: published and ours."""
    sponge = float(published.sponge_violation_percent.mean())
    added = float(plotted_term_percent(published.fa2_replicas).sum()) / DURATION_S
    return (
        Step("as plotted", FA2_PLOTTED_PERCENT / sponge, True,
             f"{FA2_PLOTTED_PERCENT} % (cited mean) / {sponge:.4f} %; the added points, recomputed from the published "
             f"replicas: {added:.2f} (cited means differ by {FA2_PLOTTED_PERCENT - FA2_MEASURED_PERCENT:.2f})",
             *ours_of(ours, "fa2_plotted", "sponge")),
        Step("as measured, without the points the plotting script adds", FA2_MEASURED_PERCENT / sponge, True,
             f"{FA2_MEASURED_PERCENT} % (cited mean) / {sponge:.4f} %", *ours_of(ours, "fa2", "sponge")),
        Step(f"and without FA2's start from one replica (the first {FA2_START_S} s)", FA2_RATIO_AFTER_START, True,
             "cited: FA2's series of violations is not at hand", *ours_of(ours, "fa2_later", "sponge_later")),
    )  # fmt: skip


def ours_of(parts: Mapping[Unit, Parts], above: str, below: str) -> tuple[Estimate | None, str]:
    """Our ratio and the two means it is of."""
    if not parts:
        return None, "no run"
    sides = [{unit: float(getattr(one, name)) for unit, one in parts.items()} for name in (above, below)]
    if any(math.isnan(value) for side in sides for value in side.values()):
        return None, f"the run ends before second {FA2_START_S}"
    over, under = (mean_of(side).value for side in sides)
    if over == under == 0.0:
        return None, "no violations on either side"
    return ratio_of(*sides), f"{over:.3f} % / {under:.3f} %"
