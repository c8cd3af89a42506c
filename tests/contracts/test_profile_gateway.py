"""The probe makes a real gateway form exactly the batches it asks for, and leaves it as it was."""

import asyncio
import threading

import numpy as np
import pytest
from aiohttp import web

from harness.backends.gateway import GatewayControl
from harness.errors import BenchError
from harness.oip import Message, Tensor
from harness.profile.probe import GatewayProbe
from harness.serve.__main__ import gateway
from harness.types import EngineSettings

SHAPE = (6, 8, 3)
CONFIG = {
    "model_name": "m",
    "image_shape": list(SHAPE),
    "engine": {"batch_size": 2, "close": "idle", "drop": "hopeless"},
    "latency": {"gamma_s": 0.1, "delta_s": 0.0, "epsilon_s": 0.0, "eta_s": 0.0},
    "default_budget_s": 1.0,
}


class Replicas:
    """The way to replicas that are not there: every batch is answered at once."""

    def __init__(self, answer):
        self.answer = answer

    async def open(self):
        """Nothing to open."""

    async def close(self):
        """Nothing to close."""

    async def send(self, _replica, images):
        output = Tensor("y", "FP32", (1, 1), np.zeros(1, np.float32).tobytes())
        return [Message((output,), parameters=self.answer) for _ in images]


def served(answer):
    """The gateway on a loop of its own thread: (its URL, how to end it)."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), {}

    async def begin():
        made = gateway(CONFIG)
        replicas = Replicas(answer)
        made.replicas = made.station._transport = replicas
        made.station.engine.set_replica(loop.time(), "replica-0", 1.0, 1)
        runner = web.AppRunner(made.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found["runner"], found["port"] = runner, site._server.sockets[0].getsockname()[1]
        ready.set()

    def serve():
        loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(found["runner"].cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(30)

    def end():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)

    return f"http://127.0.0.1:{found['port']}", end


@pytest.fixture
def url():
    found, end = served({"preprocess_s": 0.25, "compute_s": 0.5, "threads": 3})
    yield found
    end()


@pytest.fixture
def mute_url():
    """A gateway whose replicas do not say how long they took."""
    found, end = served({})
    yield found
    end()


def settings(url):
    return EngineSettings(**GatewayControl(url).call("PATCH", "/control/engine", {}))


@pytest.mark.parametrize("batch", [1, 3, 8, 16])
def test_a_batch_of_the_size_asked_for_is_served(url, batch):
    with GatewayProbe(url, "m", SHAPE) as probe:
        GatewayControl(url).set_batch_size(batch)
        timing = probe.serve(batch)
    assert (timing.preprocess_s, timing.compute_s, timing.threads) == (0.25, 0.5, 3)
    assert timing.service_s > 0


def test_nothing_is_dropped_while_measuring(url):
    with GatewayProbe(url, "m", SHAPE):
        assert settings(url).drop == "never"


def test_the_engine_is_left_as_it_was(url):
    before = settings(url)
    with GatewayProbe(url, "m", SHAPE) as probe:
        GatewayControl(url).set_batch_size(5)
        probe.serve(5)
    assert settings(url) == before


def test_a_batch_of_another_size_is_an_error(url):
    with (
        pytest.raises(BenchError, match=r"asked the gateway for a batch of 2, it formed \[1, 1\]"),
        GatewayProbe(url, "m", SHAPE) as probe,
    ):
        GatewayControl(url).set_batch_size(1)
        probe.serve(2)


def test_a_refusal_is_an_error_with_its_reason(url):
    with (
        pytest.raises(BenchError, match=r"HTTP 404: .*no model 'other' here"),
        GatewayProbe(url, "other", SHAPE) as probe,
    ):
        probe.serve(1)


def test_an_answer_without_times_is_an_error(mute_url):
    with (
        pytest.raises(BenchError, match="the gateway's answer lacks 'preprocess_s'"),
        GatewayProbe(mute_url, "m", SHAPE) as probe,
    ):
        GatewayControl(mute_url).set_batch_size(1)
        probe.serve(1)


def test_a_gateway_that_is_gone_is_an_error():
    with (
        pytest.raises(BenchError, match=r"gateway http://127\.0\.0\.1:1: PATCH /control/engine"),
        GatewayProbe("http://127.0.0.1:1", "m", SHAPE),
    ):
        pass
