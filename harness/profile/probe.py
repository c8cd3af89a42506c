"""Makes a gateway serve batches of exactly the size wanted, one at a time, and reads how long each took."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import numpy as np

from harness.backends.gateway import GatewayControl
from harness.errors import BenchError
from harness.oip import HEADER_LENGTH, Message, ProtocolError, Tensor, decode, encode_request

BUDGET_US = 600_000_000  # nothing is late and nothing is dropped while we measure
FILL_TIMEOUT_S = 5.0  # a batch that has not filled by then is a fault, not a measurement
ANSWER_TIMEOUT_S = 60.0
MOST_AT_ONCE = 64  # the largest batch a replica takes
SETTINGS: Mapping[str, Any] = {"close": "timeout", "timeout_s": FILL_TIMEOUT_S, "drop": "never"}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one batch took, and how many compute threads it had."""

    service_s: float
    preprocess_s: float
    compute_s: float
    threads: int


class Probe(Protocol):
    """Serves batches. The backend has been told the batch size before."""

    def serve(self, batch: int) -> Timing:
        """Have one batch of this size served. Raises BenchError."""


class GatewayProbe:
    """A probe of a running gateway. Use as a context manager: leaving restores the engine's settings."""

    def __init__(self, url: str, model_name: str, image_shape: tuple[int, int, int]) -> None:
        self._control = GatewayControl(url)
        parts = urlsplit(url)
        self._place = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = f"/v2/models/{model_name}/infer"
        self._image_shape = image_shape
        self._connections: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        pixels = np.random.default_rng(0).integers(0, 256, self._image_shape, np.uint8).tobytes()
        tensor = Tensor("image", "UINT8", (1, *self._image_shape), pixels)
        self._length, self._body = encode_request(Message((tensor,), "profile", {"timeout": BUDGET_US}))
        before = self._control.call("PATCH", "/control/engine", {})
        self._before = {key: before[key] for key in (*SETTINGS, "batch_size")}
        self._control.call("PATCH", "/control/engine", SETTINGS)
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="probe")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()
        if error is None:
            self._control.call("PATCH", "/control/engine", self._before)

    def serve(self, batch: int) -> Timing:
        """Send `batch` requests at once and wait for their answers. Raises BenchError unless they made one batch."""
        self._connect(batch)
        answers = list(self._pool.map(self._post, self._connections[:batch]))
        formed = {(a["batch_id"], a["batch_size"]) for a in answers}
        if len(formed) != 1 or answers[0]["batch_size"] != batch:
            sizes = sorted(size for _, size in formed)
            raise BenchError(f"profile: asked the gateway for a batch of {batch}, it formed {sizes}")
        return _timing(answers)

    def _connect(self, count: int) -> None:
        while len(self._connections) < count:
            self._connections.append(http.client.HTTPConnection(*self._place, timeout=ANSWER_TIMEOUT_S))

    def _post(self, connection: http.client.HTTPConnection) -> Mapping[str, Any]:
        headers = {HEADER_LENGTH: str(self._length), "Content-Type": "application/octet-stream"}
        try:
            connection.request("POST", self._path, self._body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                reason = answer[:200].decode(errors="replace")
                raise BenchError(f"profile: {self._path}: HTTP {response.status}: {reason}")
            return decode(answer, response.headers.get(HEADER_LENGTH), "outputs").parameters
        except (OSError, http.client.HTTPException, ProtocolError) as error:
            raise BenchError(f"profile: {self._path}: {str(error) or type(error).__name__}") from error


def _timing(answers: Sequence[Mapping[str, Any]]) -> Timing:
    first = answers[0]
    try:
        return Timing(
            service_s=first["finished_monotonic_s"] - first["started_monotonic_s"],
            preprocess_s=first["preprocess_s"],
            compute_s=first["compute_s"],
            threads=first["threads"],
        )
    except KeyError as error:
        raise BenchError(f"profile: the gateway's answer lacks {error}") from error
