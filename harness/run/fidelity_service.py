"""How long a batch takes in every cell (batch size, cores) a scenario can visit, from what was measured in some.

A queue near its capacity turns an error of 2 % in the service time into 20 % of waiting, and a cell that was met ten
times is known to 10 %. So the level of a cell is that of a smooth model, fitted to all batches with the same number of
threads (a second thread changes the shape of the curve), corrected by the cell's own mean as far as its number of
batches supports. The spread around the level is that of the cell, or of its neighbours as far as it has too few.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from harness.run.fidelity_observed import Cell
from harness.sim.service import distance
from harness.types import threads_for

Times = Mapping[Cell, Sequence[float]]
Floats = npt.NDArray[np.float64]
Weighed = tuple[Cell, float, float]  # mean service time, s, and how many batches it rests on
PRIOR_BATCHES = 20.0  # a profile counts as much as so many batches of a run with as many threads
MISFIT = 0.03  # how far a cell may truly be off the smooth model, relative
ENOUGH_SPREAD = 100  # batches; fewer say too little about a spread
FEWEST_CELLS = 4  # as many as the smooth model has terms


@dataclass(frozen=True, slots=True)
class Level:
    """A smooth model: `terms` of b/c, b, 1/c and 1, s."""

    terms: Floats

    def at(self, cell: Cell) -> float:
        """Its service time, s."""
        return float(_design([cell])[0] @ self.terms)


def service_times(runs: Times, profile: Times, wanted: Iterable[Cell]) -> dict[Cell, tuple[float, ...]]:
    """Equally likely service times of every wanted cell, s, ascending.

    runs: those measured while everything else of a run went on; profile: one batch at a time. Either may be empty, not
    both. A cell's values have the level described above as their mean.
    """
    own = runs or profile
    levels = fitted_levels(runs, profile)
    spread_of = relative_spreads(own)
    shrink = (pooled_sd(spread_of) / MISFIT) ** 2
    found = {}
    for cell in wanted:
        level_s = levels[threads_for(cell[1])].at(cell) if threads_for(cell[1]) in levels else levels[0].at(cell)
        if cell in own:
            count = len(own[cell])
            level_s *= 1.0 + count / (count + shrink) * (float(np.mean(own[cell])) / level_s - 1.0)
        found[cell] = tuple(float(t) for t in np.sort(level_s * spread_near(spread_of, cell)))
    return found


def fitted_levels(runs: Times, profile: Times) -> dict[int, Level]:
    """A smooth model per number of threads with cells enough, and under 0 one of all cells together."""
    seen, known = _weighed(runs), _weighed(profile)
    if not (seen and known):
        return _fits([*seen, *known])
    alone = _fits(known)
    everywhere = _slowdown(seen, alone[0])
    for threads, cells in _by_threads(known).items():
        there = [one for one in seen if threads_for(one[0][1]) == threads]
        by = _slowdown(there, alone.get(threads, alone[0])) if there else everywhere
        share = min(1.0, PRIOR_BATCHES / sum(count for _, _, count in cells))
        seen += [(cell, mean_s * by, count * share) for cell, mean_s, count in cells]
    return _fits(seen)


def _weighed(times: Times) -> list[Weighed]:
    return [(cell, float(np.mean(t)), float(len(t))) for cell, t in times.items()]


def _by_threads(cells: Iterable[Weighed]) -> dict[int, list[Weighed]]:
    groups: defaultdict[int, list[Weighed]] = defaultdict(list)
    for one in cells:
        groups[threads_for(one[0][1])].append(one)
    return groups


def _slowdown(seen: Sequence[Weighed], alone: Level) -> float:
    """Mean of what runs took over what the profile says: the shape of the profile is borrowed, not its level."""
    ratios = [mean_s / alone.at(cell) for cell, mean_s, _ in seen]
    return float(np.average(ratios, weights=[count for _, _, count in seen]))


def _fits(cells: Sequence[Weighed]) -> dict[int, Level]:
    groups = {n: group for n, group in _by_threads(cells).items() if len({c for c, _, _ in group}) >= FEWEST_CELLS}
    return {n: _fit(group) for n, group in {0: cells, **groups}.items()}


def relative_spreads(times: Times) -> dict[Cell, Floats]:
    """Each cell's service times over their mean."""
    return {cell: np.asarray(t, dtype=np.float64) / float(np.mean(t)) for cell, t in times.items()}


def pooled_sd(spreads: Mapping[Cell, Floats]) -> float:
    """The standard deviation within cells, relative, all cells together."""
    squares = sum(float(np.sum((s - 1.0) ** 2)) for s in spreads.values())
    freedom = sum(len(s) - 1 for s in spreads.values())
    return math.sqrt(squares / freedom) if freedom > 0 else 0.0


def spread_near(spreads: Mapping[Cell, Floats], cell: Cell) -> Floats:
    """The spread of a cell: its own, with its nearest neighbours' until there are enough; of mean 1.

    Neighbours with as many threads come first.
    """
    taken: list[Floats] = []
    for near in sorted(
        spreads, key=lambda known: (threads_for(known[1]) != threads_for(cell[1]), distance(known, cell))
    ):
        if sum(map(len, taken)) >= ENOUGH_SPREAD:
            break
        taken.append(spreads[near])
    together: Floats = np.concatenate(taken)
    return together / float(together.mean())


def _fit(cells: Sequence[Weighed]) -> Level:
    mean_s = np.array([m for _, m, _ in cells])
    weights = np.sqrt([n for _, _, n in cells]) / mean_s  # relative errors, each batch counting alike
    terms, _ = nnls(_design([cell for cell, _, _ in cells]) * weights[:, None], mean_s * weights)
    return Level(terms)


def _design(cells: Sequence[Cell]) -> Floats:
    batch, cores = (np.array(column, dtype=np.float64) for column in zip(*cells, strict=True))
    design: Floats = np.stack([batch / cores, batch, 1.0 / cores, np.ones_like(batch)], axis=1)
    return design
