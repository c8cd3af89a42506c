"""A reference server whose truth is known: it stamps every arrival itself and answers after a service time it keeps.

    python -m harness.load.reference --arrivals FILE --service-s 0.01 [--stall FROM_S,TO_S,SERVICE_S]

Prints `{"event": "listening", "port": p}`. Reads lines on standard input: a number is the replay's epoch
(CLOCK_MONOTONIC), which the stall counts from; end of input ends it, and the arrivals are written: one row of
request id and arrival (CLOCK_MONOTONIC) each, as a NumPy array. A plain loop over non-blocking sockets, one thread.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import resource
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.load.message import parse_request_head
from harness.load.priority import raise_priority
from harness.oip import HEADER_LENGTH

_SCRATCH_BYTES = 1024 * 1024
_READY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Service:
    """How long an answer takes, by the instant the request arrived (run clock)."""

    service_s: float
    stall_from_s: float = 0.0
    stall_to_s: float = 0.0
    stall_service_s: float = 0.0

    def duration_s(self, arrived_s: float) -> float:
        """Service time of a request that arrived then."""
        return self.stall_service_s if self.stall_from_s <= arrived_s < self.stall_to_s else self.service_s


@dataclass(slots=True)
class Peer:
    """One client connection: bytes of a head not yet complete, and bytes of a body still to come."""

    sock: socket.socket
    head: bytearray = field(default_factory=bytearray)
    arrived_s: float = 0.0
    request_id: int = -1
    body_left: int = 0


class ReferenceServer:
    """Serves until its control input ends. `run` does everything."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.epoch_s = 0.0
        self.arrivals: list[tuple[int, float]] = []
        self._answers: list[tuple[float, int, Peer, float]] = []
        self._selector = selectors.DefaultSelector()
        self._scratch = bytearray(_SCRATCH_BYTES)
        self._view = memoryview(self._scratch)

    def run(self, listener: socket.socket, control_fd: int) -> None:
        """Serve `listener` until `control_fd` is at its end."""
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(control_fd, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(self._idle_s()):
                if key.fileobj == control_fd:
                    if not self._read_control(control_fd):
                        return
                elif key.fileobj is listener:
                    self._accept(listener)
                else:
                    self._read(key.data)
            self._answer_due()

    def _idle_s(self) -> float | None:
        return max(0.0, self._answers[0][0] - time.monotonic()) if self._answers else None

    def _read_control(self, control_fd: int) -> bool:
        text = os.read(control_fd, 4096)
        if text.strip():
            self.epoch_s = float(text.split()[-1])
        return bool(text)

    def _accept(self, listener: socket.socket) -> None:
        sock, _ = listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, Peer(sock))

    def _read(self, peer: Peer) -> None:
        now_s = time.monotonic()
        try:
            count = peer.sock.recv_into(self._view)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count == 0:
            self._selector.unregister(peer.sock)
            peer.sock.close()
        elif peer.body_left:
            self._read_body(peer, count)
        else:
            self._read_head(peer, count, now_s)

    def _read_head(self, peer: Peer, count: int, now_s: float) -> None:
        if not peer.head:
            peer.arrived_s = now_s
        peer.head += self._view[:count]
        end = peer.head.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        body_bytes, json_bytes = parse_request_head(bytes(peer.head[:end]))
        if body_bytes == 0:
            peer.head.clear()
            peer.sock.send(_READY)
            return
        if len(peer.head) < end + json_bytes:
            return
        peer.request_id = int(json.loads(peer.head[end : end + json_bytes])["id"])
        self.arrivals.append((peer.request_id, peer.arrived_s))
        peer.body_left, extra = body_bytes, len(peer.head) - end
        peer.head.clear()
        self._read_body(peer, extra)

    def _read_body(self, peer: Peer, count: int) -> None:
        peer.body_left -= count
        if peer.body_left == 0:
            due_s = peer.arrived_s + self.service.duration_s(peer.arrived_s - self.epoch_s)
            heapq.heappush(self._answers, (due_s, peer.request_id, peer, peer.arrived_s))

    def _answer_due(self) -> None:
        while self._answers and self._answers[0][0] <= time.monotonic():
            _, request_id, peer, arrived_s = heapq.heappop(self._answers)
            try:
                peer.sock.send(answer_bytes(request_id, arrived_s, time.monotonic()))
            except OSError:
                continue  # the client gave up; it has noted that itself


def answer_bytes(request_id: int, arrived_s: float, finished_s: float) -> bytes:
    """A served answer with the gateway's parameters and no tensor worth reading."""
    parameters = {
        "queued_monotonic_s": arrived_s, "started_monotonic_s": arrived_s, "finished_monotonic_s": finished_s,
        "batch_id": request_id, "batch_size": 1, "replica": "reference", "cores": 1.0, "stage": "main",
        "variant": "reference",
    }  # fmt: skip
    text = json.dumps({"id": str(request_id), "parameters": parameters, "outputs": []}).encode()
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{HEADER_LENGTH}: {len(text)}\r\n"
        f"Content-Length: {len(text)}\r\n\r\n"
    ).encode() + text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--arrivals", type=Path, required=True, help="file to write: .npy, columns id and arrival")
    parser.add_argument("--service-s", type=float, default=0.0, help="service time, s")
    parser.add_argument("--stall", default="0,0,0", metavar="FROM_S,TO_S,SERVICE_S", help="slower in this window")
    options = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    raise_priority()
    server = ReferenceServer(Service(options.service_s, *(float(part) for part in options.stall.split(","))))
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(json.dumps({"event": "listening", "port": listener.getsockname()[1]}), flush=True)
        server.run(listener, sys.stdin.fileno())
    np.save(options.arrivals, np.asarray(server.arrivals, dtype=np.float64).reshape(-1, 2))


if __name__ == "__main__":
    main()
