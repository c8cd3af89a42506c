"""What is left of a run whose harness was ended from outside: nothing, at once or after `clean`."""

import signal
import subprocess
import sys

import docker
import pytest
from typer import Typer
from typer.testing import CliRunner

from harness.backends.containers import labelled_containers
from harness.backends.owner import LABEL_RUN
from harness.cli.clean import clean

pytestmark = pytest.mark.docker
HARNESS = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
from harness.backends.choose import choose_backend
from harness.types import Allocation, Service
backend, _ = choose_backend("docker")
with backend:
    backend.start(Service(**eval(sys.argv[1])), Allocation(0.5, 1))
    print("up", flush=True)
    threading.Event().wait()
"""
app = Typer()
app.command()(clean)


@pytest.fixture
def harness(make_service):
    """A harness of its own process that runs a service in containers, and that service's run id."""
    service = make_service()
    fields = {name: getattr(service, name) for name in service.__slots__}
    command = [sys.executable, "-c", HARNESS, repr(fields)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "up\n"
        yield process, service.run_id
        process.send_signal(signal.SIGINT)


@pytest.fixture
def client():
    client = docker.from_env()
    yield client
    client.close()


def things_of(client: docker.DockerClient, run_id: str) -> list[str]:
    label = f"{LABEL_RUN}={run_id}"
    return [t.name for t in (*labelled_containers(client, label), *client.networks.list(filters={"label": label}))]


def cleaned(tmp_path, *arguments: str):
    return CliRunner().invoke(app, ["--out", str(tmp_path), *arguments])


def test_ctrl_c_leaves_nothing(harness, client):
    process, run_id = harness
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert things_of(client, run_id) == []


def test_clean_removes_what_a_killed_harness_left(harness, client, tmp_path):
    process, run_id = harness
    process.kill()
    process.wait()
    left = len(things_of(client, run_id))
    result = cleaned(tmp_path)
    assert (left, result.exit_code, things_of(client, run_id)) == (4, 0, [])
    assert result.output.count(f"(run {run_id})") == left


def test_clean_leaves_a_live_run_alone_and_says_so(harness, client, tmp_path):
    _, run_id = harness
    result = cleaned(tmp_path)
    assert f"kept what belongs to run {run_id}" in result.output
    assert len(things_of(client, run_id)) == 4
