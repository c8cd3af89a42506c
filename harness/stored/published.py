"""The published series (results/reference/published/) and the published means for which no series is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.stored.series import Floats

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "reference" / "published"
DURATION_S = 600.0
MOST_CORES = 16.0

# Means of series that are not at hand, cited: first author's plotting data of Sponge, arXiv:2404.00704.
FA2_MEASURED_PERCENT = 2.3125
FA2_PLOTTED_PERCENT = 4.78
STATIC16_PERCENT = 0.0
FA2_RATIO_AFTER_START = 2.3
FA2_START_S = 53


@dataclass(frozen=True, slots=True)
class PublishedSeries:
    """One value per second (violations, per cent) or per adaptation step (cores), in order."""

    sponge_violation_percent: Floats
    static8_violation_percent: Floats
    sponge_cores: Floats
    fa2_replicas: Floats


def read_published(folder: Path = PUBLISHED) -> PublishedSeries:
    """The four series. Raises UsageError when a file is missing, is not two columns, or skips a sample."""
    return PublishedSeries(
        sponge_violation_percent=read_series(folder / "sponge_violation_percent.csv"),
        static8_violation_percent=read_series(folder / "static8_violation_percent.csv"),
        sponge_cores=read_series(folder / "sponge_cores.csv"),
        fa2_replicas=read_series(folder / "fa2_replicas.csv"),
    )


def read_series(path: Path) -> Floats:
    """The second column of a CSV with a header, whose first column counts from 0. Raises UsageError."""
    try:
        table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a series of sample,value: {error}") from error
    if table.shape[1] != 2 or not np.array_equal(table[:, 0], np.arange(len(table))):
        raise UsageError(f"{path}: {table.shape[1]} columns; must be two, the first counting 0, 1, 2 ...")
    values: Floats = table[:, 1]
    return values


def step_times_s(values: Floats, duration_s: float = DURATION_S) -> Floats:
    """Edges in s of a series with one value per adaptation step: equal steps over the run (n + 1)."""
    return np.linspace(0.0, duration_s, len(values) + 1)


def step_of(values: Floats) -> float:
    """The smallest difference between two values that occur: the unit a series is counted in."""
    return float(np.diff(np.unique(values)).min())
