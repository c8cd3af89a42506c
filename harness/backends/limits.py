"""How the CPU of local processes is limited: by a control group where one is writable, else by duty-cycling."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import psutil

from harness.backends import cgroup
from harness.backends.cgroup import Counters, CpuGroup
from harness.backends.limiter import cpu_time_s, wake
from harness.backends.owner import own_name, run_environment, this_process
from harness.errors import BenchError

REMOVE_TIMEOUT_S = 2.0


class CpuLimiter(Protocol):
    """Limits processes by name. All raise BenchError."""

    def open(self, run_id: str) -> None:
        """Prepare for a run."""

    def prepare(self, name: str, cores: float | None) -> Sequence[str]:
        """Make room for a process about to start; returns the control groups it has to join."""

    def adopt(self, name: str, pid: int) -> None:
        """The process has started."""

    def set_cores(self, name: str, cores: float) -> None:
        """Change the limit."""

    def read_cores(self, name: str) -> float:
        """The limit in force, infinity for none."""

    def counters(self, name: str) -> Counters:
        """CPU time, throttled time, memory."""

    def forget(self, name: str) -> None:
        """The process has ended."""

    def describe(self) -> str:
        """One line for the manifest."""

    def close(self) -> None:
        """Remove everything. Safe to call twice."""


class GroupLimiter:
    """Limits by control groups `sponge-bench/<run>/<replica>` below a writable root."""

    def __init__(self, root: CpuGroup) -> None:
        self._root = root
        self._run: CpuGroup | None = None
        self._pids: dict[str, int] = {}

    def open(self, run_id: str) -> None:
        """Create the run's group."""
        self._run = cgroup.child_group(self._root, own_name(run_id, this_process()))
        _make(self._run)

    def prepare(self, name: str, cores: float | None) -> Sequence[str]:
        """Create the replica's group with its quota."""
        group = self._group(name)
        _make(group)
        cgroup.write_cores(group, math.inf if cores is None else cores)
        return [str(path) for path in cgroup.directories(group)]

    def adopt(self, name: str, pid: int) -> None:
        """The process joins by itself."""
        self._pids[name] = pid

    def set_cores(self, name: str, cores: float) -> None:
        """Write the quota."""
        cgroup.write_cores(self._group(name), cores)

    def read_cores(self, name: str) -> float:
        """Read the quota."""
        return cgroup.read_cores(self._group(name))

    def counters(self, name: str) -> Counters:
        """The group's CPU counters; memory is the process' own, as no memory group is made."""
        counters = cgroup.read_counters(self._group(name))
        return Counters(counters.cpu_s, counters.throttled_s, memory_bytes(self._pids.get(name, 0)))

    def forget(self, name: str) -> None:
        """Remove the replica's group."""
        self._pids.pop(name, None)
        _remove(self._group(name))

    def describe(self) -> str:
        """Version and period."""
        return f"cgroup v{self._root.version}, period {cgroup.PERIOD_S * 1e3:g} ms"

    def close(self) -> None:
        """Remove the run's groups, and the common parent when no other run uses it."""
        if self._run is not None:
            _remove(self._run)
            self._run = None
            cgroup.remove_if_empty(self._root)

    def _group(self, name: str) -> CpuGroup:
        if self._run is None:
            raise BenchError("the CPU limiter is not open")
        return cgroup.child_group(self._run, name)


def _make(group: CpuGroup) -> None:
    try:
        cgroup.make_group(group)
    except OSError as error:
        raise BenchError(f"{group.cpu}: the control group cannot be made ({error.strerror})") from error


def _remove(group: CpuGroup) -> None:
    deadline_s = time.monotonic() + REMOVE_TIMEOUT_S
    while not cgroup.remove_group(group):  # a killed process leaves its group a moment later
        if time.monotonic() > deadline_s:
            raise BenchError(f"{group.cpu}: the control group cannot be removed, something in it still runs")
        time.sleep(0.01)


def writable_root() -> CpuGroup | None:
    """The group below which runs may make theirs, found by making one; None when this process may not."""
    root = cgroup.own_root()
    if root is None:
        return None
    probe = cgroup.child_group(root, own_name("probe", this_process()))
    try:
        cgroup.make_group(probe)
        cgroup.write_cores(probe, 1.0)
    except (OSError, BenchError):
        return None
    finally:
        cgroup.remove_group(probe)
        cgroup.remove_if_empty(root)
    return root


class DutyCycleLimiter:
    """Limits by stopping and continuing processes, from a small process of its own (`harness.backends.limiter`)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._pids: dict[str, int] = {}
        self._first: dict[str, float] = {}  # limits to set once the process exists
        self._lock = threading.Lock()

    def open(self, run_id: str) -> None:
        """Start the limiter. It ends, and frees what it limits, when its input ends, so it never outlives us."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.backends.limiter"],
            env={**os.environ, **run_environment(run_id, this_process())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._wake_after, args=(self._process,), name="limiter's end", daemon=True).start()

    def _wake_after(self, process: subprocess.Popen[str]) -> None:
        """A limiter that dies must not leave its processes stopped for ever."""
        process.wait()
        for pid in tuple(self._pids.values()):
            wake(pid)

    def prepare(self, name: str, cores: float | None) -> Sequence[str]:
        """Nothing to prepare; a limit given here is set once the process exists."""
        if cores is not None:
            self._first[name] = cores
        return ()

    def adopt(self, name: str, pid: int) -> None:
        """Limit the process from now on."""
        self._pids[name] = pid
        if (cores := self._first.pop(name, None)) is not None:
            self.set_cores(name, cores)

    def set_cores(self, name: str, cores: float) -> None:
        """Ask the limiter."""
        self._ask({"pid": self._pids[name], "cores": cores})

    def read_cores(self, name: str) -> float:
        """What the limiter holds the process to."""
        cores = self._ask({"pid": self._pids[name]})["cores"]
        return math.inf if cores is None else float(cores)

    def counters(self, name: str) -> Counters:
        """CPU time and memory of the process; throttled is the time it was stopped."""
        pid = self._pids[name]
        stopped_s = self._ask({"pid": pid})["stopped_s"]
        try:
            return Counters(cpu_time_s(pid), float(stopped_s), memory_bytes(pid))
        except (OSError, psutil.Error) as error:
            raise BenchError(f"{name} (process {pid}) has ended") from error

    def forget(self, name: str) -> None:
        """The limiter notices by itself."""
        self._pids.pop(name, None)

    def describe(self) -> str:
        """That it is duty-cycling."""
        return "duty cycle by SIGSTOP and SIGCONT"

    def close(self) -> None:
        """End the limiter."""
        self._pids.clear()
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            process.wait()
            process.stdout.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise BenchError("the CPU limiter is not open")
        with self._lock:
            try:
                process.stdin.write(json.dumps(command) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError as error:
                raise BenchError(f"the CPU limiter has ended ({error})") from error
        if not line:
            raise BenchError(f"the CPU limiter has ended with exit code {process.poll()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"CPU limiter: {answer['error']}")
        return answer


def memory_bytes(pid: int) -> int:
    """Resident memory of a process, 0 when it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
