"""What all tests share: a small service to run for real, a simulated run, and the rule for tests that need a program.

Docker tests are skipped where no engine answers, and fail there when SPONGE_BENCH_REQUIRE_DOCKER is set; so with
browser tests, where there is no Chromium, and SPONGE_BENCH_REQUIRE_BROWSER.
"""

import json
import os
import secrets
import shutil
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.backends.containers import engine_reason
from harness.oip import HEADER_LENGTH, Message, Tensor, decode, encode_request
from harness.replica.models import model_file
from harness.run.bench import RunRequest, prepare
from harness.run.simulated import run_simulated
from harness.run.twin_model import twin_model
from harness.scenario import load_scenario
from harness.types import Service
from systems import SYSTEMS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
IMAGE_SHAPE = (32, 32, 3)


def first_program(names: tuple[str, ...]) -> str | None:
    """The path of the first of these programs that is there."""
    return next((path for name in names if (path := shutil.which(name))), None)


@cache
def no_engine_because() -> str | None:
    return engine_reason()


def no_browser_because() -> str | None:
    missing = [names[0] for names in (BROWSERS, DRIVERS) if first_program(names) is None]
    return f"not on PATH: {', '.join(missing)}" if missing else None


NEEDED = {
    "docker": (no_engine_because, "SPONGE_BENCH_REQUIRE_DOCKER"),
    "browser": (no_browser_because, "SPONGE_BENCH_REQUIRE_BROWSER"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (reason_of, required) in NEEDED.items():
        if item.get_closest_marker(marker) and (reason := reason_of()):
            if os.environ.get(required):
                pytest.fail(f"{reason}, and {required} is set", pytrace=False)
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    for marker, (_, required) in NEEDED.items():
        if report.skipped and item.get_closest_marker(marker) and os.environ.get(required):
            report.outcome, report.longrepr = "failed", f"a {marker} test was skipped although {required} is set"
    return report


def tiny_service(model_path: str | None = None, max_cores: float = 1.6) -> Service:
    """The smallest built-in model behind a gateway, under a run id of its own."""
    gateway = {
        "model_name": "tiny",
        "image_shape": list(IMAGE_SHAPE),
        "engine": {"batch_size": 1},
        "latency": {"gamma_s": 0.001, "delta_s": 0.0, "epsilon_s": 0.0, "eta_s": 0.001},
        "default_budget_s": 10.0,
    }
    path = model_path or str(model_file("tinycnn").path)
    return Service("tiny", path, IMAGE_SHAPE, max_cores, gateway, f"test-{secrets.token_hex(4)}")


def infer(url: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """Send one image; the parameters of the answer, or the JSON error with its `status`."""
    height, width, channels = IMAGE_SHAPE
    image = Tensor("image", "UINT8", (1, height, width, channels), bytes(height * width * channels))
    length, body = encode_request(Message((image,), parameters={"timeout": int(timeout_s * 1e6)}))
    request = urllib.request.Request(f"{url}/v2/models/tiny/infer", body, {HEADER_LENGTH: str(length)})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            answer = decode(response.read(), response.headers[HEADER_LENGTH], "outputs")
    except urllib.error.HTTPError as error:
        with error:
            return {"status": error.code, **json.loads(error.read())}
    return {"status": 200, **answer.parameters}


@pytest.fixture(scope="session")
def make_service():
    """Makes services (see `tiny_service`)."""
    return tiny_service


@pytest.fixture(scope="session")
def send():
    """Sends one image to a gateway (see `infer`)."""
    return infer


SIMULATED_SCENARIO = """
title = "bursts that too few cores cannot serve"
systems = ["static-max", "static-half"]
tick_s = 1.0
[plan]
duration_s = 12.0
slo_s = 1.0
payload_bytes = 1000
[plan.arrivals]
kind = "poisson"
rate_rps = 14.0
[plan.clients]
count = 2
[service]
model = "tinycnn"
image_shape = [32, 32, 3]
[cores]
min_cores = 0.5
max_cores = 4.0
step_cores = 0.5
[profile]
published = "yolov5s"
"""


@pytest.fixture(scope="session")
def simulated_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a simulated run: two systems, two seeds; one of the systems has too few cores."""
    place = tmp_path_factory.mktemp("simulated")
    scenario = place / "bursts.toml"
    scenario.write_text(SIMULATED_SCENARIO, encoding="utf-8")
    request = RunRequest(load_scenario(str(scenario), SYSTEMS), ("static-max", "static-half"), (1, 2), place)
    model = twin_model(request.scenario, "tinycnn", {})
    prepared = prepare(request, model.latency, {}, "20260101T000000Z-test")
    run_simulated(prepared, {}, model, lambda _: None)
    return prepared.folder


@pytest.fixture(scope="session")
def programs() -> dict[str, str | None]:
    """Where the browser and its driver are."""
    return {"browser": first_program(BROWSERS), "driver": first_program(DRIVERS)}
