"""The model server as a program: `python -m harness.replica --port 8001 --model model.onnx --image-shape 253,400,3`."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from harness.errors import BenchError, UsageError, bad_value
from harness.replica.runtime import Runtime
from harness.replica.server import ReplicaServer


def main() -> None:
    """Load the model, then serve until told to stop."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as process 1 of a container there is no default action
    try:
        server = _server(arguments)
    except BenchError as error:
        sys.exit(_refuse(error))
    gc.freeze()  # what exists now lives as long as the process; do not walk it again during the run
    app, place = server.application(), f"{arguments.host}:{arguments.port}"
    try:
        web.run_app(app, host=arguments.host, port=arguments.port, print=None, access_log=None, shutdown_timeout=1.0)
    except OSError as error:
        sys.exit(_refuse(UsageError(f"{place}: cannot listen there ({error.strerror})")))
    os._exit(0)  # a batch that is still computing cannot be interrupted, and nobody waits for it any more


def _server(arguments: argparse.Namespace) -> ReplicaServer:
    if arguments.max_threads < 1:
        raise bad_value("replica", "--max-threads", arguments.max_threads, "must be >= 1")
    shape = image_shape(arguments.image_shape)
    runtime = Runtime(Path(arguments.model), shape, arguments.max_threads, arguments.threads)
    runtime.open()
    return ReplicaServer(runtime, arguments.model_name)


def image_shape(text: str) -> tuple[int, int, int]:
    """`height,width,3` as numbers. Raises UsageError."""
    parts = text.split(",")
    if len(parts) != 3 or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts) or int(parts[2]) != 3:
        raise bad_value("replica", "--image-shape", text, "must be HEIGHT,WIDTH,3 in whole numbers > 0")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _refuse(error: BenchError) -> int:
    print(error, file=sys.stderr)
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.replica", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--model", required=True, help="ONNX file")
    parser.add_argument("--model-name", default="model", help="name in the URL (default: model)")
    parser.add_argument("--image-shape", default="253,400,3", help="raw image: height,width,3 (default: 253,400,3)")
    parser.add_argument(
        "--max-threads", type=int, default=1, help="sessions are prepared for 1..N threads (default: 1)"
    )
    parser.add_argument("--threads", type=int, default=1, help="compute threads at the start (default: 1)")
    return parser


if __name__ == "__main__":
    main()
