"""The backend every place shares: gateway and replicas started, joined, resized in order, measured, removed.

What differs between containers and local processes is a `Runtime`; the order of actions is `harness.control`.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, Self

from harness.backends.cgroup import Counters, min_cores
from harness.backends.gateway import GatewayControl
from harness.backends.meter import Meter
from harness.control import plan_actions, replica_name
from harness.errors import BenchError, UsageError
from harness.types import (
    Action,
    AddReplica,
    Allocation,
    Applied,
    Decision,
    Outcome,
    RemoveReplica,
    Resize,
    Service,
    SetBatch,
    SetThreads,
    Usage,
    threads_for,
)

LIVE_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 120.0
DRAIN_TIMEOUT_S = 60.0
EFFECTIVE_TIMEOUT_S = 1.0
POLL_S = 0.02
CLOCK_TOLERANCE_S = 0.010
GATEWAY = "gateway"
IMPATIENCE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Runtime(Protocol):
    """Where gateway and replicas run. Names are `gateway` and the replicas' names. All raise BenchError."""

    @property
    def name(self) -> str:
        """As recorded in the manifest."""

    def open(self, service: Service) -> None:
        """Prepare what all of them share."""

    def launch_gateway(self, config: Mapping[str, Any]) -> str:
        """Start the gateway; returns its URL as seen from here. Does not wait until it answers."""

    def launch_replica(self, name: str, threads: int, cores: float | None) -> str:
        """Start a replica; returns its URL as the gateway sees it. `cores` None: unlimited while it loads."""

    def check(self, name: str) -> None:
        """Raise BenchError with its last words when it has ended."""

    def set_cores(self, name: str, cores: float) -> None:
        """Change a replica's CPU limit in place."""

    def read_cores(self, name: str) -> float:
        """The CPU limit in force, read from where it is enforced."""

    def counters(self, name: str) -> Counters:
        """A replica's counters."""

    def remove(self, name: str) -> None:
        """Stop and remove a replica."""

    def facts(self) -> dict[str, str]:
        """For the manifest."""

    def close(self) -> None:
        """Remove everything this runtime created. Safe to call twice, and after a failed open."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that exists, also while it starts or drains. `cores` is what was read back."""

    name: str
    url: str
    cores: float
    threads: int


@dataclass(frozen=True, slots=True)
class _Stamps:
    """When an action was acknowledged and when it was seen in force (CLOCK_MONOTONIC)."""

    acknowledged_s: float
    effective_s: float


