"""From a client's raw image to a model's input: resize, scale, lay out. Its time is part of the service time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Layout = Literal["channels_first", "channels_last"]
CHANNELS = 3


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The one input of a model. `single`: its batch axis is fixed at 1, so images go through one by one."""

    name: str
    layout: Layout
    height: int
    width: int
    floating: bool
    single: bool


def image_input(place: str, name: str, datatype: str, shape: list[Any]) -> ImageInput:
    """What ONNX Runtime says about an input, as an image input. Raises UsageError with the rule it breaks.

    An axis is a number, or a text or None where it is dynamic.
    """
    found = f"{place}: input {name!r} is {datatype} {shape}"
    if datatype not in ("tensor(float)", "tensor(uint8)"):
        raise UsageError(f"{found}; must be float32 or uint8")
    if len(shape) != 4:
        raise UsageError(f"{found}; must have 4 axes: [batch, 3, height, width] or [batch, height, width, 3]")
    batch, *rest = shape
    if isinstance(batch, int) and batch > 1:
        raise UsageError(f"{found}; the batch axis must be dynamic or 1")
    if CHANNELS not in (rest[0], rest[2]):
        raise UsageError(f"{found}; must have {CHANNELS} channels in axis 1 or axis 3")
    layout: Layout = "channels_first" if rest[0] == CHANNELS else "channels_last"
    height, width = rest[1:] if layout == "channels_first" else rest[:2]
    if not all(isinstance(n, int) and n > 0 for n in (height, width)):
        raise UsageError(f"{found}; height and width must be fixed")
    return ImageInput(name, layout, height, width, datatype == "tensor(float)", batch == 1)


class Preprocess:
    """Bilinear resize (half-pixel centres, as ONNX Resize), scaling of 0..255 to 0..1 for float models, layout.

    In numpy and not as a graph in front of the model: a graph is 0.4 ms faster on a 30 ms model, and would have to be
    sewn onto a user's file, whatever its opset (docs/decisions-replica.md).
    """

    def __init__(self, image_shape: tuple[int, int, int], target: ImageInput) -> None:
        height, width, _ = image_shape
        self._target = target
        self._resize = (height, width) != (target.height, target.width)
        self._top, self._bottom, self._down = _taps(height, target.height)
        self._left, self._right, self._across = _taps(width, target.width)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """uint8 [b, height, width, 3] as the model's input array."""
        target = self._target
        planes = (CHANNELS, target.height, target.width)
        out = np.empty((len(images), *planes), np.float32)
        for image, plane in zip(images, out, strict=True):
            self._one(image, plane)
        if target.floating:
            out *= np.float32(1 / 255)
        else:
            out += np.float32(0.5)
        typed = out if target.floating else out.astype(np.uint8)
        return typed if target.layout == "channels_first" else np.ascontiguousarray(typed.transpose(0, 2, 3, 1))

    def _one(self, image: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        if not self._resize:
            out[:] = image.transpose(2, 0, 1)
            return
        rows = image[self._top].astype(np.float32)
        below = image[self._bottom].astype(np.float32)
        below -= rows
        below *= self._down[:, None, None]
        rows += below
        flat = np.ascontiguousarray(rows.transpose(2, 0, 1))
        np.take(flat, self._left, axis=2, out=out, mode="clip")
        step = np.take(flat, self._right, axis=2, mode="clip")
        step -= out
        step *= self._across
        out += step


def _taps(size: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `target` places: the source index before and after it, and how far it lies between them."""
    place = np.clip((np.arange(target) + 0.5) * size / target - 0.5, 0, size - 1)
    before = place.astype(np.intp)
    return before, np.minimum(before + 1, size - 1), (place - before).astype(np.float32)
