"""The gateway as a program: `python -m harness.serve --host 127.0.0.1 --port 8000 --config JSON`."""

from __future__ import annotations

import argparse
import gc
import json
import resource
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from harness.engine.configured import engine_of
from harness.serve.app import Gateway, ServedModel
from harness.serve.metrics import Metrics
from harness.serve.replicas import HttpReplicas
from harness.serve.station import Station

KEEPALIVE_S = 3600.0  # clients open their connections before a run and expect them to last


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
    app = gateway(json.loads(arguments.config)).application()
    gc.freeze()  # what exists now lives as long as the process; do not walk it again during the run
    raise_file_limit()
    web.run_app(
        app,
        host=arguments.host,
        port=arguments.port,
        print=None,
        access_log=None,
        shutdown_timeout=2.0,
        keepalive_timeout=KEEPALIVE_S,
    )


def raise_file_limit() -> None:
    """As many open connections as this process may have: a load generator holds one per request in flight."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
