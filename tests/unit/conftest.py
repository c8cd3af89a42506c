"""What several unit tests share: engines, a gateway with a replica that does as it is told, made-up stored runs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from harness.engine import Engine
from harness.oip import HEADER_LENGTH, Message, Tensor, decode, encode_request, encode_response
from harness.record import write_manifest
from harness.serve.__main__ import gateway as gateway_of
from harness.serve.app import Gateway
from harness.tables import DECISIONS, PLAN, REQUESTS, USAGE, table_of, write_parquet
from harness.types import EngineSettings, Queued

SHAPE = (2, 2, 3)
GATEWAY_CONFIG = {
    "model_name": "tiny",
    "image_shape": list(SHAPE),
    "latency": {"gamma_s": 0.01, "delta_s": 0.0, "epsilon_s": 0.0, "eta_s": 0.0},
    "default_budget_s": 60.0,
}


@pytest.fixture
def engine():
    """Makes an engine with one free replica of one core; a batch takes 1 s per request, half of it at best."""

    def make(replicas=1, **settings):
        made = Engine(EngineSettings(**settings), lambda b, _: float(b), lambda b, _: b / 2)
        for k in range(replicas):
            made.set_replica(0.0, f"replica-{k}", 1.0)
        return made

    return make


@pytest.fixture
def arrive():
    """Lets requests `(id, deadline_s)` arrive at one instant; all effects in order."""

    def at(engine, now_s, *requests):
        return [e for id_, deadline_s in requests for e in engine.arrive(now_s, Queued(id_, now_s, deadline_s))]

    return at


@dataclass
class FakeReplica:
    """A replica over HTTP whose output for an image is the image's first byte and its place in the batch."""

    open: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: batches are held until it is set
    batches: list[list[int]] = field(default_factory=list)
    threads: list[object] = field(default_factory=list)
    ready: bool = True
    answer: Callable[[int], web.Response] | None = None  # in place of the right one
    threads_status: int = 200

    def application(self) -> web.Application:
        self.open.set()
        app = web.Application()
        app.add_routes(
            [
                web.get("/v2/health/ready", self.health),
                web.put("/control/threads", self.set_threads),
                web.post("/v2/models/tiny/infer", self.infer),
            ]
        )
        return app

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.ready else 503)

    async def set_threads(self, request: web.Request) -> web.Response:
        self.threads.append((await request.json())["threads"])
        return web.json_response({}, status=self.threads_status)

    async def infer(self, request: web.Request) -> web.Response:
        image = decode(await request.read(), request.headers[HEADER_LENGTH], "inputs").tensors[0]
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.shape)
        self.batches.append([int(p) for p in pixels[:, 0, 0, 0]])
        await self.open.wait()
        return self.answer(len(pixels)) if self.answer else self.outputs(self.batches[-1])

    def outputs(self, marks: list[int], axis: int | None = None) -> web.Response:
        """The right answer, or one whose first axis is not the number of images."""
        rows = np.array([[mark, k] for k, mark in enumerate(marks)], np.float32)
        count = len(marks) if axis is None else axis
        scores = Tensor("scores", "FP32", (count, rows.size // count), rows.tobytes())
        label = Tensor("label", "INT64", (count,), np.arange(count).tobytes())
        length, body = encode_response(Message((scores, label), parameters={"compute_s": 0.5, "shape": [1, 2]}))
        return web.Response(body=body, headers={HEADER_LENGTH: str(length)})


@dataclass
class Bench:
    """A gateway, a client of it and its first replica."""

    gateway: Gateway
    client: TestClient
    replica: FakeReplica
    replica_url: str

    async def infer(self, mark: int = 1, **parameters: object):
        """(status, headers, body) for one image full of `mark`."""
        image = Tensor("image", "UINT8", (1, *SHAPE), bytes([mark] * int(np.prod(SHAPE))))
        length, body = encode_request(Message((image,), str(mark), parameters))
        return await self.post(body, {HEADER_LENGTH: str(length)})

    async def post(self, body: bytes, headers: dict[str, str], model: str = "tiny"):
        """(status, headers, body) for any bytes."""
        async with self.client.post(f"/v2/models/{model}/infer", data=body, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def call(self, method: str, path: str, body: object = None, **more: object):
        """(status, JSON) of a control call."""
        async with self.client.request(method, path, json=body, **more) as response:
            return response.status, await response.json()

    async def waiting(self, *marks: int, **parameters: object) -> list[asyncio.Task]:
        """Requests sent one after another, each in the queue (or at the replica) before the next."""
        tasks = []
        for mark in marks:
            arrived = self.gateway.station.engine.counts().arrived
            tasks.append(asyncio.create_task(self.infer(mark, **parameters)))
            await self.until(lambda before=arrived: self.gateway.station.engine.counts().arrived > before)
        return tasks

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the sockets work until the condition holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def bench():
    """Makes a bench; engine settings are given, `replicas` says whether its replica has joined."""
    opened = []

    async def make(*, joined=True, **settings):
        replica = FakeReplica()
        server = TestServer(replica.application())
        made = gateway_of(GATEWAY_CONFIG | {"engine": settings})
        client = TestClient(TestServer(made.application()))
        opened.extend([client, server])
        await server.start_server()
        await client.start_server()
        found = Bench(made, client, replica, str(server.make_url("")).rstrip("/"))
        if joined:
            body = {"url": found.replica_url, "cores": 1.0, "threads": 1}
            assert (await found.call("PUT", "/control/replicas/replica-0", body))[0] == 200
        return found

    yield make
    for each in opened:
        await each.close()


@dataclass(frozen=True)
class Made:
    """A made-up system: which share of each second's requests is late, the cores it holds from given times on, and its
    service time, s. The late ones are received a second after their deadline, the others 10 ms before it."""

    late: float = 0.0
    cores: tuple[tuple[float, float], ...] = ((0.0, 16.0),)
    router_s: float = 0.1


def scenario_facts(name: str, systems: list[str], duration_s: float) -> dict[str, Any]:
    network = {"trace": "route-a", "traces": []}
    plan = {"duration_s": duration_s, "slo_s": 1.0, "network": network, "arrivals": {"rate_rps": 20.0}}
    return {"name": name, "title": name, "systems": systems, "plan": plan, "cores": {"max_cores": 16.0}}


def made_rows(system: Made, seed: int, duration_s: float) -> list[dict[str, Any]]:
    rows = []
    for id_ in range(int(duration_s * 20)):
        created_s = id_ / 20
        uplink_s = 0.1 + 0.05 * ((id_ * 7 + seed) % 5)
        deadline_s = created_s + 1.0
        late = id_ % 20 < round(system.late * 20)
        received_s = deadline_s + 1.0 if late else deadline_s - 0.01
        finished_s = created_s + uplink_s + (2.0 if late else system.router_s)
        rows.append({"id": id_, "client": id_ % 2, "created_s": created_s, "due_s": created_s + uplink_s,
                     "deadline_s": deadline_s, "queued_s": created_s + uplink_s, "finished_s": finished_s,
                     "received_s": received_s, "status": "served"})  # fmt: skip
    return rows


def made_plan(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("id", "client", "created_s", "due_s", "deadline_s")
    return [
        {**{n: r[n] for n in names}, "payload_bytes": 100_000 * (1 + r["client"]), "slo_s": 1.0,
         "uplink_s": r["due_s"] - r["created_s"]}
        for r in rows
    ]  # fmt: skip


def made_manifest(name: str, seed: int, system: Made, planned: int, scenario: dict[str, Any]) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "scenario_sha256": "ab" * 32,
        "seed": seed,
        "system": {"name": name},
        "start": {"cores": system.cores[0][1], "replicas": 1},
        "counts": {"planned": planned},
        "backend": {"backend": "simulated"},
        "git_commit": "c0ffee" * 6,
        "git_dirty": False,
        "latency": {"name": "yolov5s", "grid": []},
        "send_lag": {},
        "valid": True,
        "invalid_reasons": [],
        "state": "done",
    }


def write_session(folder: Path, name: str, seed: int, system: Made, scenario: dict[str, Any], facts: dict[str, Any]):
    rows = made_rows(system, seed, scenario["plan"]["duration_s"])
    folder.mkdir(parents=True)
    write_parquet(folder / "requests.parquet", table_of(rows, REQUESTS))
    same = ("tick_s", "requested_at_s", "effective_s")
    steps = [dict.fromkeys(same, t) | {"effective_cores": c, "effective_replicas": 1} for t, c in system.cores[1:]]
    write_parquet(folder / "decisions.parquet", table_of(steps, DECISIONS))
    write_parquet(folder / "usage.parquet", table_of([], USAGE))
    write_manifest(folder, made_manifest(name, seed, system, len(rows), scenario) | facts)
    return rows


@pytest.fixture(scope="session")
def run_writer():
    """Writes a made-up run: `run_writer(results, scenario, {system: Made(...)}, seeds=(1, 2))`; its folder.

    A system may be a function from the seed to a Made. Further keywords go into the manifests.
    """

    def make(results: Path, scenario: str, systems: dict[str, Any], seeds=(1, 2, 3), duration_s=20.0, **facts: Any):
        folder = results / scenario / "20260101T000000Z-made"
        told = scenario_facts(scenario, list(systems), duration_s)
        for seed in seeds:
            for name, made in systems.items():
                system = made(seed) if callable(made) else made
                rows = write_session(folder / name / f"seed-{seed}", name, seed, system, told, facts)
            plan = folder / "plans" / f"seed-{seed}"
            plan.mkdir(parents=True)
            write_parquet(plan / "plan.parquet", table_of(made_plan(rows), PLAN))
        return folder

    return make


@pytest.fixture
def make_run(run_writer, tmp_path):
    """The same into tmp_path/results."""
    return partial(run_writer, tmp_path / "results")


@pytest.fixture(scope="session")
def made():
    """The made-up system (see `Made`)."""
    return Made
