"""HTTP/1.1 and Open Inference Protocol bytes of the replayer: what goes out, what comes back. No I/O.

Everything that is the same for all requests is built once. The JSON header is padded with blanks to one length, so
the HTTP head with its two lengths is constant and only the id and the budget are written per request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.oip import HEADER_LENGTH, Message, Tensor, encode_request

_ID, _TIMEOUT = "id-goes-here", 777_777_777_777  # placeholders, cut out of the encoded header
_ROOM = 40  # digits an id and a budget may add


class AnswerError(ValueError):
    """The server's bytes are not an answer this client understands."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """An infer request without its id and its budget; `text` fills them in, the image follows as it is."""

    head: bytes
    pieces: tuple[str, str, str]
    json_bytes: int

    def text(self, request_id: int, timeout_us: int) -> bytes:
        """HTTP head and JSON header of one request; the image bytes come next on the wire."""
        before, between, after = self.pieces
        return self.head + f"{before}{request_id}{between}{timeout_us}{after}".encode().ljust(self.json_bytes)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The parts of a response head that matter. `json_bytes` is None when the whole body is JSON."""

    status: int
    body_bytes: int
    json_bytes: int | None
    close: bool


def request_template(host: str, model_name: str, image_shape: tuple[int, int, int]) -> RequestTemplate:
    """The template for `POST /v2/models/{model_name}/infer` with one UINT8 image of `image_shape` (h, w, c)."""
    image_bytes = int(np.prod(image_shape))
    tensor = Tensor("image", "UINT8", (1, *image_shape), bytes(image_bytes))
    length, body = encode_request(Message((tensor,), id=_ID, parameters={"timeout": _TIMEOUT}))
    before, rest = body[:length].decode().split(_ID)
    between, after = rest.split(str(_TIMEOUT))
    json_bytes = len(before) + len(between) + len(after) + _ROOM
    head = (
        f"POST /v2/models/{model_name}/infer HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n"
        f"{HEADER_LENGTH}: {json_bytes}\r\nContent-Length: {json_bytes + image_bytes}\r\n\r\n"
    )
    return RequestTemplate(head.encode(), (before, between, after), json_bytes)


def ready_request(host: str) -> bytes:
    """`GET /v2/health/ready`, the request that warms a connection."""
    return f"GET /v2/health/ready HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def images(image_shape: tuple[int, int, int], count: int, seed: int) -> tuple[memoryview, ...]:
    """A few distinct images of random bytes, the same for the same seed."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(image_shape))
    return tuple(memoryview(rng.integers(0, 256, size, dtype=np.uint8).tobytes()) for _ in range(count))


def parse_head(head: bytes) -> AnswerHead:
    """Parse a response head (without its last blank line). Raises AnswerError naming the rule it breaks."""
    lines = head.split(b"\r\n")
    status_line = lines[0].split(b" ", 2)
    if len(status_line) < 2 or not status_line[0].startswith(b"HTTP/1.") or not status_line[1].isdigit():
        raise AnswerError(f"not an HTTP/1.x status line: {lines[0][:60]!r}")
    fields = _fields(lines[1:])
    length = fields.get(b"content-length")
    if length is None or not length.isdigit():
        raise AnswerError("the answer has no Content-Length")
    json_length = fields.get(HEADER_LENGTH.lower().encode())
    if json_length is not None and (not json_length.isdigit() or int(json_length) > int(length)):
        raise AnswerError(f"{HEADER_LENGTH} = {json_length!r}; must be 0..{int(length)}")
    return AnswerHead(
        status=int(status_line[1]),
        body_bytes=int(length),
        json_bytes=None if json_length is None else int(json_length),
        close=status_line[0] == b"HTTP/1.0" or fields.get(b"connection", b"").lower() == b"close",
    )


def parse_request_head(head: bytes) -> tuple[int, int]:
    """Bytes of a request's body and of the JSON it starts with, as a server reads them. Raises AnswerError."""
    fields = _fields(head.split(b"\r\n")[1:])
    lengths = [fields.get(name.lower().encode(), b"0") for name in ("Content-Length", HEADER_LENGTH)]
    if not all(length.isdigit() for length in lengths):
        raise AnswerError(f"Content-Length and {HEADER_LENGTH} must be whole numbers, not {lengths!r}")
    return int(lengths[0]), int(lengths[1])


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object. Raises AnswerError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"the answer is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise AnswerError("the answer must be a JSON object")
    return value
