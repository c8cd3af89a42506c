"""The raw image becomes the model's input the way ONNX Resize would make it."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.replica.image import ImageInput, Preprocess

RAW = np.random.default_rng(5).integers(0, 256, (2, 25, 40, 3), np.uint8)


def target(height, width, *, layout="channels_first", floating=True):
    return ImageInput("x", layout, height, width, floating, single=False)


def onnx_resize(images, height, width):
    """Bilinear resize by ONNX Runtime, [b, 3, height, width] in 0..255."""
    sizes = numpy_helper.from_array(np.array([len(images), 3, height, width], np.int64), "sizes")
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear")
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    graph = helper.make_graph([node], "resize", floats[:1], floats[1:], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images.transpose(0, 3, 1, 2).astype(np.float32)})[0]


@pytest.mark.parametrize(("height", "width"), [(10, 10), (25, 20), (50, 80), (31, 57), (1, 1)])
def test_resizing_agrees_with_onnx_resize(height, width):
    made = Preprocess((25, 40, 3), target(height, width))(RAW)
    np.testing.assert_allclose(made, onnx_resize(RAW, height, width) / 255, atol=1e-5)


def test_an_image_of_the_right_size_is_only_scaled_and_laid_out():
    made = Preprocess((25, 40, 3), target(25, 40))(RAW)
    np.testing.assert_allclose(made, RAW.transpose(0, 3, 1, 2) / 255, atol=1e-6)


def test_a_model_with_channels_last_gets_them_last():
    first = Preprocess((25, 40, 3), target(10, 12))(RAW)
    last = Preprocess((25, 40, 3), target(10, 12, layout="channels_last"))(RAW)
    np.testing.assert_array_equal(last, first.transpose(0, 2, 3, 1))


def test_a_model_that_takes_bytes_gets_the_nearest_bytes():
    made = Preprocess((25, 40, 3), target(10, 12, floating=False))(RAW)
    expected = onnx_resize(RAW, 10, 12)
    assert made.dtype == np.uint8
    assert np.abs(made - expected).max() <= 0.501
