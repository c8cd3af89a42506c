"""Locust, driven open loop: one user replays a plan, a greenlet per request, each sent when it is due.

By hand, with Locust's web page (press start there):

    locust -f harness/load/locustfile.py --host http://127.0.0.1:8000 --plan plan.parquet --rows requests.arrows \\
        --model-name resnet18 --image-shape 253,400,3

The harness runs the same headless and talks to it in JSON lines (docs/protocol.md, "Load driver"). Loading this file
imports Locust, which patches the interpreter: no other module may import it.
"""

from __future__ import annotations

import gc
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import gevent
import numpy as np
from gevent import monkey
from locust import User, events, task
from locust.exception import StopUser

from harness.errors import BenchError, UsageError
from harness.load.clerk import Clerk
from harness.load.connection import Connection
from harness.load.events import Ended, Event, Failed, Ready, Started, line_of
from harness.load.lag import lag_of
from harness.load.message import AnswerError, images, request_template
from harness.load.parent import die_with_parent
from harness.load.pool import Pool
from harness.load.priority import raise_priority
from harness.load.row_writer import RowWriter
from harness.load.rows import Attempt
from harness.load.schedule import Schedule, read_schedule
from harness.load.settings import DISTINCT_IMAGES, ReplaySettings, check_new_file, replay_settings
from harness.load.timerfd import TimerFd

START_DELAY_S = 0.5
OPENING_S = 60.0
DRAIN_S = 0.02
SLICE_S = 0.2  # the longest sleep, so that rows and progress stay fresh
TENDING_GAP_S = 5e-3  # only when the next request is further away, connections are looked after
MARGIN_S = 0.5e-3  # book-keeping stops this long before the next request: one piece of it may take that
RUN_MARK, PARENT_MARK = "SPONGE_BENCH_RUN", "SPONGE_BENCH_PARENT"
_READ, _WRITE = 1, 2
_PlainSocket = monkey.get_original("socket", "socket")


class Timer:
    """Sleeps the calling greenlet until an instant, others run meanwhile. Wakes up to a little late, never early."""

    def __init__(self) -> None:
        self.name = "timerfd"
        self._timer = TimerFd()
        try:
            self._timer.open()
        except OSError:
            self.name = "gevent sleep"
            return
        self._watcher = gevent.get_hub().loop.io(self._timer.fd, _READ)

    def sleep_until(self, at_s: float) -> None:
        """Return at or after `at_s` (CLOCK_MONOTONIC)."""
        if self.name != "timerfd":
            gevent.sleep(max(0.0, at_s - time.monotonic()))
            return
        self._timer.arm(at_s)
        gevent.get_hub().wait(self._watcher)
        self._timer.clear()

    def close(self) -> None:
        """Give the descriptor back."""
        if self.name == "timerfd":
            self._watcher.close()
            self._timer.close()


class HubConnection(Connection):
    """A connection whose waits let other greenlets run."""

    __slots__ = ("_watchers",)

    def __init__(self, sock: socket.socket) -> None:
        hub = gevent.get_hub()
        self._watchers = [hub.loop.io(sock.fileno(), kind) for kind in (_READ, _WRITE)]
        readable, writable = self._watchers
        super().__init__(sock, lambda: hub.wait(readable), lambda: hub.wait(writable))

    def close(self) -> None:
        """Close the socket and what watches it."""
        for watcher in self._watchers:
            watcher.close()
        super().close()


