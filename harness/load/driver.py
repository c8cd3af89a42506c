"""Starts the load driver's process, talks to it, and makes sure it ends. Imports neither Locust nor gevent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.backends.owner import run_environment, this_process
from harness.errors import BenchError, UsageError
from harness.load.events import Ended, Event, Failed, Progress, Ready, Started, parse_event

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """One replay. `rows_path` must not exist yet; `log_path` receives Locust's own log.

    timeout_s, pool: None derives them (longest SLO + grace; the plan's peak in flight over that).
    """

    url: str
    plan_path: Path
    rows_path: Path
    log_path: Path
    model_name: str
    image_shape: tuple[int, int, int]
    run_id: str
    timeout_s: float | None = None
    pool: int | None = None

    def at(self, url: str) -> LoadSettings:
        """The same against another server."""
        return replace(self, url=url)

    def command(self) -> list[str]:
        """The command line of the load driver."""
        locustfile = Path(__file__).with_name("locustfile.py")
        given = {"--timeout-s": self.timeout_s, "--pool": self.pool}
        return [
            sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary",
            "--loglevel", "WARNING", "--host", self.url, "--plan", str(self.plan_path), "--rows", str(self.rows_path),
            "--model-name", self.model_name, "--image-shape", ",".join(map(str, self.image_shape)),
            *(text for name, value in given.items() if value is not None for text in (name, str(value))),
        ]  # fmt: skip


class LoadDriver:
    """The load driver's process. Use as a context manager; leaving it stops the process if it still runs.

    Start it from a thread that outlives the replay: the kernel stops the process when that thread ends.
    """

    def __init__(self, settings: LoadSettings) -> None:
        self.settings = settings
        self.ready: Ready | None = None
        self.started: Started | None = None
        self.progress: Progress | None = None
        self.ended: Ended | None = None
        self._failure: BenchError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        """Start the process."""
        settings = self.settings
        with settings.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                settings.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(os.environ, settings.run_id, os.getpid()),
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="load-driver-events", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return self._process.pid if self._process else None

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Ready:
        """Until connections are open and warm. Raises BenchError or UsageError with the driver's own reason."""
        self._wait(lambda: self.ready is not None, timeout_s, "ready")
        assert self.ready is not None
        return self.ready

    def go(self, timeout_s: float = 10.0) -> Started:
        """Let it start; returns the replay's epoch, half a second ahead."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        except OSError as error:
            raise self._reason("ended before it was told to go") from error
        self._wait(lambda: self.started is not None, timeout_s, "start")
        assert self.started is not None
        return self.started

    def is_done(self) -> bool:
        """True once the end was reported. Raises when the process failed before that."""
        with self._news:
            if self._failure is not None and self.ended is None:
                raise self._failure
            return self.ended is not None

    def wait_end(self, timeout_s: float) -> Ended:
        """Until every request has its row."""
        self._wait(lambda: self.ended is not None, timeout_s, "end")
        assert self.ended is not None
        return self.ended

    def stop(self) -> Ended | None:
        """End the process, asking first; what it reported last. Rows so far are on the disk. Safe to call twice."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None and self.ended is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return self.ended

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise BenchError("load driver: not started; use it as a context manager")
        return self._process

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        self._running()
        with self._news:
            arrived = self._news.wait_for(lambda: condition() or self._failure is not None, timeout_s)
            if condition():
                return
            if self._failure is not None:
                raise self._failure
        assert not arrived
        raise BenchError(f"load driver: no {what!r} within {timeout_s:g} s; its log is {self.settings.log_path}")

    def _read(self) -> None:
        process = self._running()
        assert process.stdout is not None
        for line in process.stdout:
            try:
                self._note(parse_event(line.decode(errors="replace")))
            except BenchError as error:
                self._fail(error)
        process.wait()
        self._fail(self._reason(f"ended with exit code {process.returncode}"))

    def _note(self, event: Event) -> None:
        with self._news:
            match event:
                case Ready():
                    self.ready = event
                case Started():
                    self.started = event
                case Progress():
                    self.progress = event
                case Ended():
                    self.ended = event
                case Failed(message=message, exit_code=code):
                    self._failure = UsageError(message) if code == UsageError.exit_code else BenchError(message)
            self._news.notify_all()

    def _fail(self, error: BenchError) -> None:
        with self._news:
            self._failure = self._failure or error
            self._news.notify_all()

    def _reason(self, what: str) -> BenchError:
        tail = self.settings.log_path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        return BenchError(f"load driver: {what}; its log ends: {tail or '(empty)'}")


def _environment(base: Mapping[str, str], run_id: str, parent_pid: int) -> dict[str, str]:
    """Marks the process as ours, so that it can be found, and tells it whom it must not outlive."""
    kept = {name: value for name, value in base.items() if not name.startswith("LOCUST_")}
    return {**kept, **run_environment(run_id, this_process()), "SPONGE_BENCH_PARENT": str(parent_pid)}
