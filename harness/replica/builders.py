"""Networks of different cost, built here: what they compute is random, how much they compute is not.

A new one is one function `name(seed, size) -> ModelProto` and one line in the table of `harness.replica.models`.
"""

from __future__ import annotations

import numpy as np
import onnx

from harness.replica.graph import Graph


def resnet18(seed: int, size: int) -> onnx.ModelProto:
    """Residual network of 18 layers, 1000 classes; 1.8 G multiply-adds at 224 x 224.

    Structure: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1.
    """
    g = Graph(seed)
    x = g.relu(g.conv(g.declare("images", 3), 64, kernel=7, stride=2))
    x = g.max_pool(x, 3, 2)
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = _residual(g, x, width, stride)
        x = _residual(g, x, width, 1)
    x = g.op("GlobalAveragePool", [x], 512)
    x = g.op("Flatten", [x], 512)
    return g.model("resnet18", (size, size), g.dense(x, 1000), [1000])


def _residual(g: Graph, x: str, width: int, stride: int) -> str:
    y = g.relu(g.conv(x, width, 3, stride))
    y = g.conv(y, width, 3, gain=0.5)
    if stride != 1 or g.channels(x) != width:
        x = g.conv(x, width, 1, stride, gain=1.0)
    return g.relu(g.add(x, y))


def yolo_n(seed: int, size: int) -> onnx.ModelProto:
    """One-stage detector, n size: cross-stage backbone, pyramid up and down, three heads, the best 100 boxes.

    Output [batch, 100, 6]: centre x, centre y, width, height, score, class. Structure in the manner of YOLOv8-n
    (widths 16..256, depths 1, 2, 2, 1).
    """
    g = Graph(seed)
    x = _unit(g, g.declare("images", 3), 16, 3, 2)
    x = _cross_stage(g, _unit(g, x, 32, 3, 2), 32, 1)
    p3 = _cross_stage(g, _unit(g, x, 64, 3, 2), 64, 2)
    p4 = _cross_stage(g, _unit(g, p3, 128, 3, 2), 128, 2)
    p5 = _pyramid_pool(g, _cross_stage(g, _unit(g, p4, 256, 3, 2), 256, 1))
    n4 = _cross_stage(g, g.concat([g.upsample(p5), p4]), 128, 1, shortcut=False)
    n3 = _cross_stage(g, g.concat([g.upsample(n4), p3]), 64, 1, shortcut=False)
    m4 = _cross_stage(g, g.concat([_unit(g, n3, 64, 3, 2), n4]), 128, 1, shortcut=False)
    m5 = _cross_stage(g, g.concat([_unit(g, m4, 128, 3, 2), p5]), 256, 1, shortcut=False)
    boxes = g.op("Concat", [_head(g, x, 64, 4) for x in (n3, m4, m5)], 4, axis=2)
    classes = g.op("Concat", [_head(g, x, 80, 80) for x in (n3, m4, m5)], 80, axis=2)
    return g.model("yolo-n", (size, size), _best_boxes(g, boxes, classes, 100), [100, 6])


def _unit(g: Graph, x: str, width: int, kernel: int = 1, stride: int = 1) -> str:
    return g.silu(g.conv(x, width, kernel, stride, gain=1.7))


def _cross_stage(g: Graph, x: str, width: int, depth: int, *, shortcut: bool = True) -> str:
    """Half of the channels pass through `depth` bottlenecks; every stage of the way is kept and mixed at the end."""
    half = width // 2
    parts = g.ops("Split", [_unit(g, x, width)], [half, half], axis=1, num_outputs=2)
    for _ in range(depth):
        y = _unit(g, _unit(g, parts[-1], half, 3), half, 3)
        parts.append(g.add(parts[-1], y) if shortcut else y)
    return _unit(g, g.concat(parts), width)


def _pyramid_pool(g: Graph, x: str) -> str:
    """Three max pools in a row, seen together: a wide view for the price of narrow windows."""
    width = g.channels(x)
    parts = [_unit(g, x, width // 2)]
    for _ in range(3):
        parts.append(g.max_pool(parts[-1], 5))
    return _unit(g, g.concat(parts), width)


def _head(g: Graph, x: str, width: int, out: int) -> str:
    """Predictions of one scale as [batch, out, places]."""
    y = g.conv(_unit(g, _unit(g, x, width, 3), width, 3), out, gain=1.0)
    return g.op("Reshape", [y, g.constant(np.array([0, out, -1], np.int64))], out)


def _best_boxes(g: Graph, boxes: str, classes: str, count: int) -> str:
    """The `count` places with the highest class score, best first."""
    axis = g.constant(np.array([1], np.int64))
    score = g.op("ReduceMax", [g.op("Sigmoid", [classes], 80), axis], 1, keepdims=1)
    label = g.op("Cast", [g.op("ArgMax", [classes], 1, axis=1, keepdims=1)], 1, to=onnx.TensorProto.FLOAT)
    table = g.op("Transpose", [g.concat([boxes, score, label])], 6, perm=[0, 2, 1])
    best = g.ops("TopK", [score, g.constant(np.array([count], np.int64))], [1, 1], axis=2)[1]
    best = g.op("Transpose", [best], 1, perm=[0, 2, 1])
    return g.op("GatherElements", [table, g.op("Expand", [best, _wide(g, count)], 6)], 6, axis=1)


def _wide(g: Graph, count: int) -> str:
    return g.constant(np.array([1, count, 6], np.int64))


def tinycnn(seed: int, size: int) -> onnx.ModelProto:
    """Three convolutions and ten classes: under a millisecond, for tests of everything but the model."""
    g = Graph(seed)
    x = g.relu(g.conv(g.declare("images", 3), 8, 3, 2))
    x = g.relu(g.conv(x, 16, 3, 2))
    x = g.relu(g.conv(x, 32, 3, 2))
    x = g.op("Flatten", [g.op("GlobalAveragePool", [x], 32)], 32)
    return g.model("tinycnn", (size, size), g.dense(x, 10), [10])
