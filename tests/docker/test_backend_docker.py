"""The Docker backend for real: served, resized in place, hardened, isolated, and gone afterwards."""

import os
import secrets
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container

from harness.backends import containers
from harness.backends.choose import choose_backend
from harness.backends.containers import DockerRuntime
from harness.backends.owner import LABEL_RUN
from harness.backends.service import ServiceBackend
from harness.errors import BenchError, UsageError
from harness.types import Allocation, Decision

pytestmark = pytest.mark.docker
needs_two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="grants more than one core")


@pytest.fixture(scope="module")
def client():
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def started(make_service):
    """A running backend and its service."""
    service = make_service()
    backend, _ = choose_backend("docker")
    with backend:
        backend.start(service, Allocation(1.0, 1))
        yield backend, service


@pytest.fixture(scope="module")
def inside(client, started):
    """The started run's containers by name (`gateway`, `replica-0`)."""
    run_id = started[1].run_id
    found = containers.labelled_containers(client, f"{LABEL_RUN}={run_id}")
    return {container.name.removeprefix(f"sponge-bench-{run_id}-"): container for container in found}


def resized(backend: ServiceBackend, cores: float, batch_size: int = 1, replicas: int = 1):
    return backend.apply(Decision(Allocation(cores, batch_size, replicas), "test"))


def things_of(client: docker.DockerClient, run_id: str) -> list[str]:
    label = f"{LABEL_RUN}={run_id}"
    networks = client.networks.list(filters={"label": label})
    return [thing.name for thing in (*containers.labelled_containers(client, label), *networks)]


def test_a_request_is_served(started, send):
    assert send(started[0].url)["status"] == 200


def test_a_resize_is_read_back(started):
    applied = resized(started[0], 0.5)
    assert (applied.outcome, applied.effective_cores) == ("ok", 0.5)


def test_a_resize_is_what_the_engine_has(started, inside):
    resized(started[0], 0.25)
    inside["replica-0"].reload()
    limits = inside["replica-0"].attrs["HostConfig"]
    assert limits["CpuQuota"] / limits["CpuPeriod"] == pytest.approx(0.25)


def test_a_resize_keeps_the_process(started, inside):
    before = inside["replica-0"].attrs["State"]["Pid"]
    resized(started[0], 0.7)
    inside["replica-0"].reload()
    assert inside["replica-0"].attrs["State"]["Pid"] == before


def test_the_container_sees_the_limit_itself(started, inside):
    resized(started[0], 0.6)
    code, said = inside["replica-0"].exec_run(["sh", "-c", containers.READ_LIMIT])
    assert (code, containers.cgroup.parse_limit(said.decode())) == (0, pytest.approx(0.6))


def test_without_sight_of_the_hosts_files_the_limit_is_read_inside(started, monkeypatch):
    backend, _ = started
    monkeypatch.setattr(backend._runtime, "_groups", {})
    assert resized(backend, 0.9).effective_cores == pytest.approx(0.9)


def test_without_sight_of_the_hosts_files_the_engine_counts(started, monkeypatch):
    backend, _ = started
    seen = backend.usage()[0]
    monkeypatch.setattr(backend._runtime, "_groups", {})
    counted = backend._runtime.counters("replica-0")
    assert (counted.cpu_s > 0.0, counted.memory_bytes) == (True, pytest.approx(seen.memory_bytes, rel=0.2))


def test_the_gateway_knows_the_cores_in_force(started, send):
    resized(started[0], 0.8)
    assert send(started[0].url)["cores"] == pytest.approx(0.8)


@needs_two_cores
def test_threads_follow_the_cores(started, send):
    backend, _ = started
    resized(backend, 1.3)
    more = send(backend.url)["threads"]
    resized(backend, 0.9)
    assert (more, send(backend.url)["threads"]) == (2, 1)


@needs_two_cores
def test_no_request_is_lost_while_cores_batch_and_threads_change(started, send):
    backend, _ = started
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, backend.url) for _ in range(400)]
        outcomes = [resized(backend, cores, batch).outcome for cores, batch in [(0.5, 4), (1.6, 8), (0.3, 1), (1.0, 2)]]
    assert ([a.result()["status"] for a in answers], outcomes) == ([200] * 400, ["ok"] * 4)


def test_a_throttled_replica_uses_no_more_than_it_may(started, send):
    backend, _ = started
    resized(backend, 0.1)
    backend.usage()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(backend.url), range(200)))
    used = backend.usage()[0].used_cores
    resized(backend, 1.0)
    assert used == pytest.approx(0.1, abs=0.03)


@needs_two_cores
def test_a_second_replica_comes_and_goes(started, client):
    backend, service = started
    resized(backend, 0.8, replicas=2)
    backend.usage()
    both = len(things_of(client, service.run_id))
    resized(backend, 0.8, replicas=1)
    last, *others = backend.usage()
    assert (both, len(things_of(client, service.run_id)), len(others)) == (5, 4, 1)
    assert (last.replica, last.granted_cores) == ("replica-1", 0.0)


@needs_two_cores
def test_a_replica_that_could_not_start_leaves_its_name_free(started, monkeypatch):
    backend, _ = started
    two = Decision(Allocation(0.5, 1, 2), "")
    with monkeypatch.context() as broken:
        broken.setattr(Container, "start", refused)
        failed = backend.apply(two)
    again = backend.apply(two)
    backend.apply(Decision(Allocation(0.5, 1), ""))
    assert (failed.outcome, again.outcome) == ("failed", "ok"), again.detail


def refused(*_):
    raise APIError("not now")


