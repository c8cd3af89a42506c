"""The gateway as a program: what it may import, how it refuses to start, that it starts."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from harness.errors import UsageError
from harness.serve.__main__ import parsed

HOST_ONLY = ("onnx", "onnxruntime", "pandas", "pyarrow", "scipy", "docker", "locust", "typer", "rich", "pulp")
CONFIG = {
    "model_name": "tiny",
    "image_shape": [2, 2, 3],
    "engine": {"batch_size": 2},
    "latency": {"gamma_s": 0.01, "delta_s": 0.0, "epsilon_s": 0.0, "eta_s": 0.0},
    "default_budget_s": 1.0,
}


def without(key):
    return {k: v for k, v in CONFIG.items() if k != key}


BAD = [
    ("{", "not valid JSON"),
    ("[1]", "must be a JSON object"),
    (json.dumps(CONFIG | {"modelname": "x"}), "unknown key 'modelname'; did you mean 'model_name'?"),
    (json.dumps(without("latency")), "latency is missing"),
    (json.dumps(without("model_name")), "model_name is missing"),
    (json.dumps(CONFIG | {"image_shape": [2, 2]}), "image_shape = [2, 2]; must have 3 values"),
    (json.dumps(CONFIG | {"image_shape": [0, 2, 3]}), "image_shape = [0, 2, 3]; must be three whole numbers > 0"),
    (json.dumps(CONFIG | {"window_s": 0}), "window_s = 0.0; must be > 0"),
    (json.dumps(CONFIG | {"default_budget_s": float("nan")}), "default_budget_s = nan; must be a finite number"),
    (json.dumps(CONFIG | {"engine": {"order": "lifo"}}), "engine: order = 'lifo'; one of edf, fifo"),
    (json.dumps(CONFIG | {"engine": {"batch_size": 0}}), "engine: batch_size = 0; must be a whole number"),
    (json.dumps(CONFIG | {"latency": {"gamma_s": 1.0}}), "latency model: missing keys"),
]


def command(config, port):
    return [sys.executable, "-m", "harness.serve", "--port", str(port), "--config", config]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(("text", "told"), BAD[:-1], ids=[told for _, told in BAD[:-1]])
def test_a_bad_configuration_is_refused_with_place_value_and_rule(text, told):
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert str(caught.value).startswith("gateway: --config: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("at", [0, -1])
def test_the_program_says_so_in_one_line_and_ends_with_exit_code_2(at):
    text, told = BAD[at]
    ended = subprocess.run(command(text, free_port()), capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.count("\n"), told in ended.stderr) == (2, 1, True)


def test_a_taken_port_is_one_line_and_exit_code_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = command(json.dumps(CONFIG), taken.getsockname()[1])
        ended = subprocess.run(ran, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.count("\n"), "cannot listen there" in ended.stderr) == (2, 1, True)


def test_a_good_configuration_is_taken_as_it_is():
    assert parsed(json.dumps(CONFIG)) == CONFIG


def test_without_engine_settings_the_defaults_serve():
    assert parsed(json.dumps(without("engine")))["engine"] == {}


def test_the_gateway_imports_only_what_the_image_carries():
    code = (
        f"import sys, json, harness.serve.__main__\nprint(json.dumps([m for m in {HOST_ONLY!r} if m in sys.modules]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == []


def test_it_starts_answers_and_ends_when_told_to():
    port = free_port()
    process = subprocess.Popen(command(json.dumps(CONFIG), port))
    try:
        wait_until_live(process, port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def wait_until_live(process, port):
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/live", timeout=5):
                return
        except urllib.error.URLError:
            continue
    raise AssertionError(f"the gateway ended with {process.returncode}")
