"""The reference server as a process: started, told the replay's epoch, stopped, its arrivals read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from harness.errors import BenchError
from harness.load.lag import Times
from harness.load.reference import Service

STOP_TIMEOUT_S = 10.0


class ReferenceProcess:
    """A reference server on a free port of 127.0.0.1. Use as a context manager; `arrivals_s` after `stop`."""

    def __init__(self, service: Service, arrivals_path: Path) -> None:
        self.service = service
        self.arrivals_path = arrivals_path
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        service = self.service
        stall = f"{service.stall_from_s},{service.stall_to_s},{service.stall_service_s}"
        command = [sys.executable, "-m", "harness.load.reference", "--arrivals", str(self.arrivals_path)]
        command += ["--service-s", str(service.service_s), "--stall", stall]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"reference server: ended with exit code {self._process.wait()} before it listened")
        self.port = json.loads(line)["port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def set_epoch(self, epoch_monotonic_s: float) -> None:
        """Tell it the replay's time zero, from which its stall is counted."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{epoch_monotonic_s!r}\n".encode())
        self._process.stdin.flush()

    def stop(self) -> None:
        """Let it write its arrivals and end. Safe to call twice."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def arrivals_s(self, count: int) -> Times:
        """CLOCK_MONOTONIC of the arrival of requests 0..count-1; NaN for those that never came."""
        arrivals = np.full(count, np.nan)
        pairs = np.load(self.arrivals_path)
        arrivals[pairs[:, 0].astype(np.int64)] = pairs[:, 1]
        return arrivals