class Replayer:
    """Replays one schedule. `run` returns when every request has its row."""

    def __init__(self, schedule: Schedule, settings: ReplaySettings, pool: Pool, timer: Timer, clerk: Clerk) -> None:
        self.schedule = schedule
        self.settings = settings
        self.pool = pool
        self.timer = timer
        self.clerk = clerk
        self.peak_in_flight = 0
        self.sent_s = np.full(len(schedule), np.nan)
        self._in_flight: dict[int, Attempt] = {}
        self._all_answered = False
        self._cpu_s, self._wall_offset_s = time.process_time(), _wall_offset_s()
        self._template = request_template(f"{settings.host}:{settings.port}", settings.model_name, settings.image_shape)
        self._images = images(settings.image_shape, DISTINCT_IMAGES, seed=0)

    def run(self) -> None:
        """Send every request when it is due, then wait for the last answers."""
        lead_s = self.settings.lead_s - self.clerk.epoch_s
        for index, due_s in enumerate(self.schedule.due_s):
            self._sleep_until(due_s - lead_s)
            self._dispatch(index)
        while self._in_flight:
            self._sleep_until(time.monotonic() + DRAIN_S)
        self._all_answered = True

    def conclude(self) -> Ended:
        """Give requests still in flight their rows, hand over what is owed, let go of everything, and sum up."""
        for attempt in list(self._in_flight.values()):
            attempt.error = "the load driver was stopped before the answer"
            self._finished(attempt)
        elapsed_s = time.monotonic() - self.clerk.epoch_s
        cpu_s = time.process_time() - self._cpu_s
        self.clerk.close()
        self.pool.close()
        self.timer.close()
        sent, tally = np.isfinite(self.sent_s), self.clerk.tally
        return Ended(
            planned=tally.planned, sent=tally.sent, served=tally.served, dropped=tally.dropped, failed=tally.failed,
            violations=tally.violations, send_lag_s=lag_of(np.asarray(self.schedule.due_s)[sent], self.sent_s[sent]),
            elapsed_s=elapsed_s, stopped=not self._all_answered, client_core=cpu_s / (elapsed_s + START_DELAY_S),
            pool=self.settings.pool, peak_in_flight=self.peak_in_flight, reopened=self.pool.reopened,
            clock_step_s=_wall_offset_s() - self._wall_offset_s,
        )  # fmt: skip

    def _sleep_until(self, at_s: float) -> None:
        """Sleep and keep the books until `at_s`, at most a wake-up late."""
        while (now_s := time.monotonic()) < at_s:
            if at_s - now_s > TENDING_GAP_S and self.pool.tend():
                gevent.spawn(self.pool.refill)
            self.clerk.work(at_s - MARGIN_S)
            self.timer.sleep_until(min(at_s, now_s + SLICE_S))

    def _dispatch(self, index: int) -> None:
        attempt = Attempt(index, dispatched_s=max(time.monotonic() - self.clerk.epoch_s, self.schedule.due_s[index]))
        self._in_flight[index] = attempt
        self.peak_in_flight = max(self.peak_in_flight, len(self._in_flight))
        connection = self.pool.take()
        if connection is None:
            gevent.spawn(self._send_on_new, attempt)
        else:
            self._send(attempt, connection)

    def _send_on_new(self, attempt: Attempt) -> None:
        try:
            connection = self.pool.reopen()
        except OSError as error:
            attempt.error = f"no connection: {error}"
            self._finished(attempt)
            return
        self._send(attempt, connection)

    def _send(self, attempt: Attempt, connection: Connection) -> None:
        """Spin until the request is due, and write it. Its text is made anew each turn: the budget in it is the one
        of this instant, and the code that is about to matter is warm."""
        index, schedule, epoch_s = attempt.index, self.schedule, self.clerk.epoch_s
        request_id, due_s, deadline_s = schedule.ids[index], schedule.due_s[index], schedule.deadline_s[index]
        image, make, sent_s = self._images[index % DISTINCT_IMAGES], self._template.text, -math.inf
        while sent_s < due_s:
            sent_s = time.monotonic() - epoch_s
            parts = (make(request_id, int((deadline_s - sent_s) * 1e6)), image)
        try:
            taken = connection.start_sending(parts)
        except OSError:
            taken = 0  # the same error comes back below, where it is handled
        attempt.sent_s = sent_s
        self.sent_s[index] = sent_s
        self.clerk.tally.sent += 1
        gevent.spawn(self._receive, attempt, connection, parts, taken)

    def _receive(self, attempt: Attempt, connection: Connection, parts: Any, taken: int) -> None:
        try:
            with _time_limit(self.settings.timeout_s):
                connection.finish_sending(parts, taken)
                answer = connection.receive()
        except (OSError, AnswerError) as error:
            attempt.error = str(error)
            self._finished(attempt)
            self.pool.lose(connection)
            return
        attempt.status, attempt.body = answer.status, answer.body
        attempt.received_s = answer.received_s - self.clerk.epoch_s
        self._finished(attempt)
        self.pool.give_back(connection)

    def _finished(self, attempt: Attempt) -> None:
        if self._in_flight.pop(attempt.index, None) is not None:
            self.clerk.take(attempt)


class PlanUser(User):
    """The one user that replays the plan."""

    fixed_count = 1

    @task
    def replay(self) -> None:
        """One whole replay, then leave: quit when headless, stop the test when there is a web page."""
        try:
            _replay(self.environment)
            code = 0
        except BenchError as error:
            _emit(Failed(str(error), error.exit_code))
            code = error.exit_code
        self.environment.process_exit_code = code
        runner, headless = self.environment.runner, self.environment.web_ui is None
        gevent.spawn(runner.quit if headless else runner.stop)
        raise StopUser


def _replay(environment: Any) -> None:
    """One whole replay. Its end is reported when all rows are with the disk, however it ended."""
    options, timer = environment.parsed_options, Timer()
    if not options.plan:
        raise UsageError("load driver: --plan must be given")
    schedule = read_schedule(Path(options.plan))
    settings = replay_settings(
        schedule, environment.host or "", options.model_name, options.image_shape,
        timeout_s=options.timeout_s, pool=options.pool, has_timerfd=timer.name == "timerfd",
    )  # fmt: skip
    ended: Ended | None = None
    try:
        with _rows_kept(options.rows) as writer:
            replayer = _prepared(environment, schedule, settings, timer, writer)
            try:
                replayer.run()
            finally:
                ended = replayer.conclude()
    finally:
        if ended is not None:
            _emit(ended)


