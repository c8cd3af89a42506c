"""HTTP in front of the station: the Open Inference Protocol, the control API and metrics (docs/protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from reprlib import repr as shown
from typing import Any, TypeGuard, get_args

from aiohttp import web

from harness import __version__
from harness.oip import HEADER_LENGTH, Message, ProtocolError, decode, encode_response, timeout_s
from harness.serve.metrics import Metrics
from harness.serve.observation import to_json
from harness.serve.replicas import HttpReplicas
from harness.serve.station import Answer, Image, ReplicaError, Station, answer_parameters
from harness.types import Close, DropRule, EngineSettings, Order

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADER_ALLOWANCE_BYTES = 64 * 1024
MOST = 1_000_000  # of anything a control call may ask for; keeps sums and products finite
CHOICES: Mapping[str, tuple[str, ...]] = {
    "order": get_args(Order),
    "close": get_args(Close),
    "drop": get_args(DropRule),
}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the gateway says it serves."""

    name: str
    image_shape: tuple[int, int, int]
    variant: str
    stage: str
    default_budget_s: float


class Gateway:
    """Handlers over one station."""

    def __init__(self, model: ServedModel, station: Station, replicas: HttpReplicas, metrics: Metrics) -> None:
        self.model = model
        self.station = station
        self.replicas = replicas
        self.metrics = metrics

    def application(self) -> web.Application:
        """The aiohttp application."""
        height, width, channels = self.model.image_shape
        limit_bytes = height * width * channels + HEADER_ALLOWANCE_BYTES
        app = web.Application(client_max_size=limit_bytes, middlewares=[json_errors])
        app.add_routes(
            [
                web.get("/v2", self.server_metadata),
                web.get("/v2/health/live", self.live),
                web.get("/v2/health/ready", self.ready),
                web.get("/v2/models/{model}", self.model_metadata),
                web.get("/v2/models/{model}/ready", self.ready),
                web.post("/v2/models/{model}/infer", self.infer),
                web.get("/metrics", self.show_metrics),
                web.get("/control/clock", self.clock),
                web.get("/control/observation", self.observation),
                web.patch("/control/engine", self.patch_engine),
                web.put("/control/replicas/{name}", self.put_replica),
                web.delete("/control/replicas/{name}", self.delete_replica),
            ]
        )
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def _open(self, _app: web.Application) -> None:
        await self.replicas.open()

    async def _close(self, _app: web.Application) -> None:
        await self.replicas.close()

    # Open Inference Protocol

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"live": True})

    async def ready(self, request: web.Request) -> web.Response:
        """At least one replica takes work."""
        if "model" in request.match_info:
            self._check_model(request)
        ready = any(replica.phase == "ready" for replica in self.station.engine.replicas())
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def server_metadata(self, _request: web.Request) -> web.Response:
        """Name, version, extensions."""
        extensions = ["binary_tensor_data"]
        return web.json_response({"name": "sponge-bench", "version": __version__, "extensions": extensions})

    async def model_metadata(self, request: web.Request) -> web.Response:
        """Inputs and outputs of the model."""
        self._check_model(request)
        image = {"name": "image", "datatype": "UINT8", "shape": [1, *self.model.image_shape]}
        return web.json_response(
            {
                "name": self.model.name,
                "versions": ["1"],
                "platform": "onnxruntime_onnx",
                "inputs": [image],
                "outputs": [],
            }
        )

    async def infer(self, request: web.Request) -> web.Response:
        """Queue one image and answer with what became of it."""
        self._check_model(request)
        message = decode(await request.read(), request.headers.get(HEADER_LENGTH), "inputs")
        budget_s = timeout_s(message.parameters)
        answer = await self.station.submit(
            self._image(message), self.model.default_budget_s if budget_s is None else budget_s
        )
        return self._respond(message.id, answer)

    def _image(self, message: Message) -> Image:
        expected = (1, *self.model.image_shape)
        tensor = message.tensors[0]
        if len(message.tensors) != 1 or tensor.name != "image":
            names = ", ".join(t.name for t in message.tensors)
            raise ProtocolError(f"inputs = {names}; must be the one input 'image'")
        if (tensor.datatype, tensor.shape) != ("UINT8", expected):
            raise ProtocolError(f"image is {tensor.datatype} {list(tensor.shape)}; must be UINT8 {list(expected)}")
        return tensor.data

    def _respond(self, request_id: str, answer: Answer) -> web.Response:
        stamps = answer_parameters(answer)
        if answer.dropped:
            body = {"error": f"request dropped: {answer.dropped}", "reason": answer.dropped, **stamps}
            return web.json_response(body, status=503)
        if answer.failed or answer.outputs is None:
            return web.json_response({"error": answer.failed, **stamps}, status=502)
        stamps |= {"stage": self.model.stage, "variant": self.model.variant}
        parameters = {**answer.outputs.parameters, **stamps}
        outputs = replace(answer.outputs, id=request_id, parameters=parameters, model_name=self.model.name)
        length, payload = encode_response(outputs)
        headers = {HEADER_LENGTH: str(length)}
        return web.Response(body=payload, headers=headers, content_type="application/octet-stream")

    def _check_model(self, request: web.Request) -> None:
        if (name := request.match_info["model"]) != self.model.name:
            raise web.HTTPNotFound(text=f"no model {name!r} here; this gateway serves {self.model.name!r}")

    # Control

    async def show_metrics(self, _request: web.Request) -> web.Response:
        """Prometheus text."""
        return web.Response(body=self.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def clock(self, _request: web.Request) -> web.Response:
        """This process's clock, for comparison with the caller's."""
        return web.json_response({"monotonic_s": self.station.now()})

    async def observation(self, _request: web.Request) -> web.Response:
        """What a policy may know now. Reading changes nothing."""
        return web.json_response(to_json(self.station.observe()))

    async def patch_engine(self, request: web.Request) -> web.Response:
        """Change engine settings while it serves."""
        settings = changed_settings(self.station.engine.settings, await _json_object(request))
        self.station.perform(self.station.engine.configure(self.station.now(), settings))
        return web.json_response(asdict(settings))

    async def put_replica(self, request: web.Request) -> web.Response:
        """Let a replica join, or note its new cores and threads."""
        name, body = request.match_info["name"], await _json_object(request)
        cores = _number(body, "cores")
        threads = _whole(body["threads"], "threads") if "threads" in body else self._threads(name)
        await self._meet(name, body.get("url"))
        if threads is not None and self._threads(name) != threads:
            await self.replicas.set_threads(name, threads)
        engine = self.station.engine
        self.station.perform(engine.set_replica(self.station.now(), name, cores, threads))
        return web.json_response(next(asdict(r) for r in engine.replicas() if r.name == name))

    async def _meet(self, name: str, url: Any) -> None:
        """Join a replica the engine does not have; refuse what would confuse it with another one."""
        state = next((r for r in self.station.engine.replicas() if r.name == name), None)
        if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
            raise ProtocolError(f"url = {shown(url)}; must start with http:// or https://")
        if state is None:
            if url is None:
                raise ProtocolError(f"replica {name!r} is new; its url must be given")
            await self.replicas.join(name, url)
        elif state.phase == "draining":
            raise web.HTTPConflict(text=f"replica {name!r} is draining; its name is free when it is gone")
        elif url not in (None, self.replicas.url(name)):
            raise web.HTTPConflict(text=f"replica {name!r} is at {self.replicas.url(name)}, not at {url}")

    async def delete_replica(self, request: web.Request) -> web.Response:
        """Drain a replica."""
        name = request.match_info["name"]
        if not any(replica.name == name for replica in self.station.engine.replicas()):
            raise web.HTTPNotFound(text=f"no replica {name!r} here")
        gone = self.station.engine.drain_replica(name)
        return web.json_response({"name": name, "gone": gone}, status=202)

    def _threads(self, name: str) -> int | None:
        return next((r.threads for r in self.station.engine.replicas() if r.name == name), None)


def changed_settings(settings: EngineSettings, changes: Mapping[str, Any]) -> EngineSettings:
    """Settings with some fields changed. Raises ProtocolError naming the field, the value and the rule."""
    known = {field.name for field in fields(EngineSettings)}
    for key, value in changes.items():
        if key not in known:
            raise ProtocolError(f"unknown engine setting {shown(key)}; one of {', '.join(sorted(known))}")
        if key in CHOICES and value not in CHOICES[key]:
            raise ProtocolError(f"{key} = {shown(value)}; one of {', '.join(CHOICES[key])}")
        if key in ("batch_size", "batches_in_flight"):
            _whole(value, key)
        if key == "timeout_s" and not (_is_number(value) and 0 <= value <= MOST):
            raise ProtocolError(f"{key} = {shown(value)}; must be a number in 0..{MOST}")
    return replace(settings, **changes)


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is a JSON object with the reason."""
    try:
        return await handler(request)
    except ProtocolError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.RequestPayloadError as error:
        refusal = web.json_response({"error": f"the body cannot be read ({error})"}, status=400)
        refusal.force_close()  # where the next request begins in this stream, nobody knows
        return refusal
    except ReplicaError as error:
        return web.json_response({"error": str(error)}, status=502)
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the body is not JSON ({error})") from error
    if not isinstance(body, dict):
        raise ProtocolError("the body must be a JSON object")
    return body


def _number(body: Mapping[str, Any], key: str) -> float:
    value = body.get(key)
    if not (_is_number(value) and 0 < value <= MOST):
        raise ProtocolError(f"{key} = {shown(value)}; must be a number > 0 and at most {MOST}")
    return float(value)


def _whole(value: Any, key: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST:
        raise ProtocolError(f"{key} = {shown(value)}; must be a whole number in 1..{MOST}")
    return value


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
