"""The replica speaks the protocol, serves one batch at a time, and refuses nonsense without stopping."""

import asyncio
import io
import json
import threading

import numpy as np
import onnxruntime as ort
import pytest
from aiohttp.test_utils import TestClient, TestServer

from harness.errors import UsageError
from harness.oip import HEADER_LENGTH, Message, Tensor, decode, encode_request
from harness.replica.models import model_file
from harness.replica.runtime import Result, Runtime
from harness.replica.server import MAX_IMAGES, ReplicaServer

SHAPE = (24, 40, 3)
INFER = "/v2/models/m/infer"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPONGE_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return model_file("tinycnn").path


@pytest.fixture(scope="module")
def runtime(tiny):
    made = Runtime(tiny, SHAPE, max_threads=2, threads=1)
    made.open()
    return made


@pytest.fixture
async def client(runtime):
    async with TestClient(TestServer(ReplicaServer(runtime, "m").application())) as client:
        yield client


def body_of(images, request_id="7"):
    return encode_request(Message((Tensor("image", "UINT8", images.shape, images.tobytes()),), request_id))


async def post(client, length, body):
    headers = {HEADER_LENGTH: str(length)} if length is not None else {}
    return await client.post(INFER, data=body, headers=headers)


async def answer(client, images):
    response = await post(client, *body_of(images))
    return decode(await response.read(), response.headers[HEADER_LENGTH], "outputs")


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, *SHAPE), np.uint8)


async def test_a_batch_is_answered_with_one_row_per_image(client):
    message = await answer(client, images(3))
    assert [(t.name, t.datatype, t.shape) for t in message.tensors] == [("predictions", "FP32", (3, 10))]


async def test_the_answer_is_what_the_model_computes(client, runtime, tiny):
    message = await answer(client, images(2))
    session = ort.InferenceSession(str(tiny), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"images": runtime._preprocess(images(2))})[0]
    np.testing.assert_allclose(np.frombuffer(message.tensors[0].data, np.float32).reshape(2, 10), expected, atol=1e-5)


async def test_the_answer_carries_id_times_and_threads(client):
    message = await answer(client, images(1))
    assert message.id == "7"
    assert {k: type(v) for k, v in message.parameters.items()} == {
        "compute_s": float,
        "preprocess_s": float,
        "threads": int,
    }


async def test_threads_change_with_the_next_batch(client):
    await client.put("/control/threads", json={"threads": 2})
    two = (await answer(client, images(1))).parameters["threads"]
    await client.put("/control/threads", json={"threads": 1})
    assert (two, (await answer(client, images(1))).parameters["threads"]) == (2, 1)


async def test_results_do_not_depend_on_the_threads(client):
    results = []
    for threads in (1, 2):
        await client.put("/control/threads", json={"threads": threads})
        results.append(np.frombuffer((await answer(client, images(4))).tensors[0].data, np.float32))
    np.testing.assert_allclose(*results, atol=1e-5)


@pytest.mark.parametrize("body", ['{"threads": 3}', '{"threads": 0}', '{"threads": true}', '{"threads": 1.5}', "{}"])
async def test_threads_that_cannot_be_are_refused(client, body):
    response = await client.put("/control/threads", data=body)
    assert response.status == 400
    assert "threads" in (await response.json())["error"]


async def test_the_state_counts_batches(client):
    before = (await (await client.get("/control/state")).json())["batches"]
    await answer(client, images(2))
    assert (await (await client.get("/control/state")).json())["batches"] == before + 1


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/m", "/v2/models/m/ready"])
async def test_the_protocols_get_requests_are_answered(client, path):
    assert (await client.get(path)).status == 200


async def test_metadata_name_the_raw_image(client):
    shown = await (await client.get("/v2/models/m")).json()
    assert shown["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, *SHAPE]}]


GOOD = np.zeros((1, *SHAPE), np.uint8)
LENGTH, BODY = body_of(GOOD)
TOO_MANY = np.zeros((MAX_IMAGES + 1, *SHAPE), np.uint8)


@pytest.mark.parametrize(
    ("length", "body", "status", "text"),
    [
        (None, BODY, 400, "is missing"),
        (LENGTH, BODY[:-1], 400, "ends 1 bytes early"),
        (LENGTH, b"", 400, HEADER_LENGTH),
        (4, b"nope", 400, "not JSON"),
        (*body_of(np.zeros((1, 24, 41, 3), np.uint8)), 400, "must be UINT8"),
        (*body_of(np.zeros((0, *SHAPE), np.uint8)), 400, "must be UINT8"),
        (*body_of(TOO_MANY), 400, "must be UINT8"),
        (LENGTH, io.BytesIO(BODY + bytes(10_000_000)), 413, "Maximum request body size"),
    ],
)
async def test_a_malformed_request_is_refused_with_the_rule(client, length, body, status, text):
    response = await post(client, length, body)
    assert response.status == status
    assert text in (await response.json())["error"]


async def test_a_refused_request_does_not_stop_the_service(client):
    await post(client, 4, b"nope")
    assert (await post(client, LENGTH, BODY)).status == 200


async def test_a_second_input_is_refused(client):
    tensor = Tensor("image", "UINT8", GOOD.shape, GOOD.tobytes())
    other = Tensor("mask", "UINT8", (1,), b"0")
    response = await post(client, *encode_request(Message((tensor, other))))
    assert "must be the one input 'image'" in (await response.json())["error"]


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/ready", "/nope"])
async def test_an_unknown_path_is_a_json_404(client, path):
    response = await client.get(path)
    assert response.status == 404
    assert (await response.json())["error"]


class Slow:
    """A runtime that computes until it is told to go on."""

    image_shape = SHAPE
    outputs = ({"name": "y", "datatype": "UINT8", "shape": [-1]},)
    threads = 1
    batches = 0

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Event()
        self.order = []

    def infer(self, images):
        self.begun.set()
        assert self.go.wait(30)
        self.order.append(int(images[0, 0, 0, 0]))
        return Result([np.zeros(len(images), np.uint8)], 0.0, 0.0, 1)


async def test_health_and_state_answer_while_a_batch_computes():
    slow = Slow()
    async with TestClient(TestServer(ReplicaServer(slow, "m").application())) as client:
        busy = asyncio.ensure_future(post(client, LENGTH, BODY))
        await asyncio.to_thread(slow.begun.wait, 30)
        statuses = [(await client.get(path)).status for path in ("/v2/health/ready", "/control/state")]
        slow.go.set()
        assert [*statuses, (await busy).status] == [200, 200, 200]


async def test_batches_are_served_in_order_of_arrival():
    slow = Slow()
    server = ReplicaServer(slow, "m")
    loop = asyncio.get_running_loop()
    waiting = [loop.run_in_executor(server._compute, slow.infer, np.full((1, *SHAPE), k, np.uint8)) for k in range(5)]
    slow.go.set()
    await asyncio.gather(*waiting)
    assert slow.order == [0, 1, 2, 3, 4]


def test_a_runtime_refuses_more_threads_than_prepared(tiny):
    with pytest.raises(UsageError, match=r"threads = 3; must be a whole number within 1\.\.2"):
        Runtime(tiny, SHAPE, max_threads=2, threads=3)


async def test_errors_are_json(client):
    response = await client.put("/control/threads", data="[")
    assert json.loads(await response.read())["error"].startswith("the body is not JSON")
