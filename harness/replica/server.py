"""HTTP in front of a runtime: the Open Inference Protocol and the replica's control API (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from harness import __version__
from harness.errors import UsageError
from harness.oip import HEADER_LENGTH, Message, ProtocolError, Tensor, decode, encode_response
from harness.replica.runtime import MODEL_FAULTS, Result, Runtime

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_IMAGES = 64
HEADER_ALLOWANCE_BYTES = 64 * 1024


class ReplicaServer:
    """Handlers over one runtime. Batches queue for one compute thread; everything else answers meanwhile."""

    def __init__(self, runtime: Runtime, model_name: str) -> None:
        self.runtime = runtime
        self.model_name = model_name
        self._compute = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")

    def application(self) -> web.Application:
        """The aiohttp application."""
        height, width, channels = self.runtime.image_shape
        limit_bytes = MAX_IMAGES * height * width * channels + HEADER_ALLOWANCE_BYTES
        app = web.Application(client_max_size=limit_bytes, middlewares=[json_errors])
        app.add_routes(
            [
                web.get("/v2", self.server_metadata),
                web.get("/v2/health/live", self.live),
                web.get("/v2/health/ready", self.ready),
                web.get("/v2/models/{model}", self.model_metadata),
                web.get("/v2/models/{model}/ready", self.ready),
                web.post("/v2/models/{model}/infer", self.infer),
                web.put("/control/threads", self.set_threads),
                web.get("/control/state", self.state),
            ]
        )
        return app

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"live": True})

    async def ready(self, request: web.Request) -> web.Response:
        """The model is loaded: it is before the port opens."""
        if "model" in request.match_info:
            self._check_model(request)
        return web.json_response({"ready": True})

    async def server_metadata(self, _request: web.Request) -> web.Response:
        """Name, version, extensions."""
        extensions = ["binary_tensor_data"]
        return web.json_response({"name": "sponge-bench-replica", "version": __version__, "extensions": extensions})

    async def model_metadata(self, request: web.Request) -> web.Response:
        """Inputs and outputs of the model."""
        self._check_model(request)
        image = {"name": "image", "datatype": "UINT8", "shape": [-1, *self.runtime.image_shape]}
        shown = {"name": self.model_name, "versions": ["1"], "platform": "onnxruntime_onnx"}
        return web.json_response({**shown, "inputs": [image], "outputs": self.runtime.outputs})

    async def infer(self, request: web.Request) -> web.Response:
        """Serve the images of one request as one batch, after the batches that came before."""
        self._check_model(request)
        message = decode(await request.read(), request.headers.get(HEADER_LENGTH), "inputs")
        images = self._images(message)
        result = await asyncio.get_running_loop().run_in_executor(self._compute, self.runtime.infer, images)
        return self._respond(message.id, result)

    def _images(self, message: Message) -> NDArray[np.uint8]:
        tensor = message.tensors[0]
        if len(message.tensors) != 1 or tensor.name != "image":
            names = ", ".join(t.name for t in message.tensors)
            raise ProtocolError(f"inputs = {names}; must be the one input 'image'")
        count, *shape = tensor.shape or (0,)
        expected = list(self.runtime.image_shape)
        if tensor.datatype != "UINT8" or shape != expected or not 1 <= count <= MAX_IMAGES:
            rule = f"UINT8 [1..{MAX_IMAGES}, {', '.join(map(str, expected))}]"
            raise ProtocolError(f"image is {tensor.datatype} {list(tensor.shape)}; must be {rule}")
        return np.frombuffer(tensor.data, np.uint8).reshape(count, *shape)

    def _respond(self, request_id: str, result: Result) -> web.Response:
        pairs = zip(self.runtime.outputs, result.outputs, strict=True)
        tensors = tuple(Tensor(o["name"], o["datatype"], array.shape, array.tobytes()) for o, array in pairs)
        parameters = {
            "compute_s": result.compute_s,
            "preprocess_s": result.preprocess_s,
            "threads": result.threads,
        }
        length, body = encode_response(Message(tensors, request_id, parameters, self.model_name))
        headers = {HEADER_LENGTH: str(length)}
        return web.Response(body=body, headers=headers, content_type="application/octet-stream")

    def _check_model(self, request: web.Request) -> None:
        if (name := request.match_info["model"]) != self.model_name:
            raise web.HTTPNotFound(text=f"no model {name!r} here; this replica serves {self.model_name!r}")

    async def set_threads(self, request: web.Request) -> web.Response:
        """Compute threads from the next batch on."""
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"the body is not JSON ({error})") from error
        if not isinstance(body, dict) or body.keys() != {"threads"}:
            raise ProtocolError('the body must be {"threads": n}')
        self.runtime.threads = self.runtime.checked_threads(body["threads"])
        return web.json_response({"threads": self.runtime.threads})

    async def state(self, _request: web.Request) -> web.Response:
        """Threads, batches served so far, and this process's clock."""
        runtime = self.runtime
        return web.json_response(
            {"threads": runtime.threads, "batches": runtime.batches, "monotonic_s": time.monotonic()}
        )


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is a JSON object with the reason."""
    try:
        return await handler(request)
    except (ProtocolError, UsageError) as error:
        return web.json_response({"error": str(error)}, status=400)
    except MODEL_FAULTS as error:
        return web.json_response({"error": f"the model failed: {error}"}, status=500)
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)
