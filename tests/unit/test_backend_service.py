"""The shared backend: what it asks of the place it runs in and of the gateway, in which order, and what it reports."""

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.backends.cgroup import Counters
from harness.backends.service import ServiceBackend
from harness.errors import BenchError, UsageError
from harness.types import Allocation, Decision, Service

SERVICE = Service("m", "m.onnx", (8, 8, 3), 2.0, {"model_name": "m"}, "run1")


@dataclass
class Diary:
    """Everything that happened, in order."""

    entries: list[tuple] = field(default_factory=list)

    def add(self, *entry) -> None:
        self.entries.append(entry)

    def since(self, mark: int) -> list[tuple]:
        return self.entries[mark:]


class FakeGateway(ThreadingHTTPServer):
    """Answers the control API and writes what it was asked into the diary."""

    daemon_threads = True

    def __init__(self, diary: Diary) -> None:
        super().__init__(("127.0.0.1", 0), FakeControl)
        self.diary = diary
        self.replicas: dict[str, dict] = {}
        self.refuses: set[str] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, body: dict) -> tuple[int, dict]:
        name = path.rpartition("/")[2]
        if name in self.refuses:
            return 502, {"error": f"{name} is ill"}
        if method == "PUT":
            self.diary.add("tell", name, body["cores"], body["threads"])
            self.replicas[name] = body
        if method == "PATCH":
            self.diary.add("batch", body["batch_size"])
        if method == "DELETE":
            self.diary.add("drain", name)
            self.replicas.pop(name)
        return 200, {"monotonic_s": time.monotonic(), "replicas": [{"name": n} for n in self.replicas]}


