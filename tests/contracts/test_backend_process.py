"""The process backend for real: gateway and replica as local processes, under every CPU limiter this machine has."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from harness.backends.limits import DutyCycleLimiter, GroupLimiter, writable_root
from harness.backends.owner import ENV_RUN
from harness.backends.process import ProcessRuntime
from harness.backends.service import ServiceBackend
from harness.errors import BenchError, UsageError
from harness.types import Allocation, Decision

WAIT_S = 20.0
HARNESS = """
import sys, threading
from harness.backends.limits import DutyCycleLimiter
from harness.backends.process import ProcessRuntime
from harness.backends.service import ServiceBackend
from harness.types import Allocation, Service
backend = ServiceBackend(ProcessRuntime(DutyCycleLimiter()))
backend.start(Service(**eval(sys.argv[1])), Allocation(0.2, 1))
print("up", flush=True)
threading.Event().wait()
"""


def limiters():
    yield pytest.param(DutyCycleLimiter, id="duty-cycle")
    root = writable_root()
    why = pytest.mark.skipif(root is None, reason="no writable control group")
    yield pytest.param(lambda: GroupLimiter(root), id="cgroup", marks=why)


def processes_of(run_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(ENV_RUN) == run_id:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module", params=list(limiters()))
def started(request, make_service):
    """A running backend and its service."""
    service = make_service()
    with ServiceBackend(ProcessRuntime(request.param())) as backend:
        backend.start(service, Allocation(1.0, 1))
        yield backend, service


def resized(backend: ServiceBackend, cores: float, batch_size: int = 1, replicas: int = 1):
    return backend.apply(Decision(Allocation(cores, batch_size, replicas), "test"))


def test_a_request_is_served(started, send):
    assert send(started[0].url)["status"] == 200


def test_a_resize_is_read_back(started):
    applied = resized(started[0], 0.5)
    assert (applied.outcome, applied.effective_cores) == ("ok", 0.5)


def test_the_gateway_knows_the_cores_in_force(started, send):
    resized(started[0], 0.7)
    assert send(started[0].url)["cores"] == pytest.approx(0.7)


def test_threads_follow_the_cores(started, send):
    resized(started[0], 1.3)
    assert send(started[0].url)["threads"] == 2


def test_a_resize_keeps_the_process(started):
    _, service = started
    before = {process.pid for process in processes_of(service.run_id)}
    resized(started[0], 0.4)
    assert {process.pid for process in processes_of(service.run_id)} == before


def test_no_request_is_lost_while_cores_batch_and_threads_change(started, send):
    backend, _ = started
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, backend.url) for _ in range(200)]
        outcomes = [resized(backend, cores, batch).outcome for cores, batch in [(0.5, 4), (1.6, 8), (0.3, 1), (1.0, 2)]]
    assert ([a.result()["status"] for a in answers], outcomes) == ([200] * 200, ["ok"] * 4)


def running(backend) -> list[str]:
    """Names of the replicas that exist, by their readings."""
    return [usage.replica for usage in backend.usage() if usage.granted_cores]


def test_a_second_replica_comes_and_goes(started):
    backend, _ = started
    resized(backend, 0.8, replicas=2)
    both = running(backend)
    resized(backend, 0.8, replicas=1)
    assert (both, running(backend)) == (["replica-0", "replica-1"], ["replica-0"])


def test_loading_a_second_replica_is_metered(started):
    backend, _ = started
    backend.usage()
    resized(backend, 0.8, replicas=2)
    resized(backend, 0.8, replicas=1)
    first, last, _ = backend.usage()
    assert (first.replica, first.used_cores, last.replica) == ("replica-1", 0.0, "replica-1")
    assert last.used_cores * (last.t_s - first.t_s) > 0.1  # a Python that imports the runtime and loads a model


def test_a_replica_comes_back_after_it_went(started):
    backend, _ = started
    resized(backend, 0.8, replicas=2)
    resized(backend, 0.8, replicas=1)
    applied = resized(backend, 0.8, replicas=2)
    resized(backend, 0.8, replicas=1)
    assert (applied.outcome, applied.detail) == ("ok", "")


def test_usage_knows_memory_and_time(started):
    usage = started[0].usage()[-1]
    assert usage.memory_bytes > 10_000_000
    assert usage.throttled_s >= 0.0


def test_facts_name_the_limiter(started):
    assert started[0].facts()["cpu_limiter"].startswith(("cgroup v", "duty cycle"))


@pytest.mark.parametrize("limiter", list(limiters()))
def test_stopping_leaves_no_process(limiter, make_service):
    service = make_service()
    with ServiceBackend(ProcessRuntime(limiter())) as backend:
        backend.start(service, Allocation(0.5, 1))
        running = len(processes_of(service.run_id))
    assert (running >= 2, processes_of(service.run_id)) == (True, [])


def test_stopping_leaves_no_control_group(make_service):
    root = writable_root()
    if root is None:
        pytest.skip("no writable control group")
    service = make_service()
    with ServiceBackend(ProcessRuntime(GroupLimiter(root))) as backend:
        backend.start(service, Allocation(0.5, 1))
    assert not list(root.cpu.glob(f"{service.run_id}*"))


def test_a_model_that_is_not_onnx_is_refused_with_the_replicas_own_words(tmp_path, make_service):
    broken = tmp_path / "broken.onnx"
    broken.write_text("not a model")
    service = make_service(str(broken))
    with pytest.raises(BenchError, match=r"replica-0 ended with exit code \d+: .*broken\.onnx"):
        ServiceBackend(ProcessRuntime(DutyCycleLimiter())).start(service, Allocation(0.5, 1))


def test_a_failed_start_leaves_no_process(tmp_path, make_service):
    service = make_service(str(tmp_path / "nothing.onnx"))
    with pytest.raises(BenchError):
        ServiceBackend(ProcessRuntime(DutyCycleLimiter())).start(service, Allocation(0.5, 1))
    assert processes_of(service.run_id) == []


def test_a_replica_that_dies_is_reported_with_the_next_reading(make_service):
    service = make_service()
    with ServiceBackend(ProcessRuntime(DutyCycleLimiter())) as backend:
        backend.start(service, Allocation(0.5, 1))
        replica = backend._runtime._children["replica-0"].process
        replica.kill()
        replica.wait(WAIT_S)
        with pytest.raises(BenchError, match="replica-0 ended with exit code -9"):
            backend.usage()


def test_a_taken_port_is_a_usage_error(make_service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        backend = ServiceBackend(ProcessRuntime(DutyCycleLimiter(), port))
        with pytest.raises(UsageError, match=f"gateway port = {port}; is taken"):
            backend.start(make_service(), Allocation(0.5, 1))


@pytest.fixture
def harness(make_service):
    """A harness of its own process that has started a service, and that service's run id."""
    service = make_service()
    fields = {name: getattr(service, name) for name in service.__slots__}
    command = [sys.executable, "-c", HARNESS, repr(fields)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        yield process, service.run_id
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel to tie children to their parent")
def test_children_die_with_a_killed_harness(harness):
    process, run_id = harness
    children = processes_of(run_id)
    process.kill()
    _, alive = psutil.wait_procs(children, WAIT_S)
    assert (len(children) >= 3, alive) == (True, [])


def test_a_killed_limiter_leaves_nothing_stopped(harness):
    _, run_id = harness
    limiter = next(p for p in processes_of(run_id) if "harness.backends.limiter" in p.cmdline())
    replica = next(p for p in processes_of(run_id) if "harness.replica" in " ".join(p.cmdline()))
    os.kill(replica.pid, signal.SIGSTOP)
    limiter.kill()
    limiter.wait(WAIT_S)
    assert continued(replica)


def continued(process: psutil.Process) -> bool:
    """Whether the process leaves the stopped state; looked at until it has."""
    return any(process.status() != psutil.STATUS_STOPPED for _ in range(100_000))
