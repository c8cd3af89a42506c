"""A server that does everything wrong loses no row."""

import json
import socketserver
import threading
from typing import Any

import numpy as np
import pytest

from harness.load.driver import LoadDriver, LoadSettings
from harness.load.events import Ended
from harness.load.message import parse_request_head
from harness.load.reference import Service, answer_bytes
from harness.load.selftest import Trial, plan_table
from harness.tables import REQUESTS, read_journal, write_parquet

SHAPE = (4, 4, 3)
ROUNDS = 4


def http(status: str, body: bytes, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]).encode() + body


def served(request_id: int, fields: bytes = b"") -> bytes:
    return answer_bytes(request_id, 0.0, 0.0).replace(b"OK\r\n", b"OK\r\n" + fields)


DROP = json.dumps({"error": "too late", "reason": "hopeless", "queued_monotonic_s": 1.0}).encode()
ANSWERS = [
    ("served", served),
    ("served", lambda request_id: served(request_id, b"Connection: close\r\n")),
    ("dropped", lambda _: http("503 Service Unavailable", DROP)),
    ("failed", lambda _: http("502 Bad Gateway", b'{"error": "replica died"}')),
    ("failed", lambda _: http("200 OK", b"<html>not JSON</html>")),
    ("failed", lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("failed", lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("failed", lambda _: http("200 OK", b"{}", "Inference-Header-Content-Length: 99")),
    ("failed", lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),  # and closes
    ("failed", lambda _: b""),  # closes without a word
    ("failed", lambda request_id: served(request_id) + b"and more"),
]
COUNT = ROUNDS * len(ANSWERS)


class Handler(socketserver.StreamRequestHandler):
    """Answers request k as ANSWERS[k % len(ANSWERS)] says, and closes when that was not a whole answer."""

    def handle(self) -> None:
        while head := self._head():
            body_bytes, json_bytes = parse_request_head(head)
            body = self.rfile.read(body_bytes)
            if not body:
                self.wfile.write(http("200 OK", b"{}"))
                continue
            request_id = int(json.loads(body[:json_bytes])["id"])
            answer = ANSWERS[request_id % len(ANSWERS)][1](request_id)
            self.wfile.write(answer)
            if answer.count(b"{") < 1 or answer.endswith(b"\n{"):
                return

    def _head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return b""
            head += line
        return head


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client hanging up on nonsense is what is expected here."""


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, dict[int, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("hostile")
    trial = Trial("t", "t", np.arange(COUNT) / 100, SHAPE, Service(0.0), 5.0)
    write_parquet(folder / "plan.parquet", plan_table(trial))
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = LoadSettings(
            f"http://127.0.0.1:{server.server_address[1]}", folder / "plan.parquet", folder / "requests.arrows",
            folder / "load.log", "m", SHAPE, "test-run", timeout_s=5.0,
        )  # fmt: skip
        with LoadDriver(settings) as driver:
            driver.wait_ready()
            driver.go()
            ended = driver.wait_end(60)
        server.shutdown()
    rows = read_journal(folder / "requests.arrows", REQUESTS).to_pylist()
    return ended, {row["id"]: row for row in rows}


def test_planned_is_served_plus_dropped_plus_failed(replayed: tuple[Ended, dict[int, dict[str, Any]]]) -> None:
    ended, rows = replayed
    assert (ended.accounted, sorted(rows)) == (COUNT, list(range(COUNT)))


@pytest.mark.parametrize("kind", range(len(ANSWERS)))
def test_each_kind_of_answer_ends_in_its_status(replayed: tuple[Ended, dict[int, dict[str, Any]]], kind: int) -> None:
    found = {row["status"] for k, row in replayed[1].items() if k % len(ANSWERS) == kind}
    assert found == {ANSWERS[kind][0]}


def test_every_failure_says_why(replayed: tuple[Ended, dict[int, dict[str, Any]]]) -> None:
    assert all(row["error"] for row in replayed[1].values() if row["status"] == "failed")


def test_a_drop_keeps_the_engines_reason(replayed: tuple[Ended, dict[int, dict[str, Any]]]) -> None:
    reasons = {row["drop_reason"] for row in replayed[1].values() if row["status"] == "dropped"}
    assert reasons == {"hopeless"}