def _prepared(
    environment: Any, schedule: Schedule, settings: ReplaySettings, timer: Timer, writer: RowWriter | None
) -> Replayer:
    """Everything that takes time, then `ready`, `go` and `start`."""
    scheduling, pool = raise_priority(), Pool(_dialler(settings), settings.pool)
    with _time_limit(OPENING_S):
        pool.fill(f"{settings.host}:{settings.port}")
    if writer is not None:
        writer.wait_ready()
    _emit(Ready(settings.pool, settings.timeout_s))
    if environment.web_ui is None:
        _wait_for_go(environment)
    gc.collect()
    gc.freeze()
    epoch_s = time.monotonic() + START_DELAY_S
    append = _forget if writer is None else writer.append
    clerk = Clerk(schedule, epoch_s, append, _locust_listener(environment, settings), _emit)
    _emit(Started(epoch_s, timer.name, scheduling, settings.lead_s))
    return Replayer(schedule, settings, pool, timer, clerk)


def _locust_listener(environment: Any, settings: ReplaySettings) -> Any:
    """Feeds Locust's own statistics; our rows do not depend on them."""
    name = f"/v2/models/{settings.model_name}/infer"

    def on_row(row: dict[str, Any], attempt: Attempt) -> None:
        received_s = row["received_s"]
        problem = row.get("error") or row.get("drop_reason")
        environment.events.request.fire(
            request_type="POST",
            name=name,
            response_time=0.0 if received_s is None else (received_s - row["due_s"]) * 1e3,
            response_length=len(attempt.body),
            exception=None if row["status"] == "served" else RuntimeError(f"{row['status']}: {problem}"),
            context={},
        )

    return on_row


_replays = count(1)


def _rows_kept(text: str) -> AbstractContextManager[RowWriter | None]:
    """Where rows go; a second replay of the same process (web page) gets a file with a number."""
    if not text:
        return nullcontext()
    number, path = next(_replays), Path(text)
    path = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
    check_new_file(path)
    return RowWriter(path)


def _forget(_: list[dict[str, Any]]) -> None:
    """Without --rows only Locust's statistics remain."""


def _dialler(settings: ReplaySettings) -> Callable[[], HubConnection]:
    """Opens connections to the server, whose name is looked up once. Raises BenchError when it has no address."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BenchError(f"{settings.host}: {error}") from error
    family, kind, protocol, _, address = found[0]

    def dial() -> HubConnection:
        sock = _PlainSocket(family, kind, protocol)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = HubConnection(sock)
        try:
            with _time_limit(settings.timeout_s):
                connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection

    return dial


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    with gevent.Timeout(seconds, TimeoutError(f"no answer within the client's {seconds:g} s")):
        yield


def _wait_for_go(environment: Any) -> None:
    """One line, or end of input. Under the harness a later end of input means the harness is gone: stop."""
    if sys.stdin.isatty():
        return
    watcher = gevent.get_hub().loop.io(0, _READ)
    gevent.get_hub().wait(watcher)
    os.read(0, 4096)

    def stop_at_end_of_input() -> None:
        gevent.get_hub().wait(watcher)
        environment.runner.quit()

    if RUN_MARK in os.environ:
        gevent.spawn(stop_at_end_of_input)


def _wall_offset_s() -> float:
    return time.time() - time.monotonic()


def _emit(event: Event) -> None:
    os.write(_events_fd, (line_of(event) + "\n").encode())


_events_fd = 1


def _prepare_process(**_: Any) -> None:
    """Our lines own standard output, whatever else prints goes to standard error; and we end with the harness."""
    global _events_fd
    sys.stdout.flush()
    _events_fd = os.dup(1)
    os.dup2(2, 1)
    if PARENT_MARK in os.environ:
        die_with_parent(int(os.environ[PARENT_MARK]))


def _options(parser: Any) -> None:
    group = parser.add_argument_group("plan replay")
    add = group.add_argument
    add("--plan", default="", help="plan.parquet to replay")
    add("--rows", default="", help="new file for one row per request (Arrow stream); without it none are kept")
    add("--model-name", default="", help="model asked for: /v2/models/NAME/infer")
    add("--image-shape", default="", metavar="H,W,C", help="height,width,channels of the image sent")
    add("--timeout-s", type=float, help="seconds until an answer is given up (longest SLO + 5)")
    add("--pool", type=int, help="connections opened before the run (from the plan's peak in flight)")


_listeners: Any = events  # Locust's hooks carry no types
_listeners.init.add_listener(_prepare_process)
_listeners.init_command_line_parser.add_listener(_options)
