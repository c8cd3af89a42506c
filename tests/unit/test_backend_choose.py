"""Which backend a run gets."""

import pytest

from harness.backends import choose
from harness.backends.choose import choose_backend
from harness.backends.containers import DockerRuntime, counters_of, engine_reason
from harness.backends.limits import DutyCycleLimiter
from harness.errors import BenchError, UsageError


@pytest.fixture(autouse=True)
def no_control_groups(monkeypatch):
    """These tests choose; they do not touch the machine."""
    monkeypatch.setattr(choose, "writable_root", lambda: None)


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setattr(choose, "engine_reason", lambda: "no Docker engine answers (no such file)")


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(choose, "engine_reason", lambda: None)
    monkeypatch.setattr(DockerRuntime, "prepare", lambda _self: None)


def test_an_unknown_backend_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'docker'"):
        choose_backend("dokcer")


@pytest.mark.usefixtures("no_engine")
def test_docker_without_an_engine_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="--backend docker: no Docker engine answers"):
        choose_backend("docker")


@pytest.mark.usefixtures("no_engine")
def test_auto_without_an_engine_runs_processes():
    assert choose_backend("auto")[0].name == "process"


@pytest.mark.usefixtures("no_engine")
def test_auto_says_why_it_does_not_use_docker():
    assert "because no Docker engine answers" in choose_backend("auto")[1]


@pytest.mark.usefixtures("engine")
def test_auto_with_an_engine_runs_containers():
    assert choose_backend("auto")[0].name == "docker"


@pytest.mark.usefixtures("engine")
def test_process_is_processes_also_with_an_engine():
    assert choose_backend("process")[0].name == "process"


@pytest.mark.usefixtures("engine")
def test_auto_runs_processes_when_the_image_cannot_be_had(monkeypatch):
    def refuse(_self) -> None:
        raise BenchError("base image: not to be pulled")

    monkeypatch.setattr(DockerRuntime, "prepare", refuse)
    assert choose_backend("auto")[1].endswith("because base image: not to be pulled")


def test_without_control_groups_the_limiter_is_the_duty_cycle():
    assert isinstance(choose.cpu_limiter(), DutyCycleLimiter)


def test_the_reason_names_an_engine_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert engine_reason() == f"no Docker engine answers ({tmp_path}/nobody.sock: No such file or directory)"


def test_the_engines_statistics_become_counters():
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}, "throttling_data": {"throttled_time": 500_000_000}},
        "memory_stats": {"usage": 1000, "stats": {"inactive_file": 300}},
    }
    counters = counters_of(stats)
    assert (counters.cpu_s, counters.throttled_s, counters.memory_bytes) == (2.5, 0.5, 700)