@needs_two_cores
def test_a_replica_comes_back_after_it_went(started, send):
    backend, _ = started
    outcomes = [resized(backend, 0.8, replicas=count).outcome for count in (2, 1, 2, 1)]
    assert (outcomes, send(backend.url)["status"]) == (["ok"] * 4, 200)


def test_facts_identify_image_and_engine(started, client):
    facts = started[0].facts()
    assert client.images.get(facts["image"]).id == facts["image_digest"]


@pytest.mark.usefixtures("started")
def test_an_unchanged_image_is_not_built_again(make_service, monkeypatch):
    monkeypatch.setattr(containers.image, "build", lambda *_: pytest.fail("built again"))
    backend, _ = choose_backend("docker")
    with backend:
        backend.start(make_service(), Allocation(0.5, 1))


# Hardening and isolation

HARDENED = {
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "CapAdd": None,
    "SecurityOpt": ["no-new-privileges"],
    "Privileged": False,
    "PidsLimit": 256,
    "Init": True,
    "Binds": None,
}


@pytest.mark.parametrize("part", ["gateway", "replica-0"])
@pytest.mark.parametrize(("setting", "value"), HARDENED.items())
def test_every_container_is_hardened(inside, part, setting, value):
    assert inside[part].attrs["HostConfig"][setting] == value


@pytest.mark.parametrize("part", ["gateway", "replica-0"])
def test_every_container_has_a_memory_limit(inside, part):
    assert 0 < inside[part].attrs["HostConfig"]["Memory"] <= 2 * 1024**3


@pytest.mark.parametrize("part", ["gateway", "replica-0"])
def test_no_container_runs_as_root(inside, part):
    assert inside[part].exec_run(["id", "-u"]).output == b"65532\n"


@pytest.mark.parametrize("part", ["gateway", "replica-0"])
@pytest.mark.parametrize("place", ["/", "/opt/app", "/tmp", "/opt/model.onnx"])
def test_nothing_can_be_written(inside, part, place):
    assert inside[part].exec_run(["sh", "-c", f"touch {place}/x || touch {place}"]).exit_code != 0


def test_only_the_gateway_is_published_and_only_on_the_loopback_address(inside):
    published = {name: c.attrs["NetworkSettings"]["Ports"] for name, c in inside.items()}
    hosts = {name: [p["HostIp"] for bound in ports.values() for p in bound or []] for name, ports in published.items()}
    assert hosts == {"gateway": ["127.0.0.1"], "replica-0": []}


def test_a_replica_answers_on_no_port_of_the_host(started, send):
    send(started[0].url)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", containers.REPLICA_PORT)) != 0


@pytest.mark.parametrize(("network", "reached"), [("inner", True), ("outer", False)])
def test_a_replica_reaches_its_own_network_and_nothing_beyond(started, inside, network, reached):
    inside["gateway"].reload()
    networks = inside["gateway"].attrs["NetworkSettings"]["Networks"]
    address = networks[f"sponge-bench-{started[1].run_id}-{network}"]["IPAddress"]
    knock = f"import socket; socket.create_connection(({address!r}, {containers.GATEWAY_PORT}), 2)"
    assert (inside["replica-0"].exec_run(["python3", "-c", knock]).exit_code == 0) == reached


def test_the_gateways_own_answer_to_nonsense_is_an_error_and_it_goes_on(started, send):
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        urllib.request.urlopen(f"{started[0].url}/v2/models/tiny/infer", data=b"nonsense", timeout=10)
    refused.value.close()
    assert send(started[0].url)["status"] == 200


# What cannot be started


def test_a_model_that_is_not_onnx_is_refused_with_the_replicas_own_words(tmp_path, make_service, client):
    broken = tmp_path / "broken.onnx"
    broken.write_text("not a model")
    service = make_service(str(broken))
    backend, _ = choose_backend("docker")
    with pytest.raises(BenchError, match=r"replica-0 ended with exit code \d+: .*model\.onnx"):
        backend.start(service, Allocation(0.5, 1))
    assert things_of(client, service.run_id) == []


def test_a_replica_that_dies_is_reported_with_the_next_reading(make_service, client):
    service = make_service()
    backend, _ = choose_backend("docker")
    with backend:
        backend.start(service, Allocation(0.5, 1))
        client.containers.get(f"sponge-bench-{service.run_id}-replica-0").kill()
        with pytest.raises(BenchError, match="replica-0 ended with exit code 137"):
            backend.usage()


def test_a_taken_port_is_a_usage_error(make_service, client):
    service = make_service()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        backend = ServiceBackend(DockerRuntime(print, gateway_port=port))
        with pytest.raises(UsageError, match=f"gateway port = {port}; is taken"):
            backend.start(service, Allocation(0.5, 1))
    assert things_of(client, service.run_id) == []


def test_a_base_image_nobody_has_is_refused_by_name():
    with pytest.raises(UsageError, match=r"base image nowhere\.invalid/none:1: not on this machine"):
        choose_backend("docker", base_image="nowhere.invalid/none:1")


def test_a_base_image_without_python_is_refused(client):
    empty = f"sponge-bench-test-empty:{secrets.token_hex(4)}"
    client.api.import_image_from_data(b"\0" * 10240, repository=empty.partition(":")[0], tag=empty.partition(":")[2])
    try:
        with pytest.raises(UsageError, match=r"base image .*python3 cannot be run in it"):
            choose_backend("docker", base_image=empty)
    finally:
        client.images.remove(empty)


def test_stopping_leaves_nothing(make_service, client):
    service = make_service()
    backend, _ = choose_backend("docker")
    with backend:
        backend.start(service, Allocation(0.5, 1))
        running = len(things_of(client, service.run_id))
    assert (running, things_of(client, service.run_id)) == (4, [])
