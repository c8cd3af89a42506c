"""The way from the gateway to its replicas: HTTP connections, kept open, one session for all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import aiohttp

from harness.oip import HEADER_LENGTH, Message, ProtocolError, Tensor, decode, encode_request
from harness.serve.station import Image, ReplicaError

ANSWER_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0
CALL_FAULTS = (aiohttp.ClientError, asyncio.TimeoutError, ProtocolError, OSError)


class HttpReplicas:
    """Replicas by name and URL. Implements `Transport`."""

    def __init__(self, model_name: str, image_shape: tuple[int, int, int]) -> None:
        self._model_name = model_name
        self._image_shape = image_shape
        self._urls: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session. No limit on connections: the engine limits what is in flight."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session."""
        if self._session is None:
            raise RuntimeError("HttpReplicas.open() has not been awaited")
        return self._session

    def url(self, name: str) -> str | None:
        """Where the replica of this name is, or was; None when none ever joined."""
        return self._urls.get(name)

    async def join(self, name: str, url: str) -> None:
        """Wait until the replica at `url` is ready and remember it, in place of an earlier one of that name.

        Raises ReplicaError when it does not become ready.
        """
        deadline_s = asyncio.get_running_loop().time() + READY_TIMEOUT_S
        while not await self._ready(url):
            if asyncio.get_running_loop().time() > deadline_s:
                raise ReplicaError(f"{name} at {url} was not ready within {READY_TIMEOUT_S:.0f} s")
            await asyncio.sleep(0.05)
        self._urls[name] = url

    async def set_threads(self, name: str, threads: int) -> None:
        """Tell a replica how many compute threads to use. Raises ReplicaError."""
        url = f"{self._urls[name]}/control/threads"
        try:
            async with self.session.put(url, json={"threads": threads}) as response:
                if response.status != 200:
                    raise ReplicaError(f"{name}: set threads to {threads}: HTTP {response.status}")
        except CALL_FAULTS as error:
            raise ReplicaError(f"{name}: set threads to {threads}: {_text(error)}") from error

    async def send(self, replica: str, images: Sequence[Image]) -> Sequence[Message]:
        """Serve images as one batch; one message per image, in order. Raises ReplicaError."""
        shape = (len(images), *self._image_shape)
        tensor = Tensor("image", "UINT8", shape, b"".join(images))
        length, body = encode_request(Message((tensor,)))
        url = f"{self._urls[replica]}/v2/models/{self._model_name}/infer"
        headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        try:
            async with self.session.post(url, data=BytesIO(body), headers=headers) as response:
                answer = await response.read()
                if response.status != 200:
                    raise ReplicaError(f"{replica}: HTTP {response.status}: {answer[:200].decode(errors='replace')}")
                return split(decode(answer, response.headers.get(HEADER_LENGTH), "outputs"), len(images))
        except CALL_FAULTS as error:
            raise ReplicaError(f"{replica}: {_text(error)}") from error

    async def _ready(self, url: str) -> bool:
        try:
            async with self.session.get(f"{url}/v2/health/ready") as response:
                return response.status == 200
        except CALL_FAULTS:
            return False


def split(message: Message, images: int) -> list[Message]:
    """A batched answer as one message per image. Raises ProtocolError when a tensor is not batched by `images`."""
    for tensor in message.tensors:
        if not tensor.shape or tensor.shape[0] != images:
            raise ProtocolError(f"output {tensor.name!r} has shape {tensor.shape}; first axis must be {images}")
    parts = [[_part(tensor, k, images) for tensor in message.tensors] for k in range(images)]
    return [Message(tuple(tensors), parameters=_plain(message.parameters)) for tensors in parts]


def _part(tensor: Tensor, k: int, images: int) -> Tensor:
    size = len(tensor.data) // images
    return Tensor(tensor.name, tensor.datatype, (1, *tensor.shape[1:]), tensor.data[k * size : (k + 1) * size])


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if isinstance(value, str | int | float | bool)}


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
