"""A model on ONNX Runtime, ready at every thread count up to a limit.

ONNX Runtime fixes the threads of a session when it is made. A session per thread count, made at the start, turns
"change the threads" into choosing another session for the next batch: no load, no pause, nothing in the data path.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from harness.errors import UsageError, bad_value
from harness.replica.image import ImageInput, Preprocess, image_input

MODEL_FAULTS: tuple[type[Exception], ...] = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
DATATYPES = {
    "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(float16)": "FP16", "tensor(int64)": "INT64",
    "tensor(int32)": "INT32", "tensor(int8)": "INT8", "tensor(uint8)": "UINT8", "tensor(bool)": "BOOL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs of one batch, [b, ...] each, and where the time went."""

    outputs: Sequence[NDArray[Any]]
    preprocess_s: float
    compute_s: float
    threads: int


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU. Raises UsageError when the file is not a model it can run.

    Spinning is off: an idle thread that spins burns the CPU quota its own container computes with.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (ort_errors.InvalidArgument, ort_errors.InvalidProtobuf, ort_errors.NoModel) as error:
        raise UsageError(f"{path}: not an ONNX file ({_first_line(error)})") from error
    except MODEL_FAULTS as error:
        raise UsageError(f"{path}: ONNX Runtime cannot load this model ({_first_line(error)})") from error


def session_input(path: Path, session: ort.InferenceSession) -> ImageInput:
    """The model's image input. Raises UsageError when it has not exactly one, or not a usable one."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise UsageError(f"{path}: {len(inputs)} inputs ({names}); must have exactly one, the image")
    return image_input(str(path), inputs[0].name, inputs[0].type, inputs[0].shape)


def check_model(path: Path) -> ImageInput:
    """Load a model, run a batch of two through it, and return its input. Raises UsageError with the reason."""
    session = open_session(path, 1)
    target = session_input(path, session)
    for output in session.get_outputs():
        if output.type not in DATATYPES:
            raise UsageError(f"{path}: output {output.name!r} is {output.type}; one of {', '.join(DATATYPES)}")
    shape = (2, target.height, target.width, 3)
    try:
        outputs = _run(session, target, Preprocess(shape[1:], target)(np.zeros(shape, np.uint8)))
    except MODEL_FAULTS as error:
        raise UsageError(f"{path}: a batch of 2 black images fails ({_first_line(error)})") from error
    for output in outputs:
        if not isinstance(output, np.ndarray) or output.ndim == 0 or len(output) != 2:
            shown = getattr(output, "shape", type(output).__name__)
            raise UsageError(f"{path}: a batch of 2 gives an output of shape {shown}; its first axis must be the batch")
    return target


class Runtime:
    """Serves batches on the calling thread. Not safe for two callers at once: a replica serves one batch at a time."""

    def __init__(self, path: Path, image_shape: tuple[int, int, int], max_threads: int, threads: int) -> None:
        self.path = path
        self.image_shape = image_shape
        self.max_threads = max_threads
        self.threads = self.checked_threads(threads)
        self.batches = 0
        self._sessions: dict[int, ort.InferenceSession] = {}

    def open(self) -> None:
        """Load the model once per thread count and warm every session up with one image. Raises UsageError."""
        self._sessions = {n: open_session(self.path, n) for n in range(1, self.max_threads + 1)}
        self._target = session_input(self.path, self._sessions[1])
        self._preprocess = Preprocess(self.image_shape, self._target)
        image = np.zeros((1, *self.image_shape), np.uint8)
        for session in self._sessions.values():
            _run(session, self._target, self._preprocess(image))

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """Name, datatype and shape (-1 where dynamic) of every output, as the protocol's metadata shows them."""
        return [
            {"name": o.name, "datatype": DATATYPES[o.type], "shape": [n if isinstance(n, int) else -1 for n in o.shape]}
            for o in self._sessions[1].get_outputs()
        ]

    def checked_threads(self, threads: object) -> int:
        """`threads` if it is a whole number within 1..max_threads. Raises UsageError."""
        if type(threads) is not int or not 1 <= threads <= self.max_threads:
            raise bad_value("replica", "threads", threads, f"must be a whole number within 1..{self.max_threads}")
        return threads

    def infer(self, images: NDArray[np.uint8]) -> Result:
        """Serve uint8 [b, height, width, 3] as one batch with the threads set now."""
        threads = self.threads
        begun_s = time.monotonic()
        batch = self._preprocess(images)
        ready_s = time.monotonic()
        outputs = _run(self._sessions[threads], self._target, batch)
        done_s = time.monotonic()
        self.batches += 1
        return Result(outputs, ready_s - begun_s, done_s - ready_s, threads)


def _run(session: ort.InferenceSession, target: ImageInput, batch: NDArray[Any]) -> list[NDArray[Any]]:
    if not target.single or len(batch) == 1:
        outputs: list[NDArray[Any]] = session.run(None, {target.name: batch})
        return outputs
    each = [session.run(None, {target.name: batch[k : k + 1]}) for k in range(len(batch))]
    return [np.concatenate(parts) for parts in zip(*each, strict=True)]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
