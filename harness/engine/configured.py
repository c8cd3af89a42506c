"""An engine from a gateway's configuration (docs/protocol.md): the same for the gateway and for the twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.engine.engine import Engine
from harness.latency import LatencyModel
from harness.types import EngineSettings

FAST_QUANTILE = 0.05  # a request is hopeless only when even a lucky service time is too slow
WINDOW_S = 5.0


def engine_of(config: Mapping[str, Any]) -> Engine:
    """The engine this configuration describes. Raises UsageError for a bad latency model."""
    latency = LatencyModel.from_dict(config["latency"])
    return Engine(
        EngineSettings(**config["engine"]),
        latency.predict_s,
        lambda batch, cores: latency.predict_quantile_s(batch, cores, FAST_QUANTILE),
        config.get("window_s", WINDOW_S),
    )
