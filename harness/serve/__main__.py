"""The gateway as a program: `python -m harness.serve --host 127.0.0.1 --port 8000 --config JSON`."""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from harness.engine.configured import engine_of
from harness.errors import BenchError, UsageError, bad_value
from harness.oip import ProtocolError
from harness.serve.app import Gateway, ServedModel, changed_settings
from harness.serve.metrics import Metrics
from harness.serve.replicas import HttpReplicas
from harness.serve.station import Station
from harness.settings import from_mapping
from harness.types import EngineSettings

PLACE = "gateway: --config"
KEEPALIVE_S = 3600.0  # clients open their connections before a run and expect them to last


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What the configuration must and may say (docs/protocol.md); only its form is checked with this."""

    model_name: str
    image_shape: tuple[int, int, int]
    default_budget_s: float
    latency: dict[str, Any]
    engine: dict[str, Any] = field(default_factory=dict)
    window_s: float = 5.0
    variant: str = "default"
    stage: str = "main"


def parsed(text: str) -> dict[str, Any]:
    """The configuration from JSON. Raises UsageError naming the key, the value and the rule."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{PLACE}: not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{PLACE}: must be a JSON object")
    checked = from_mapping(GatewayConfig, config, PLACE)
    if min(checked.image_shape) < 1:
        raise bad_value(PLACE, "image_shape", config["image_shape"], "must be three whole numbers > 0")
    if not checked.window_s > 0:
        raise bad_value(PLACE, "window_s", checked.window_s, "must be > 0")
    try:
        changed_settings(EngineSettings(), checked.engine)
    except ProtocolError as error:
        raise UsageError(f"{PLACE}: engine: {error}") from error
    return {"engine": {}, **config}


def gateway(config: Mapping[str, Any]) -> Gateway:
    """The gateway that this configuration (docs/protocol.md) describes."""
    height, width, channels = config["image_shape"]
    model = ServedModel(
        name=config["model_name"],
        image_shape=(height, width, channels),
        variant=config.get("variant", "default"),
        stage=config.get("stage", "main"),
        default_budget_s=config["default_budget_s"],
    )
    engine = engine_of(config)
    replicas = HttpReplicas(model.name, model.image_shape)
    metrics = Metrics(engine)
    return Gateway(model, Station(engine, replicas, metrics.watch), replicas, metrics)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m harness.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--config", required=True, help="JSON, see docs/protocol.md")
    arguments = parser.parse_args()
    try:
        serve(gateway(parsed(arguments.config)).application(), arguments.host, arguments.port)
    except BenchError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def serve(app: web.Application, host: str, port: int) -> None:
    """Answer until told to stop. Raises UsageError when the address is taken."""
    gc.freeze()  # what exists now lives as long as the process; do not walk it again during the run
    raise_file_limit()
    try:
        web.run_app(
            app,
            host=host,
            port=port,
            print=None,
            access_log=None,
            shutdown_timeout=2.0,
            keepalive_timeout=KEEPALIVE_S,
        )
    except OSError as error:
        raise UsageError(f"{host}:{port}: cannot listen there ({error.strerror})") from error


def raise_file_limit() -> None:
    """As many open connections as this process may have: a load generator holds one per request in flight."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
