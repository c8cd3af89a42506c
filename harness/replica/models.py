"""Models by name or by file: built here from a seed, or the user's own ONNX file, checked.

Runs on the host, where the `onnx` package is; a replica only ever sees the finished file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from harness.cache import cache_dir
from harness.errors import UsageError, unknown_name
from harness.replica.builders import resnet18, tinycnn, yolo_n
from harness.replica.runtime import check_model

SEED = 1


@dataclass(frozen=True, slots=True)
class Builder:
    """How to build a model: a function of (seed, input size in pixels), the size, and one line about it."""

    build: Callable[[int, int], onnx.ModelProto]
    size: int
    about: str


BUILDERS: Mapping[str, Builder] = {
    "resnet18": Builder(resnet18, 224, "residual classifier, 18 layers, 224 x 224, 1.8 G multiply-adds"),
    "yolo-n": Builder(yolo_n, 320, "one-stage detector, n size, 320 x 320, 1.1 G multiply-adds"),
    "tinycnn": Builder(tinycnn, 64, "three convolutions, 64 x 64, under a millisecond; for tests"),
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model ready to be served. `height` and `width` are of its own input, not of the clients' images."""

    path: Path
    name: str
    sha256: str
    height: int
    width: int


def model_file(name_or_path: str) -> ModelFile:
    """The built-in model of this name (built and cached when needed) or the ONNX file at this path.

    Raises UsageError for an unknown name and for a file that cannot serve: not ONNX, not exactly one image input,
    a fixed batch axis other than 1, an output that is not batched.
    """
    if name_or_path in BUILDERS:
        return _built(name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".onnx" and not path.exists():
        raise unknown_name("--model", "model", name_or_path, BUILDERS)
    target = check_model(path)
    return ModelFile(path.resolve(), path.stem, _sha256(path.read_bytes()), target.height, target.width)


def _built(name: str) -> ModelFile:
    """Build every time (under a second) and keep the file under its own hash: a cache that cannot be stale."""
    builder = BUILDERS[name]
    content = builder.build(SEED, builder.size).SerializeToString(deterministic=True)
    sha256 = _sha256(content)
    path = cache_dir() / "models" / f"{name}-{sha256[:16]}.onnx"
    if not path.exists():
        _write_whole(path, content)
    return ModelFile(path, name, sha256, builder.size, builder.size)


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.chmod(0o644)  # a container reads it as another user
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot write the model there ({error.strerror})") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
