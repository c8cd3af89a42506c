"""An engine from a gateway's configuration (docs/protocol.md): the same for the gateway and for the twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.engine.engine import Engine
from harness.engine.routing import Choose, RoutedCore
from harness.latency import LatencyModel
from harness.types import EngineSettings

FAST_QUANTILE = 0.05  # a request is hopeless only when even a lucky service time is too slow
WINDOW_S = 5.0


def engine_of(config: Mapping[str, Any], choose: Choose | None = None) -> Engine:
    """The engine this configuration describes. Raises UsageError for a bad latency model.

    choose: gives every request to a replica when it arrives; None for one line that all replicas share.
    """
    latency = LatencyModel.from_dict(config["latency"])
    settings, window_s = EngineSettings(**config["engine"]), config.get("window_s", WINDOW_S)

    def fastest_s(batch: int, cores: float) -> float:
        return latency.predict_quantile_s(batch, cores, FAST_QUANTILE)

    engine = Engine(settings, latency.predict_s, fastest_s, window_s)
    if choose is not None:
        engine.core = RoutedCore(settings, latency.predict_s, fastest_s, window_s, choose)
    return engine
