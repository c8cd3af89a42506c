"""One kept-alive HTTP/1.1 connection over a non-blocking socket. How to wait for the socket is passed in.

So the same code runs under gevent's hub and, in tests, under `select`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.load.message import AnswerError, AnswerHead, parse_head

_BUFFER_BYTES = 64 * 1024
_LARGEST_HEAD_BYTES = 16 * 1024
_LARGEST_JSON_BYTES = 1024 * 1024

Wait = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status, the JSON part of the body, and when the last byte had been read (CLOCK_MONOTONIC)."""

    status: int
    body: bytes
    received_s: float


class Connection:
    """Sends a request and reads its answer, one at a time. The socket is non-blocking."""

    __slots__ = ("_buffer", "_view", "must_close", "sock", "wait_readable", "wait_writable")

    def __init__(self, sock: socket.socket, wait_readable: Wait, wait_writable: Wait) -> None:
        self.sock = sock
        self.wait_readable = wait_readable
        self.wait_writable = wait_writable
        self.must_close = False
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def connect(self, address: Any) -> None:
        """Connect the socket. Raises OSError."""
        try:
            self.sock.connect(address)
        except BlockingIOError:
            self.wait_writable()
        if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))

    def is_usable(self) -> bool:
        """False when the server has closed it, or has sent bytes nobody asked for."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not self.must_close
        except OSError:
            return False
        return False

    def start_sending(self, parts: Sequence[bytes | memoryview]) -> int:
        """Hand as much as fits to the kernel without waiting; bytes taken. Raises OSError."""
        try:
            return self.sock.sendmsg(parts)
        except BlockingIOError:
            return 0

    def finish_sending(self, parts: Sequence[bytes | memoryview], taken: int) -> None:
        """Send what `start_sending` left over. Raises OSError."""
        for part in parts:
            left = memoryview(part)[taken:]
            taken = max(0, taken - len(part))
            while left:
                try:
                    left = left[self.sock.send(left) :]
                except BlockingIOError:
                    self.wait_writable()

    def receive(self) -> Answer:
        """Read one whole answer; tensors are read off the wire and let go. Raises OSError or AnswerError."""
        end, filled = -1, 0
        while end < 0:
            if filled > _LARGEST_HEAD_BYTES:
                raise AnswerError(f"the answer's head is longer than {_LARGEST_HEAD_BYTES} bytes")
            filled += self._receive_some(filled)
            end = self._buffer.find(b"\r\n\r\n", 0, filled)
        head = parse_head(bytes(self._view[:end]))
        self.must_close = self.must_close or head.close
        body = self._receive_body(head, end + 4, filled)
        return Answer(head.status, body, time.monotonic())

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def _receive_body(self, head: AnswerHead, start: int, filled: int) -> bytes:
        keep = head.body_bytes if head.json_bytes is None else head.json_bytes
        if keep > _LARGEST_JSON_BYTES:
            raise AnswerError(f"the answer's JSON has {keep} bytes; must be <= {_LARGEST_JSON_BYTES}")
        kept = bytearray(self._view[start : min(filled, start + keep)])
        left = head.body_bytes - (filled - start)
        while left > 0:
            count = self._receive_some(0, left)
            kept += self._view[: min(count, keep - len(kept))]
            left -= count
        if left < 0:
            raise AnswerError("the server sent more than the answer")
        return bytes(kept)

    def _receive_some(self, at: int, limit: int = _BUFFER_BYTES) -> int:
        while True:
            try:
                count = self.sock.recv_into(self._view[at : at + limit])
            except BlockingIOError:
                self.wait_readable()
                continue
            if count == 0:
                raise ConnectionResetError("the server closed the connection before its answer was complete")
            return count
