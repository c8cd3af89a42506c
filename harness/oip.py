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
from reprlib import repr as shown  # what a stranger sent can be long, or deeply nested
from typing import Any

HEADER_LENGTH = "Inference-Header-Content-Length"
DATATYPE_BYTES = {
    "BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2,
    "UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8,
}  # fmt: skip
MOST_AXES = 16
LONGEST_AXIS = 2**31 - 1
LONGEST_TIMEOUT_US = 2**63 - 1
LENGTH_DIGITS = 12


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
        raise ProtocolError(f"datatype {shown(datatype)} is not supported; one of {', '.join(DATATYPE_BYTES)}")
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
    return Message(tuple(tensors), _text(header, "id"), parameters, _text(header, "model_name"))


def _header(body: bytes, header_length: str | None) -> tuple[dict[str, Any], int]:
    if header_length is None:
        raise ProtocolError(f"HTTP header {HEADER_LENGTH} is missing; this server takes binary tensors only")
    digits = header_length.isascii() and header_length.isdigit() and len(header_length) <= LENGTH_DIGITS
    if not digits or int(header_length) > len(body):
        raise ProtocolError(f"{HEADER_LENGTH} = {shown(header_length)}; must be 0..{len(body)}, the body's length")
    length = int(header_length)
    try:
        header = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the first {length} bytes are not JSON ({error})") from error
    if not isinstance(header, dict):
        raise ProtocolError("the JSON header must be an object")
    return header, length


def _text(header: Mapping[str, Any], key: str) -> str:
    value = header.get(key, "")
    if not isinstance(value, str):
        raise ProtocolError(f"{key} = {shown(value)}; must be a string")
    return value


def _tensor(entry: Any, view: memoryview, start: int) -> Tensor:
    if not isinstance(entry, dict):
        raise ProtocolError("a tensor must be an object")
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise ProtocolError("a tensor needs the strings 'name' and 'datatype'")
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n <= LONGEST_AXIS for n in shape):
        raise ProtocolError(f"tensor {shown(name)}: shape = {shown(shape)}; must be a list of whole numbers >= 0")
    if len(shape) > MOST_AXES:
        raise ProtocolError(f"tensor {shown(name)}: shape has {len(shape)} axes; must be at most {MOST_AXES}")
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    expected = tensor_bytes(datatype, shape)
    if type(size) is not int or size != expected:
        raise ProtocolError(
            f"tensor {shown(name)}: binary_data_size = {shown(size)}; must be {expected} for this shape"
        )
    if start + size > len(view):
        raise ProtocolError(f"tensor {shown(name)}: the body ends {start + size - len(view)} bytes early")
    return Tensor(name, datatype, tuple(shape), view[start : start + size])


def timeout_s(parameters: Mapping[str, Any]) -> float | None:
    """The remaining budget in seconds, or None when the request carries none. Raises ProtocolError.

    Zero or negative means the budget is already spent, which is a fact and not a mistake.
    """
    value = parameters.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LONGEST_TIMEOUT_US:
        raise ProtocolError(f"parameter timeout = {shown(value)}; must be a whole number of microseconds in 64 bits")
    return value / 1e6
