"""Gateway and replicas as local processes on free loopback ports, each replica's CPU limited for real."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from harness.backends.cgroup import Counters
from harness.backends.limits import CpuLimiter
from harness.backends.owner import run_environment, this_process
from harness.errors import BenchError, UsageError
from harness.types import Service, threads_for

KEPT_LINES = 20
SHOWN_LINES = 5
STOP_TIMEOUT_S = 3.0
LOOPBACK = "127.0.0.1"
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Child:
    """A running program and the last lines it wrote."""

    process: subprocess.Popen[str]
    words: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def check(self, name: str) -> None:
        """Raise BenchError with its last words when it has ended."""
        code = self.process.poll()
        if code is not None:
            said = " | ".join(list(self.words)[-SHOWN_LINES:]) or "it said nothing"
            raise BenchError(f"{name} ended with exit code {code}: {said}")


class ProcessRuntime:
    """Implements `harness.backends.service.Runtime` with local processes.

    gateway_port: 0 takes a free one.
    """

    def __init__(self, limiter: CpuLimiter, gateway_port: int = 0) -> None:
        self._limiter = limiter
        self._gateway_port = gateway_port
        self._service: Service | None = None
        self._children: dict[str, Child] = {}
        self._ports: dict[str, int] = {}
        self._launcher: ThreadPoolExecutor | None = None

    @property
    def name(self) -> str:
        """As recorded in the manifest."""
        return "process"

    def open(self, service: Service) -> None:
        """Make room for the run's CPU limits."""
        self._service = service
        self._limiter.open(service.run_id)
        # The kernel ties a child to the thread that started it, so one thread, as old as the run, starts them all.
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="launcher")

    def launch_gateway(self, config: Mapping[str, Any]) -> str:
        """Start `harness.serve`."""
        port = self._gateway_port or free_port()
        if self._gateway_port and is_taken(port):
            raise UsageError(f"gateway port = {port}; is taken on {LOOPBACK}")
        self._launch(
            GATEWAY, (), ["harness.serve", "--host", LOOPBACK, "--port", str(port), "--config", json.dumps(config)]
        )
        return f"http://{LOOPBACK}:{port}"

    def launch_replica(self, name: str, threads: int, cores: float | None) -> str:
        """Start `harness.replica`, in its CPU limit from its first instruction. Its port stays its own for the run."""
        port = self._ports.setdefault(name, free_port())
        groups, service = self._limiter.prepare(name, cores), self._opened()
        child = self._launch(name, groups, replica_command(service, LOOPBACK, port, threads, service.model_path))
        self._limiter.adopt(name, child.process.pid)
        return f"http://{LOOPBACK}:{port}"

    def _launch(self, name: str, groups: Sequence[str], command: Sequence[str]) -> Child:
        joins = [word for group in groups for word in ("--join", group)]
        wrapper = [sys.executable, "-m", "harness.backends.child", "--parent", str(os.getpid()), *joins]
        environment = {**os.environ, **run_environment(self._opened().run_id, this_process())}
        child = Child(self._on_launcher(lambda: start([*wrapper, *command], environment)))
        threading.Thread(target=keep_words, args=(child,), name=f"words of {name}", daemon=True).start()
        self._children[name] = child
        return child

    def _on_launcher(self, act: Callable[[], subprocess.Popen[str]]) -> subprocess.Popen[str]:
        if self._launcher is None:
            raise BenchError("the process backend is not open")
        return self._launcher.submit(act).result()

    def _opened(self) -> Service:
        if self._service is None:
            raise BenchError("the process backend is not open")
        return self._service

    def check(self, name: str) -> None:
        """Raise BenchError with its last words when it has ended."""
        self._children[name].check(name)

    def set_cores(self, name: str, cores: float) -> None:
        """Change a replica's limit."""
        self._limiter.set_cores(name, cores)

    def read_cores(self, name: str) -> float:
        """The limit in force."""
        return self._limiter.read_cores(name)

    def counters(self, name: str) -> Counters:
        """A replica's counters. Raises BenchError with its last words when it has ended."""
        self.check(name)
        return self._limiter.counters(name)

    def remove(self, name: str) -> None:
        """Stop a replica."""
        end([self._children.pop(name)])
        self._limiter.forget(name)

    def facts(self) -> dict[str, str]:
        """Which limiter, which Python."""
        return {"cpu_limiter": self._limiter.describe(), "python": sys.version.split()[0]}

    def close(self) -> None:
        """End all children and remove the limits."""
        end(list(self._children.values()))
        self._children.clear()
        self._limiter.close()
        if self._launcher is not None:
            self._launcher.shutdown()
            self._launcher = None


def replica_command(service: Service, host: str, port: int, threads: int, model_path: str) -> list[str]:
    """Module and arguments of a replica (docs/protocol.md); `model_path` as the replica sees it."""
    options = {
        "--host": host,
        "--port": str(port),
        "--model": model_path,
        "--model-name": service.model_name,
        "--image-shape": ",".join(map(str, service.image_shape)),
        "--max-threads": str(threads_for(service.max_cores)),
        "--threads": str(threads),
    }
    return ["harness.replica", *(word for option in options.items() for word in option)]


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a child in a session of its own: a Ctrl-C in the terminal is for the harness, which stops it in order."""
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def keep_words(child: Child) -> None:
    """Read what a child writes until it ends, so that it never waits for us."""
    if child.process.stdout is not None:
        with child.process.stdout as lines:
            child.words.extend(line.rstrip() for line in lines)


def end(children: Sequence[Child]) -> None:
    """Kill children, also stopped ones, and wait until they are gone."""
    for child in children:
        child.process.kill()
    for child in children:
        try:
            child.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"process {child.process.pid} cannot be killed") from error


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
