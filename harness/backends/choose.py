"""Which backend a run gets, and why."""

from __future__ import annotations

from harness.backends.containers import DockerRuntime, engine_reason
from harness.backends.image import Say
from harness.backends.limits import CpuLimiter, DutyCycleLimiter, GroupLimiter, writable_root
from harness.backends.process import ProcessRuntime
from harness.backends.service import ServiceBackend
from harness.errors import BenchError, UsageError, unknown_name

BACKENDS = ("auto", "docker", "process")


def quiet(_text: str) -> None:
    """Says nothing."""


def choose_backend(
    name: str, *, base_image: str | None = None, gateway_port: int = 0, say: Say = quiet
) -> tuple[ServiceBackend, str]:
    """The backend called `name`, ready to start a service, and one line that says which it is and why.

    `auto` takes containers when an engine answers and the image can be had, else local processes. Having the image
    may take a minute or two the first time; `say` is told. Raises UsageError for an unknown name and for `docker`
    where Docker cannot be used, with the reason.
    """
    if name not in BACKENDS:
        raise unknown_name("--backend", "backend", name, BACKENDS)
    if name == "process":
        return process_backend(gateway_port)
    runtime = DockerRuntime(say, base_image, gateway_port)
    unable = engine_reason() or _unprepared(runtime)
    if unable is None:
        return ServiceBackend(runtime), "docker: an engine answers and the image is at hand"
    if name == "docker":
        raise UsageError(f"--backend docker: {unable}")
    backend, limits = process_backend(gateway_port)
    return backend, f"{limits}, because {unable}"


def _unprepared(runtime: DockerRuntime) -> str | None:
    try:
        runtime.prepare()
    except BenchError as error:
        return str(error)
    return None


def process_backend(gateway_port: int = 0) -> tuple[ServiceBackend, str]:
    """Local processes, and how their CPU is limited."""
    limiter = cpu_limiter()
    return ServiceBackend(ProcessRuntime(limiter, gateway_port)), f"process: local processes ({limiter.describe()})"


def cpu_limiter() -> CpuLimiter:
    """The best CPU limiter this process may use."""
    root = writable_root()
    return DutyCycleLimiter() if root is None else GroupLimiter(root)
