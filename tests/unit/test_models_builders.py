"""Models are built the same every time, cached, and a user's own file is checked before anything starts."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from harness.errors import UsageError
from harness.replica import models
from harness.replica.builders import resnet18, tinycnn, yolo_n
from harness.replica.models import model_file

SMALL = [(resnet18, 64), (yolo_n, 96), (tinycnn, 32)]
ROW_SHAPES = {resnet18: (1000,), yolo_n: (100, 6), tinycnn: (10,)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of our own."""
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(path, shape, *, output_shape=None, datatype=TensorProto.FLOAT, inputs=1, op="Abs"):
    """A model of one operator per input, as a user might bring it."""
    names = [f"in{k}" for k in range(inputs)]
    nodes = [helper.make_node(op, [name], [f"out_{name}"]) for name in names]
    takes = [helper.make_tensor_value_info(name, datatype, shape) for name in names]
    gives = [helper.make_tensor_value_info(f"out_{name}", datatype, output_shape or shape) for name in names]
    graph = helper.make_graph(nodes, "user", takes, gives)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    path.write_bytes(model.SerializeToString())
    return str(path)


def run(model, images):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


@pytest.mark.parametrize(("build", "size"), SMALL)
def test_the_same_seed_gives_the_same_bytes(build, size):
    assert build(3, size).SerializeToString() == build(3, size).SerializeToString()


@pytest.mark.parametrize(("build", "size"), SMALL)
def test_another_seed_gives_other_bytes(build, size):
    assert build(3, size).SerializeToString() != build(4, size).SerializeToString()


@pytest.mark.parametrize(("build", "size"), SMALL)
def test_an_image_gives_the_same_result_alone_and_in_a_batch(build, size):
    images, model = np.random.default_rng(0).random((3, 3, size, size), np.float32), build(1, size)
    together = run(model, images)
    alone = np.concatenate([run(model, images[k : k + 1]) for k in range(3)])
    assert together.shape == (3, *ROW_SHAPES[build])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("build", "size"), SMALL)
def test_signals_keep_a_sane_size_through_the_network(build, size):
    result = run(build(1, size), np.random.default_rng(0).random((1, 3, size, size), np.float32))
    assert 1e-3 < np.abs(result).max() < 1e4


def test_the_detector_returns_its_best_boxes_best_first():
    result = run(yolo_n(1, 96), np.random.default_rng(0).random((1, 3, 96, 96), np.float32))
    scores = result[0, :, 4]
    assert np.all(np.diff(scores) <= 0)


def test_a_built_model_is_cached_under_its_hash(cache):
    found = model_file("tinycnn")
    assert found.path == cache / "models" / f"tinycnn-{found.sha256[:16]}.onnx"


def test_a_cached_model_is_not_written_again():
    before = model_file("tinycnn").path.stat().st_mtime_ns
    assert model_file("tinycnn").path.stat().st_mtime_ns == before


def test_a_container_may_read_the_model_as_another_user():
    assert model_file("tinycnn").path.stat().st_mode & 0o004


def test_every_builder_has_a_line_about_it():
    assert all(builder.about for builder in models.BUILDERS.values())


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(UsageError, match="--model: unknown model 'resnet-18'; did you mean 'resnet18'"):
        model_file("resnet-18")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="file/models: cannot write the model there"):
        model_file("tinycnn")


@pytest.mark.parametrize("shape", [["n", 3, 32, 48], [1, 3, 32, 48], ["n", 32, 48, 3], [None, 3, 32, 48]])
def test_the_users_model_is_taken_in_either_layout_and_with_batch_one(tmp_path, shape):
    found = model_file(save(tmp_path / "mine.onnx", shape))
    assert (found.name, found.height, found.width) == ("mine", 32, 48)


def test_a_users_model_that_takes_bytes_is_taken(tmp_path):
    path = save(tmp_path / "m.onnx", ["n", 32, 48, 3], datatype=TensorProto.UINT8)
    assert model_file(path).height == 32


@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        ([4, 3, 32, 32], "the batch axis must be dynamic or 1"),
        (["n", 1, 32, 32], "must have 3 channels in axis 1 or axis 3"),
        (["n", 3, "h", "w"], "height and width must be fixed"),
        (["n", 3, 32], "must have 4 axes"),
    ],
)
def test_a_users_model_with_another_input_is_refused(tmp_path, shape, rule):
    with pytest.raises(UsageError, match=rule):
        model_file(save(tmp_path / "m.onnx", shape))


def test_a_users_model_of_doubles_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"tensor\(double\).*must be float32 or uint8"):
        model_file(save(tmp_path / "m.onnx", ["n", 3, 32, 32], datatype=TensorProto.DOUBLE))


def test_a_users_model_with_two_inputs_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"2 inputs \(in0, in1\); must have exactly one"):
        model_file(save(tmp_path / "m.onnx", ["n", 3, 32, 32], inputs=2))


def test_a_users_model_whose_output_is_not_batched_is_refused(tmp_path):
    with pytest.raises(UsageError, match="its first axis must be the batch"):
        model_file(save(tmp_path / "m.onnx", ["n", 3, 32, 32], output_shape=[1, 1, 1, 1], op="ReduceSum"))


@pytest.mark.parametrize("content", [b"", b"this is a text", b"<html></html>", bytes(100)])
def test_a_file_that_is_not_onnx_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.onnx: not an ONNX file"):
        model_file(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.onnx: no such file"):
        model_file(str(tmp_path / "gone.onnx"))
