"""The replica as a program: what it may import, how it refuses to start, how it ends."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from harness.replica.models import model_file

HOST_ONLY = ("onnx", "pandas", "pyarrow", "scipy", "docker", "locust", "typer", "rich", "matplotlib", "pulp")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPONGE_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return str(model_file("tinycnn").path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(*arguments):
    return [sys.executable, "-m", "harness.replica", "--image-shape", "24,40,3", *arguments]


def refused(*arguments):
    """Exit code and the one line on standard error."""
    ended = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stderr


def test_the_replica_imports_only_what_the_image_carries():
    code = (
        f"import sys, json, harness.replica.__main__\nprint(json.dumps([m for m in {HOST_ONLY!r} if m in sys.modules]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == []


@pytest.fixture
def served(tiny):
    """A running replica and its port, once it answers."""
    port = free_port()
    process = subprocess.Popen(command("--port", str(port), "--model", tiny, "--max-threads", "2"))
    try:
        wait_until_ready(process, port)
        yield process, port
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process, port):
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                return
        except urllib.error.URLError:
            continue
    raise AssertionError(f"the replica ended with {process.returncode}")


def test_it_ends_cleanly_when_terminated(served):
    process, _ = served
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def test_a_taken_port_is_one_line_and_exit_2(served, tiny):
    _, port = served
    code, text = refused("--port", str(port), "--model", tiny)
    assert code == 2
    assert text.startswith(f"127.0.0.1:{port}: cannot listen there (")


def test_a_file_that_is_not_onnx_is_one_line_and_exit_2(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("not a model")
    code, text = refused("--model", str(path))
    assert (code, text.count("\n")) == (2, 1)
    assert "model.onnx: not an ONNX file" in text


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--image-shape", "24,40"), "must be HEIGHT,WIDTH,3"),
        (("--image-shape", "0,40,3"), "must be HEIGHT,WIDTH,3"),
        (("--max-threads", "0"), "must be >= 1"),
        (("--threads", "2"), "must be a whole number within 1..1"),
    ],
)
def test_an_argument_out_of_range_is_one_line_and_exit_2(tiny, arguments, rule):
    code, text = refused("--model", tiny, *arguments)
    assert (code, text.count("\n")) == (2, 1)
    assert rule in text