class FakeControl(BaseHTTPRequestHandler):
    def respond(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        status, answer = self.server.answer(self.command, self.path, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815

    def log_message(self, *_args) -> None:
        """Nothing on the terminal."""


class FakeRuntime:
    """A place where everything works at once, unless told otherwise."""

    name = "fake"

    def __init__(self, diary: Diary, gateway: FakeGateway) -> None:
        self.diary = diary
        self.gateway = gateway
        self.cores: dict[str, float] = {}
        self.cpu_s = itertools.count(step=0.5)
        self.dead: set[str] = set()
        self.deaf = False

    def open(self, service) -> None:
        self.diary.add("open", service.run_id)

    def launch_gateway(self, config) -> str:
        self.diary.add("gateway", config["model_name"])
        return self.gateway.url

    def launch_replica(self, name, threads, cores) -> str:
        self.diary.add("launch", name, threads, cores)
        self.cores[name] = 99.0 if cores is None else cores
        return f"http://{name}"

    def check(self, name) -> None:
        if name in self.dead:
            raise BenchError(f"{name} ended with exit code 3: no memory left")

    def set_cores(self, name, cores) -> None:
        self.diary.add("cores", name, cores)
        if not self.deaf:
            self.cores[name] = cores

    def read_cores(self, name) -> float:
        return self.cores[name]

    def counters(self, _name) -> Counters:
        return Counters(float(next(self.cpu_s)), 0.25, 1000)

    def remove(self, name) -> None:
        self.diary.add("remove", name)

    def facts(self) -> dict[str, str]:
        return {"place": "nowhere"}

    def close(self) -> None:
        self.diary.add("close")


@dataclass
class Stage:
    """A started backend and all that can be seen of it."""

    backend: ServiceBackend
    runtime: FakeRuntime
    gateway: FakeGateway
    diary: Diary

    def decide(self, allocation: Allocation):
        mark = len(self.diary.entries)
        applied = self.backend.apply(Decision(allocation, "test"))
        return applied, self.diary.since(mark)


@pytest.fixture
def stage(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    diary = Diary()
    gateway = FakeGateway(diary)
    runtime = FakeRuntime(diary, gateway)
    backend = ServiceBackend(runtime)
    yield Stage(backend, runtime, gateway, diary)
    backend.stop()
    gateway.shutdown()
    gateway.server_close()


@pytest.fixture
def started(stage):
    stage.backend.start(SERVICE, Allocation(1.0, 2))
    return stage


def test_starting_launches_unlimited_and_limits_once_ready(stage):
    stage.backend.start(SERVICE, Allocation(0.5, 2))
    assert stage.diary.entries == [
        ("open", "run1"),
        ("launch", "replica-0", 1, None),
        ("gateway", "m"),
        ("batch", 2),
        ("tell", "replica-0", 0.5, 1),
        ("cores", "replica-0", 0.5),
        ("tell", "replica-0", 0.5, 1),
    ]


def test_the_url_is_the_gateways(started):
    assert started.backend.url == started.gateway.url


def test_growing_moves_quota_then_threads_then_batch(started):
    _, done = started.decide(Allocation(2.0, 4))
    assert done == [
        ("cores", "replica-0", 2.0),
        ("tell", "replica-0", 2.0, 1),
        ("tell", "replica-0", 2.0, 2),
        ("batch", 4),
    ]


def test_shrinking_moves_batch_then_threads_then_quota(started):
    started.decide(Allocation(2.0, 4))
    _, done = started.decide(Allocation(1.0, 1))
    assert done == [
        ("batch", 1),
        ("tell", "replica-0", 2.0, 1),
        ("cores", "replica-0", 1.0),
        ("tell", "replica-0", 1.0, 1),
    ]


def test_a_hold_does_nothing(started):
    applied, done = started.decide(Allocation(1.0, 2))
    assert (applied.outcome, done) == ("ok", [])


def test_times_are_in_order(started):
    applied, _ = started.decide(Allocation(1.5, 2))
    assert applied.requested_s <= applied.acknowledged_s <= applied.effective_s


def test_the_effective_cores_are_what_was_read_back(started):
    applied, _ = started.decide(Allocation(1.5, 2))
    assert applied.effective_cores == 1.5


def test_a_limit_that_does_not_take_effect_is_a_failure(started, monkeypatch):
    monkeypatch.setattr("harness.backends.service.EFFECTIVE_TIMEOUT_S", 0.0)
    started.runtime.deaf = True
    applied, _ = started.decide(Allocation(1.5, 2))
    assert (applied.outcome, applied.effective_cores) == ("failed", 1.0)


def test_a_failure_says_what_went_wrong(started):
    started.gateway.refuses.add("replica-0")
    applied, _ = started.decide(Allocation(1.5, 2))
    assert "replica-0 is ill" in applied.detail


def test_a_program_that_has_ended_is_the_reason_of_a_failure(started):
    started.gateway.refuses.add("replica-0")
    started.runtime.dead.add("replica-0")
    applied, _ = started.decide(Allocation(1.5, 2))
    assert applied.detail == "replica-0 ended with exit code 3: no memory left"


def test_what_a_failed_decision_left_undone_is_done_with_the_next(started):
    started.gateway.refuses.add("replica-0")
    started.decide(Allocation(2.0, 2))
    started.gateway.refuses.clear()
    started.decide(Allocation(2.0, 2))
    assert started.gateway.replicas["replica-0"]["threads"] == 2


def test_more_cores_than_the_service_may_have_are_infeasible(started):
    applied, done = started.decide(Allocation(3.0, 2))
    assert (applied.outcome, done) == ("infeasible", [])


def test_another_variant_is_infeasible(started):
    applied, _ = started.decide(Allocation(1.0, 2, variant="large"))
    assert applied.outcome == "infeasible"


def test_a_new_replica_is_limited_from_its_first_instruction(started):
    _, done = started.decide(Allocation(1.0, 2, replicas=2))
    assert done == [("launch", "replica-1", 1, 1.0), ("tell", "replica-1", 1.0, 1)]


def test_scaling_out_while_shrinking_adds_before_it_shrinks(started):
    _, done = started.decide(Allocation(0.5, 2, replicas=2))
    assert [entry[:2] for entry in done] == [
        ("launch", "replica-1"),
        ("tell", "replica-1"),
        ("cores", "replica-0"),
        ("tell", "replica-0"),
    ]


def test_a_replica_is_drained_before_it_is_removed(started):
    started.decide(Allocation(1.0, 2, replicas=2))
    _, done = started.decide(Allocation(1.0, 2, replicas=1))
    assert done == [("drain", "replica-1"), ("remove", "replica-1")]


def test_a_replica_that_does_not_become_ready_is_removed_again(started):
    started.gateway.refuses.add("replica-1")
    _, done = started.decide(Allocation(1.0, 2, replicas=2))
    assert done[-1] == ("remove", "replica-1")


def test_usage_has_a_reading_for_every_replica(started):
    started.decide(Allocation(1.0, 2, replicas=2))
    assert [usage.replica for usage in started.backend.usage() if usage.granted_cores] == ["replica-0", "replica-1"]


def test_used_cores_are_the_mean_since_the_last_reading(started, monkeypatch):
    started.backend.usage()
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 1.0)
    started.backend.usage()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 3.0)
    assert started.backend.usage()[0].used_cores == pytest.approx(0.25)


def test_a_replica_that_comes_later_is_metered_from_its_launch(started):
    started.backend.usage()
    started.decide(Allocation(1.0, 2, replicas=2))
    first, *_, last = started.backend.usage()
    assert (first.replica, first.granted_cores, last.replica) == ("replica-1", 0.0, "replica-1")
    assert last.used_cores * (last.t_s - first.t_s) > 0.0


def test_a_replica_that_goes_leaves_a_last_row(started):
    started.decide(Allocation(1.0, 2, replicas=2))
    started.backend.usage()
    started.decide(Allocation(1.0, 2, replicas=1))
    last, *others = started.backend.usage()
    assert (last.replica, last.granted_cores, [usage.replica for usage in others]) == ("replica-1", 0.0, ["replica-0"])
    assert last.used_cores > 0.0


def test_one_that_does_not_become_ready_is_metered_too(started):
    started.backend.usage()
    started.gateway.refuses.add("replica-1")
    started.decide(Allocation(1.0, 2, replicas=2))
    assert [(usage.replica, usage.granted_cores) for usage in started.backend.usage()[:2]] == [("replica-1", 0.0)] * 2


def test_loading_the_model_before_the_run_is_not_counted(stage):
    stage.backend.start(SERVICE, Allocation(1.0, 2, replicas=2))
    assert all(usage.granted_cores > 0 for usage in stage.backend.usage())


def test_a_replica_that_dies_while_it_loads_is_reported_with_its_last_words(stage):
    stage.gateway.refuses.add("replica-0")
    stage.runtime.dead.add("replica-0")
    with pytest.raises(BenchError, match="exit code 3: no memory left"):
        stage.backend.start(SERVICE, Allocation(1.0, 2))


def test_a_failed_start_leaves_nothing(stage):
    stage.gateway.refuses.add("replica-0")
    with pytest.raises(BenchError):
        stage.backend.start(SERVICE, Allocation(1.0, 2))
    assert stage.diary.entries[-1] == ("close",)


def test_a_start_that_no_machine_could_grant_is_a_usage_error(stage):
    with pytest.raises(UsageError, match=r"cores = 9; must be 0\.1 \.\. 2"):
        stage.backend.start(SERVICE, Allocation(9.0, 2))


def test_stopping_twice_is_safe(started):
    started.backend.stop()
    started.backend.stop()
    assert started.diary.entries[-2:] == [("close",), ("close",)]


def test_a_stopped_backend_can_be_started_again(started):
    started.backend.stop()
    started.backend.start(SERVICE, Allocation(1.0, 2))
    assert started.backend.usage()[0].replica == "replica-0"


def test_leaving_the_context_stops(stage):
    with stage.backend as backend:
        backend.start(SERVICE, Allocation(1.0, 2))
    assert stage.diary.entries[-1] == ("close",)


def test_a_backend_that_is_not_started_says_so(stage):
    with pytest.raises(BenchError, match="not started"):
        _ = stage.backend.url


def test_facts_name_the_backend(started):
    assert started.backend.facts() == {"backend": "fake", "place": "nowhere"}
