"""Talking to the gateway: what goes wrong is named."""

import socket
import threading

import pytest

from harness.backends.gateway import GatewayControl
from harness.errors import BenchError


class Silence(Exception):
    """The caller gave up."""


@pytest.fixture
def silent_server():
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing_server():
    """Answers one request with HTTP 404 and plain text."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(
            target=answer_once, args=(server, b"HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nno such")
        )
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


@pytest.fixture
def nobody():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_nobody_there_is_not_live(nobody):
    assert not GatewayControl(nobody).is_live()


def test_nobody_there_is_an_error_with_url_and_call(nobody):
    with pytest.raises(BenchError, match=rf"gateway {nobody}: GET /control/clock: .*refused"):
        GatewayControl(nobody).clock_s()


def test_a_refusal_carries_status_and_reason(refusing_server):
    with pytest.raises(BenchError, match="PATCH /control/engine: HTTP 404: no such"):
        GatewayControl(refusing_server).set_batch_size(2)


def test_waiting_ends_when_the_caller_says_so(silent_server):
    def give_up() -> None:
        raise Silence

    with pytest.raises(Silence):
        GatewayControl(silent_server).put_replica("replica-0", {}, 30.0, give_up)


def test_waiting_ends_with_the_timeout(silent_server):
    with pytest.raises(BenchError, match="PUT /control/replicas/replica-0: no answer in time"):
        GatewayControl(silent_server).put_replica("replica-0", {}, 0.01)
