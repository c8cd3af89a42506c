"""The harness' side of the gateway's control API (docs/protocol.md): small, synchronous, one connection a call."""

from __future__ import annotations

import http.client
import json
import select
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.errors import BenchError

CALL_TIMEOUT_S = 10.0
LOOK_S = 0.2


def _nothing() -> None:
    return


class GatewayControl:
    """Calls one gateway. Every method raises BenchError with what was asked and what went wrong."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

    def is_live(self) -> bool:
        """Whether the gateway answers at all."""
        try:
            self._call("GET", "/v2/health/live", None, CALL_TIMEOUT_S, _nothing)
        except (OSError, http.client.HTTPException, BenchError):
            return False
        return True

    def clock_s(self) -> float:
        """The gateway's monotonic clock."""
        return float(self.call("GET", "/control/clock")["monotonic_s"])

    def set_batch_size(self, batch_size: int) -> None:
        """Change the largest batch the engine may form."""
        self.call("PATCH", "/control/engine", {"batch_size": batch_size})

    def put_replica(
        self,
        name: str,
        fields: Mapping[str, Any],
        timeout_s: float = CALL_TIMEOUT_S,
        while_waiting: Callable[[], None] = _nothing,
    ) -> None:
        """Let a replica join (the gateway answers once it is ready) or update it: `url`, `cores`, `threads`.

        while_waiting: called several times a second; what it raises ends the waiting.
        """
        self.call("PUT", f"/control/replicas/{name}", fields, timeout_s, while_waiting)

    def drain_replica(self, name: str) -> None:
        """Give a replica no more work."""
        self.call("DELETE", f"/control/replicas/{name}")

    def replica_names(self) -> set[str]:
        """The replicas the gateway knows, also those that still drain."""
        return {replica["name"] for replica in self.call("GET", "/control/observation")["replicas"]}

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        while_waiting: Callable[[], None] = _nothing,
    ) -> dict[str, Any]:
        """One request, its JSON answer."""
        try:
            return self._call(method, path, body, timeout_s, while_waiting)
        except (OSError, http.client.HTTPException) as error:
            text = str(error) or type(error).__name__
            raise BenchError(f"gateway {self.url}: {method} {path}: {text}") from error

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout_s: float,
        while_waiting: Callable[[], None],
    ) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            _wait_readable(connection, time.monotonic() + timeout_s, while_waiting)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        value = _json_object(answer)
        if response.status >= 400:
            reason = value.get("error", answer[:200].decode(errors="replace"))
            raise BenchError(f"gateway {self.url}: {method} {path}: HTTP {response.status}: {reason}")
        return value


def _wait_readable(
    connection: http.client.HTTPConnection, deadline_s: float, while_waiting: Callable[[], None]
) -> None:
    while not select.select([connection.sock], [], [], LOOK_S)[0]:
        while_waiting()
        if time.monotonic() > deadline_s:
            raise TimeoutError("no answer in time")


def _json_object(answer: bytes) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
