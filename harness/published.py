"""Published latency profiles: the fitted terms, and the measured grids they came from.

Source: the public prototype of Sponge (arXiv:2404.00704), its logs and notebooks. The grids are tail latencies in
milliseconds over batch (rows) and cores (columns); the terms of `yolov5s` are an ordinary least-squares fit to the
measurements cut to whole milliseconds, which the tests recompute.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import unknown_name
from harness.latency import GridCell, LatencyModel

_CORES = (1, 2, 4, 8, 16)

# gamma, delta, epsilon, eta in ms
_TERMS_MS: Mapping[str, tuple[float, float, float, float]] = {
    "yolov5s": (140.4352, 25.2388, -50.8415, 22.1359),
    "yolov5s-nonnegative": (131.46, 28.72, 0.0, 2.43),
    "resnet18": (17.93, 4.91, 48.11, -1.35),
}

# batch -> latency in ms at each of _CORES. YOLOv5s and YOLOv5n: P99. ResNet18: P95; its row for batch 16 is biased
# low at few cores, because those batches were not full.
_GRIDS_MS: Mapping[str, Mapping[int, tuple[float, ...]]] = {
    "yolov5s": {
        1: (151.6, 117.9, 75.7, 57.4, 53.1),
        2: (288.3, 193.6, 137.8, 100.3, 80.1),
        4: (606.4, 382.3, 234.1, 180.4, 145.3),
        8: (1275.4, 835.6, 501.7, 352.9, 262.9),
    },
    "yolov5n": {
        1: (79.2, 58.4, 38.4, 34.6, 29.9),
        2: (135.9, 93.3, 68.0, 52.9, 48.1),
        4: (295.9, 189.4, 114.2, 88.6, 75.5),
        8: (554.5, 367.9, 214.7, 158.7, 149.0),
        16: (1403.8, 880.8, 554.7, 368.5, 307.3),
    },
    "resnet18": {
        1: (46.0, 28.9, 18.0, 12.4, 13.0),
        2: (78.7, 44.7, 27.2, 18.4, 15.0),
        4: (145.4, 82.4, 50.1, 31.4, 26.7),
        8: (287.6, 166.1, 87.9, 57.0, 46.5),
        16: (383.5, 222.2, 189.0, 114.5, 88.1),
    },
}

_GRID_OF = {"yolov5s": "yolov5s", "yolov5s-nonnegative": "yolov5s", "resnet18": "resnet18"}


def published_names() -> tuple[str, ...]:
    """Names `published_model` knows."""
    return tuple(_TERMS_MS)


def published_model(name: str) -> LatencyModel:
    """The published latency model of this name. Raises UsageError with the nearest name."""
    if name not in _TERMS_MS:
        raise unknown_name("published profiles", "profile", name, _TERMS_MS)
    gamma, delta, epsilon, eta = (term / 1e3 for term in _TERMS_MS[name])
    return LatencyModel(gamma, delta, epsilon, eta, name=name, signed=True, grid=published_grid(_GRID_OF[name]))


def published_grid(name: str) -> tuple[GridCell, ...]:
    """The published measurements of this name, batch by batch. Raises UsageError with the nearest name."""
    if name not in _GRIDS_MS:
        raise unknown_name("published profiles", "measured grid", name, _GRIDS_MS)
    return tuple(
        GridCell(batch, float(cores), ms / 1e3)
        for batch, row in _GRIDS_MS[name].items()
        for cores, ms in zip(_CORES, row, strict=True)
    )
