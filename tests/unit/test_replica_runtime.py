"""A user's own model is served whatever its layout, its input type and its batch axis."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from harness.replica.runtime import Runtime

SHAPE = (8, 12, 3)
IMAGES = np.random.default_rng(2).integers(0, 256, (3, *SHAPE), np.uint8)


def save(path, shape, datatype=TensorProto.FLOAT):
    """A model that gives back its input, so that a test sees what the model saw."""
    values = [helper.make_tensor_value_info(name, datatype, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "user", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    path.write_bytes(model.SerializeToString())
    return path


def served(path):
    runtime = Runtime(path, SHAPE, max_threads=1, threads=1)
    runtime.open()
    return runtime.infer(IMAGES).outputs[0]


FIRST = IMAGES.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("batch", ["n", 1])
def test_channels_first_floats_between_0_and_1(tmp_path, batch):
    np.testing.assert_allclose(served(save(tmp_path / "m.onnx", [batch, 3, 8, 12])), FIRST / 255, atol=1e-6)


@pytest.mark.parametrize("batch", ["n", 1])
def test_channels_last_floats_between_0_and_1(tmp_path, batch):
    np.testing.assert_allclose(served(save(tmp_path / "m.onnx", [batch, 8, 12, 3])), IMAGES / 255, atol=1e-6)


def test_bytes_as_they_are(tmp_path):
    path = save(tmp_path / "m.onnx", ["n", 8, 12, 3], TensorProto.UINT8)
    np.testing.assert_array_equal(served(path), IMAGES)


def test_batches_are_counted(tmp_path):
    runtime = Runtime(save(tmp_path / "m.onnx", ["n", 3, 8, 12]), SHAPE, max_threads=1, threads=1)
    runtime.open()
    for _ in range(3):
        runtime.infer(IMAGES)
    assert runtime.batches == 3
