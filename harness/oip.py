"""Open Inference Protocol v2 messages with the binary tensor extension: bytes in, values out, no I/O.

A message is a JSON header followed by the raw tensors in the order of their listing. The HTTP header
`Inference-Header-Content-Length` says where the JSON ends. The remaining budget of a request travels as the request
parameter `timeout` in microseconds, the way Triton reads it.

Source: the public Open Inference Protocol specification and its binary data extension.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEADER_LENGTH = "Inference-Header-Content-Length"
DATATYPE_BYTES = {
    "BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2,
    "UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8,
}  # fmt: skip


class ProtocolError(ValueError):
    """The message breaks the protocol; the text says where and which rule."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor with its raw little-endian bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """An infer request or response: id, parameters and tensors."""

    tensors: tuple[Tensor, ...]
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = ""


def tensor_bytes(datatype: str, shape: Sequence[int]) -> int:
    """Bytes a tensor of this type and shape must have. Raises ProtocolError for a type this server cannot carry."""
    if datatype not in DATATYPE_BYTES:
        raise ProtocolError(f"datatype {datatype!r} is not supported; one of {', '.join(DATATYPE_BYTES)}")
    return math.prod(shape) * DATATYPE_BYTES[datatype]


def _entry(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "datatype": tensor.datatype,
        "parameters": {"binary_data_size": len(tensor.data)},
    }


def _join(header: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[int, bytes]:
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text), b"".join([text, *(t.data for t in tensors)])


def encode_request(message: Message) -> tuple[int, bytes]:
    """(length of the JSON header, whole body). Asks for binary outputs."""
    header = {
        "id": message.id,
        "parameters": {**message.parameters, "binary_data_output": True},
        "inputs": [_entry(t) for t in message.tensors],
    }
    return _join(header, message.tensors)


def encode_response(message: Message) -> tuple[int, bytes]:
    """(length of the JSON header, whole body)."""
    header = {
        "model_name": message.model_name,
        "id": message.id,
        "parameters": dict(message.parameters),
        "outputs": [_entry(t) for t in message.tensors],
    }
    return _join(header, message.tensors)


def decode(body: bytes, header_length: str | None, tensors_key: str) -> Message:
    """Parse a request (`tensors_key` "inputs") or a response ("outputs"). Raises ProtocolError.

    Only binary tensors are taken: an image of 300 kB as JSON numbers would measure the JSON parser.
    """
    header, start = _header(body, header_length)
    entries = header.get(tensors_key)
    if not isinstance(entries, list) or not entries:
        raise ProtocolError(f"{tensors_key!r} must be a list of at least one tensor")
    view, tensors = memoryview(body), []
    for entry in entries:
        tensor = _tensor(entry, view, start)
        start += len(tensor.data)
        tensors.append(tensor)
    if start != len(body):
        raise ProtocolError(f"body has {len(body)} bytes but header and tensors take {start}")
    parameters = header.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ProtocolError("'parameters' must be an object")
    return Message(tuple(tensors), str(header.get("id", "")), parameters, str(header.get("model_name", "")))


def _header(body: bytes, header_length: str | None) -> tuple[dict[str, Any], int]:
    if header_length is None:
        raise ProtocolError(f"HTTP header {HEADER_LENGTH} is missing; this server takes binary tensors only")
    if not header_length.isascii() or not header_length.isdigit() or int(header_length) > len(body):
        raise ProtocolError(f"{HEADER_LENGTH} = {header_length!r}; must be 0..{len(body)}, the body's length")
    length = int(header_length)
    try:
        header = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the first {length} bytes are not JSON ({error})") from error
    if not isinstance(header, dict):
        raise ProtocolError("the JSON header must be an object")
    return header, length


def _tensor(entry: Any, view: memoryview, start: int) -> Tensor:
    if not isinstance(entry, dict):
        raise ProtocolError("a tensor must be an object")
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise ProtocolError("a tensor needs the strings 'name' and 'datatype'")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ProtocolError(f"tensor {name!r}: shape = {shape!r}; must be a list of whole numbers >= 0")
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    expected = tensor_bytes(datatype, shape)
    if type(size) is not int or size != expected:
        raise ProtocolError(f"tensor {name!r}: binary_data_size = {size!r}; must be {expected} for this shape")
    if start + size > len(view):
        raise ProtocolError(f"tensor {name!r}: the body ends {start + size - len(view)} bytes early")
    return Tensor(name, datatype, tuple(shape), view[start : start + size])


def timeout_s(parameters: Mapping[str, Any]) -> float | None:
    """The remaining budget in seconds, or None when the request carries none. Raises ProtocolError.

    Zero or negative means the budget is already spent, which is a fact and not a mistake.
    """
    value = parameters.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProtocolError(f"parameter timeout = {value!r}; must be a whole number of microseconds")
    return value / 1e6