class ServiceBackend:
    """Implements `harness.seams.Backend` on a runtime. One at a time decides (`apply`); any thread may read `usage`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._gateway: GatewayControl | None = None
        self._service: Service | None = None
        self._allocation: Allocation | None = None
        self._replicas: dict[str, Replica] = {}
        self._meter = Meter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """`docker` or `process`."""
        return self._runtime.name

    @property
    def url(self) -> str:
        """Base URL of the gateway. Raises BenchError before `start`."""
        return self._control().url

    def start(self, service: Service, allocation: Allocation) -> None:
        """Start everything and return when it answers. Raises BenchError with the reason, nothing left behind."""
        if problem := infeasible(allocation, service.max_cores):
            raise UsageError(f"cannot start: {problem}")
        atexit.register(self.stop)
        self._service = service
        try:
            self._start(service, allocation)
        except BaseException:
            self.stop()
            raise

    def _start(self, service: Service, allocation: Allocation) -> None:
        self._runtime.open(service)
        names = [replica_name(index) for index in range(allocation.replicas)]
        urls = {name: self._runtime.launch_replica(name, allocation.threads, None) for name in names}
        self._gateway = GatewayControl(self._runtime.launch_gateway(service.gateway))
        self._await_gateway()
        check_clocks(self._gateway.clock_s)
        self._gateway.set_batch_size(allocation.batch_size)
        for name, url in urls.items():
            self._join(Replica(name, url, allocation.cores, allocation.threads))
            self._resize(name, allocation.cores)
        self._allocation = allocation
        self.usage()  # from here on: what was used to load the model is not the run's

    def _await_gateway(self) -> None:
        deadline_s = time.monotonic() + LIVE_TIMEOUT_S
        while not self._control().is_live():
            self._runtime.check(GATEWAY)
            if time.monotonic() > deadline_s:
                raise BenchError(f"the gateway at {self.url} did not answer within {LIVE_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def _join(self, replica: Replica) -> None:
        """Let a launched replica join once it is ready; it is charged from now on, ready or not."""
        self._replicas[replica.name] = replica
        fields = {"url": replica.url, "cores": replica.cores, "threads": replica.threads}

        def check() -> None:
            self._runtime.check(replica.name)

        try:
            self._control().put_replica(replica.name, fields, READY_TIMEOUT_S, check)
        except BenchError:
            check()  # why it is not ready, when it has ended meanwhile
            raise

    def apply(self, decision: Decision) -> Applied:
        """Move to the target. Never raises BenchError: what went wrong is the outcome and its detail."""
        requested_s = time.monotonic()
        target = decision.target
        with self._lock:
            outcome, detail, stamps = self._apply(target)
            cores = self._effective_cores(target)
            replicas, batch_size = len(self._replicas), self._running()[1].batch_size
        now_s = time.monotonic()
        last = stamps or _Stamps(now_s, now_s)
        return Applied(
            target, requested_s, last.acknowledged_s, last.effective_s, cores, outcome, detail, replicas, batch_size
        )

    def _apply(self, target: Allocation) -> tuple[Outcome, str, _Stamps | None]:
        service, current = self._running()
        problem = infeasible(target, service.max_cores) or _unchangeable(current, target)
        if problem:
            return "infeasible", problem, None
        stamps: dict[bool, _Stamps] = {}
        try:
            for action in self._actions(current, target):
                stamps[not isinstance(action, SetBatch | SetThreads)] = self._perform(action)
        except BenchError as error:
            return "failed", self._cause(error), stamps.get(True)
        self._allocation = target
        return "ok", "", stamps.get(True) or stamps.get(False)  # cores before batch: they are what is paid for

    def _cause(self, error: BenchError) -> str:
        """Why something failed: that a program has ended says more than that it does not answer."""
        for name in (GATEWAY, *self._replicas):
            try:
                self._runtime.check(name)
            except BenchError as ended:
                return str(ended)
        return str(error)

    def _actions(self, current: Allocation, target: Allocation) -> Iterator[Action]:
        """What leads to the target, and after it what an earlier, failed decision left undone."""
        off = [replica.cores for replica in self._replicas.values() if not _near(replica.cores, target.cores)]
        current = replace(current, cores=off[0] if off else target.cores)
        yield from plan_actions(current, target, tuple(self._replicas))
        for replica in tuple(self._replicas.values()):
            if replica.threads != target.threads:
                yield SetThreads(replica.name, target.threads)

    def _perform(self, action: Action) -> _Stamps:
        match action:
            case Resize(name, cores):
                return self._resize(name, cores)
            case SetThreads(name, threads):
                return self._tell(replace(self._replicas[name], threads=threads))
            case SetBatch(batch_size):
                self._control().set_batch_size(batch_size)
                self._allocation = replace(self._running()[1], batch_size=batch_size)
            case AddReplica(name, cores):
                return self._add(name, cores)
            case RemoveReplica(name):
                self._remove(name)
        return _now()

    def _resize(self, name: str, cores: float) -> _Stamps:
        self._runtime.set_cores(name, cores)
        acknowledged_s = time.monotonic()
        effective = self._read_back(name, cores)
        stamps = _Stamps(acknowledged_s, time.monotonic())
        self._tell(replace(self._replicas[name], cores=effective))
        return stamps

    def _read_back(self, name: str, cores: float) -> float:
        deadline_s = time.monotonic() + EFFECTIVE_TIMEOUT_S
        while not _near(effective := self._runtime.read_cores(name), cores):
            if time.monotonic() > deadline_s:
                raise BenchError(f"{name}: {cores:g} cores were granted but {effective:g} are in force")
            time.sleep(0.001)
        return effective

    def _tell(self, replica: Replica) -> _Stamps:
        """Tell the gateway (and through it the replica) what is in force now."""
        fields = {"url": replica.url, "cores": replica.cores, "threads": replica.threads}
        self._control().put_replica(replica.name, fields)
        self._replicas[replica.name] = replica
        return _now()

    def _add(self, name: str, cores: float) -> _Stamps:
        threads, now_s = threads_for(cores), time.monotonic()
        url = self._runtime.launch_replica(name, threads, cores)
        self._meter.begin(name, now_s)
        acknowledged_s = time.monotonic()
        try:
            self._join(Replica(name, url, self._runtime.read_cores(name), threads))
        except BenchError:
            self._replicas.pop(name, None)
            with suppress(BenchError):  # one that has ended has no counters left
                self._meter.end(name, self._runtime.counters(name), time.monotonic())
            self._runtime.remove(name)
            raise
        return _Stamps(acknowledged_s, time.monotonic())

    def _remove(self, name: str) -> None:
        control, deadline_s = self._control(), time.monotonic() + DRAIN_TIMEOUT_S
        control.drain_replica(name)
        while name in control.replica_names():
            if time.monotonic() > deadline_s:
                raise BenchError(f"{name} still holds work after {DRAIN_TIMEOUT_S:.0f} s of draining")
            time.sleep(POLL_S)
        self._meter.end(name, self._counters(name), time.monotonic())
        self._runtime.remove(name)
        self._replicas.pop(name)

    def usage(self) -> Sequence[Usage]:
        """First and last rows of replicas that came and went, then a reading of each that exists, starting or not."""
        readings = [
            self._meter.read(one.name, one.cores, self._counters(one.name), time.monotonic())
            for one in tuple(self._replicas.values())
        ]
        return [*self._meter.take_edges(), *readings]

    def _counters(self, name: str) -> Counters:
        self._runtime.check(name)  # a replica that died ends the run, with its own last words
        try:
            return self._runtime.counters(name)
        except BenchError as error:
            raise BenchError(self._cause(error)) from error

    def facts(self) -> dict[str, str]:
        """What the manifest should say about how this backend ran."""
        return {"backend": self.name, **self._runtime.facts()}

    def stop(self) -> None:
        """Remove everything. Safe to call twice, and after a failed start; another `start` may follow."""
        self._gateway, self._service, self._allocation = None, None, None
        self._replicas.clear()
        self._meter.clear()
        with undisturbed():
            self._runtime.close()
        atexit.unregister(self.stop)

    def _control(self) -> GatewayControl:
        if self._gateway is None:
            raise BenchError("the backend is not started")
        return self._gateway

    def _running(self) -> tuple[Service, Allocation]:
        if self._service is None or self._allocation is None:
            raise BenchError("the backend is not started")
        return self._service, self._allocation

    def _effective_cores(self, target: Allocation) -> float:
        """Cores per replica in force; of several that differ, the ones that are not as wanted."""
        cores = [replica.cores for replica in self._replicas.values()]
        return next((c for c in cores if not _near(c, target.cores)), cores[0] if cores else 0.0)


def infeasible(target: Allocation, max_cores: float, host_cores: int | None = None) -> str:
    """Why this machine can never grant the target, or nothing. `host_cores` defaults to this host's."""
    host = host_cores or os.cpu_count() or 1
    if not min_cores() - 1e-9 <= target.cores <= max_cores + 1e-9:
        return f"cores = {target.cores:g}; must be {min_cores():g} .. {max_cores:g}, the service's maximum"
    if target.granted_cores > host + 1e-9:
        return f"cores = {target.cores:g} x {target.replicas} replicas; must be at most {host}, this host's cores"
    if target.replicas < 1 or target.batch_size < 1:
        return f"replicas = {target.replicas}, batch_size = {target.batch_size}; both must be at least 1"
    return ""


def _unchangeable(current: Allocation, target: Allocation) -> str:
    if (current.variant, current.stage) == (target.variant, target.stage):
        return ""
    return f"variant = {target.variant!r}, stage = {target.stage!r}; this service runs only {current.variant!r}"


def check_clocks(clock_s: Callable[[], float]) -> None:
    """Raise BenchError when another process' clock is not ours: all recorded times assume one monotonic clock."""
    before_s = time.monotonic()
    theirs_s = clock_s()
    after_s = time.monotonic()
    if not before_s - CLOCK_TOLERANCE_S <= theirs_s <= after_s + CLOCK_TOLERANCE_S:
        off_s = theirs_s - (before_s + after_s) / 2
        raise BenchError(f"the gateway's clock differs by {off_s:.3f} s; engine and harness must share one machine")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts off an impatient second Ctrl-C or kill: interrupted cleaning up would leave things behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IMPATIENCE}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _near(cores: float, wanted: float) -> bool:
    return abs(cores - wanted) < 1e-3  # the kernel keeps whole microseconds of quota


def _now() -> _Stamps:
    now_s = time.monotonic()
    return _Stamps(now_s, now_s)
