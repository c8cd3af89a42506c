"""Write convolutional networks as ONNX graphs, layer by layer, with seeded weights.

Weights are drawn so that signals keep their size from layer to layer (He): values neither overflow nor decay into
denormals, which some CPUs compute many times slower and which would make a random network an unfair stand-in.
Batch normalisation is folded into the convolutions, as every deployed network has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9


class Graph:
    """A network under construction. Every layer takes the name of a tensor and returns the name of its result."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._channels: dict[str, int] = {}
        self._serial = 0

    def declare(self, name: str, channels: int) -> str:
        """Say how many channels a tensor made elsewhere has (the input)."""
        self._channels[name] = channels
        return name

    def channels(self, name: str) -> int:
        """Channels of a tensor."""
        return self._channels[name]

    def constant(self, values: NDArray[Any]) -> str:
        """A constant tensor."""
        name = self._name("w")
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def op(self, kind: str, inputs: Sequence[str], channels: int, **attributes: Any) -> str:
        """Any ONNX operator with one output of `channels` channels."""
        name = self._name(kind.lower())
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return self.declare(name, channels)

    def ops(self, kind: str, inputs: Sequence[str], channels: Sequence[int], **attributes: Any) -> list[str]:
        """Any ONNX operator with several outputs."""
        names = [self._name(kind.lower()) for _ in channels]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return [self.declare(name, n) for name, n in zip(names, channels, strict=True)]

    def conv(self, x: str, out: int, kernel: int = 1, stride: int = 1, gain: float = 2.0**0.5) -> str:
        """Convolution with bias and same padding; `gain` is the factor on 1/sqrt(fan in) of the weights."""
        fan_in = self.channels(x) * kernel * kernel
        shape = (out, self.channels(x), kernel, kernel)
        weight = self._random.standard_normal(shape, np.float32) * np.float32(gain / fan_in**0.5)
        bias = self._random.standard_normal(out, np.float32) * np.float32(0.01)
        pad = [kernel // 2] * 4
        inputs = [x, self.constant(weight), self.constant(bias)]
        return self.op("Conv", inputs, out, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pad)

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.op("Relu", [x], self.channels(x))

    def silu(self, x: str) -> str:
        """x * sigmoid(x)."""
        return self.op("Mul", [x, self.op("Sigmoid", [x], self.channels(x))], self.channels(x))

    def add(self, a: str, b: str) -> str:
        """Elementwise sum."""
        return self.op("Add", [a, b], self.channels(a))

    def concat(self, parts: Sequence[str]) -> str:
        """Channels side by side."""
        return self.op("Concat", parts, sum(self.channels(p) for p in parts), axis=1)

    def max_pool(self, x: str, kernel: int, stride: int = 1) -> str:
        """Largest value in a window, same padding."""
        pads = [kernel // 2] * 4
        shape = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": pads}
        return self.op("MaxPool", [x], self.channels(x), **shape)

    def upsample(self, x: str) -> str:
        """Twice as high and wide, nearest neighbour."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.op("Resize", [x, "", scales], self.channels(x), mode="nearest")

    def dense(self, x: str, out: int) -> str:
        """Fully connected layer on a flat tensor."""
        weight = self._random.standard_normal((self.channels(x), out), np.float32) / np.float32(self.channels(x) ** 0.5)
        return self.op("Gemm", [x, self.constant(weight), self.constant(np.zeros(out, np.float32))], out)

    def model(
        self, name: str, size: tuple[int, int], output: str, output_shape: Sequence[int | str]
    ) -> onnx.ModelProto:
        """The finished model: float32 input `images` [batch, 3, height, width], one float32 output."""
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *size])
        result = helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["batch", *output_shape])
        self._nodes.append(helper.make_node("Identity", [output], ["predictions"], name="predictions"))
        graph = helper.make_graph(self._nodes, name, [image], [result], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sponge-bench")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model

    def _name(self, kind: str) -> str:
        self._serial += 1
        return f"{kind}_{self._serial}"
