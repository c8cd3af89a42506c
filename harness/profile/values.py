"""What a profile is: samples, the model fitted to them, and where they were taken."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from typing import Any

import numpy as np

from harness.fit import FitQuality, fit_nnls, quality, residual_quantiles
from harness.latency import GridCell, LatencyModel
from harness.profile.grid import Grid

PROFILE_VERSION = 2
MUCH_OTHER_CORES = 0.4  # gateway and probe together stay well below this
Cell = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch as it was served. `service_s` is dispatch to answer at the gateway; the replica reports the rest."""

    batch: int
    cores: float
    threads: int
    service_s: float
    preprocess_s: float
    compute_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A measured latency grid and its model.

    identity: what it depends on: host, model, backend, limiter, image. skipped: cells (batch, cores) left out because
    they would take longer than the grid allows. other_cores: mean cores this host spent on anything but the replica
    meanwhile: gateway and probe, and whatever else ran.
    """

    name: str
    identity: Mapping[str, str]
    grid: Grid
    samples: tuple[Sample, ...]
    skipped: tuple[Cell, ...]
    latency: LatencyModel
    measured_utc: str
    took_s: float
    other_cores: float

    @property
    def disturbed(self) -> bool:
        """Whether so much else ran on this host that the profile should not be trusted."""
        return self.other_cores > MUCH_OTHER_CORES

    @property
    def quality(self) -> FitQuality:
        """How well the model describes the measured medians."""
        return quality(self.latency, self.latency.grid)

    def to_json(self) -> dict[str, Any]:
        """Plain values; samples as rows under `columns`. `from_json` gives an equal profile back."""
        grid = {**asdict(self.grid), "budget_s": None if np.isinf(self.grid.budget_s) else self.grid.budget_s}
        return {
            "version": PROFILE_VERSION,
            "name": self.name,
            "identity": dict(self.identity),
            "grid": grid,
            "measured_utc": self.measured_utc,
            "took_s": self.took_s,
            "other_cores": self.other_cores,
            "latency": self.latency.to_dict(),
            "skipped": [list(cell) for cell in self.skipped],
            "columns": [field.name for field in fields(Sample)],
            "samples": [list(astuple(sample)) for sample in self.samples],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Profile:
        """The inverse of `to_json`; the model is fitted anew. Raises KeyError, TypeError or ValueError."""
        grid = dict(values["grid"])
        grid |= {"cores": tuple(grid["cores"]), "batches": tuple(grid["batches"])}
        grid["budget_s"] = float("inf") if grid["budget_s"] is None else grid["budget_s"]
        samples = tuple(Sample(**dict(zip(values["columns"], row, strict=True))) for row in values["samples"])
        return cls(
            name=values["name"],
            identity=dict(values["identity"]),
            grid=Grid(**grid),
            samples=samples,
            skipped=tuple((batch, cores) for batch, cores in values["skipped"]),
            latency=fit_samples(samples, values["name"]),
            measured_utc=values["measured_utc"],
            took_s=values["took_s"],
            other_cores=values["other_cores"],
        )


def identity_key(identity: Mapping[str, str]) -> str:
    """A short name for an identity."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]


def by_cell(samples: Sequence[Sample]) -> dict[Cell, list[float]]:
    """Service times by (batch, cores), cells in order."""
    cells: defaultdict[Cell, list[float]] = defaultdict(list)
    for sample in samples:
        cells[sample.batch, sample.cores].append(sample.service_s)
    return dict(sorted(cells.items()))


def fit_samples(samples: Sequence[Sample], name: str) -> LatencyModel:
    """The model of the cells' medians, with the samples' spread around it. Raises UsageError for too small a grid.

    Medians, because a few samples per cell are all a quick profile has, and one interrupted batch among five would
    move a mean by a fifth. What the median leaves out is in the quantile ratios.
    """
    cells = by_cell(samples)
    grid = [GridCell(batch, cores, float(np.median(times))) for (batch, cores), times in cells.items()]
    model = fit_nnls(grid, name)
    levels, ratios = residual_quantiles(model, cells)
    return replace(model, quantile_levels=levels, quantile_ratios=ratios)
