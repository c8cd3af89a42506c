"""One system, one seed: start, replay, control, stop, and leave a complete folder behind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.backends.gateway import GatewayControl
from harness.backends.owner import this_process
from harness.control import next_tick_s
from harness.errors import BenchError
from harness.load.driver import LoadDriver, LoadSettings
from harness.load.events import Ended, Progress
from harness.load.lag import Replay, invalid_reasons
from harness.record import Recorder, finalise, write_manifest
from harness.run.host import CpuClock
from harness.run.loop import ControlLoop, Tick
from harness.seams import Backend, Policy
from harness.serve.observation import from_json
from harness.types import Allocation, Observation, Service

POLL_S = 0.1
END_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """All that one run of one system needs, ready to go.

    facts: what the manifest says of scenario, plan, system and host. lag_bound_s: send lag p99 above which the run is
    invalid. duration_s: of the plan, for the display.
    """

    system: str
    seed: int
    folder: Path
    plan_path: Path
    duration_s: float
    tick_s: float
    lag_bound_s: float
    policy: Policy
    service: Service
    start: Allocation
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """What a live display may show of a running session."""

    system: str
    seed: int
    phase: str
    t_s: float = 0.0
    duration_s: float = 0.0
    progress: Progress | None = None
    allocation: Allocation | None = None


Watch = Callable[[Status], None]


def run_session(session: Session, backend: Backend, watch: Watch) -> dict[str, Any]:
    """Run it and return the manifest. What was measured is on disk even when this raises."""
    session.folder.mkdir(parents=True, exist_ok=True)
    manifest = {**session.facts, "start": asdict(session.start), "state": "running", "started_utc": utc_now()}
    manifest["owner"] = this_process().text()
    write_manifest(session.folder, manifest)
    ended: Ended | None = None
    failure = "the run was interrupted, or met a fault nobody foresaw"
    try:
        watch(Status(session.system, session.seed, "starting"))
        backend.start(session.service, session.start)
        manifest["backend"] = backend.facts()
        ended, manifest["load"] = _replay(session, backend, watch)
        failure = ""
    except BenchError as error:
        failure = str(error)
        raise
    finally:
        try:
            backend.stop()
        finally:
            tables = finalise(session.folder)
            manifest |= _conclusion(session, tables["requests"], ended, failure)
            write_manifest(session.folder, manifest)
    return manifest


def _replay(session: Session, backend: Backend, watch: Watch) -> tuple[Ended, dict[str, Any]]:
    settings = LoadSettings(
        url=backend.url,
        plan_path=session.plan_path,
        rows_path=session.folder / "requests.arrows",
        log_path=session.folder / "load.log",
        model_name=session.service.model_name,
        image_shape=session.service.image_shape,
        run_id=session.service.run_id,
    )
    control = GatewayControl(backend.url)
    with Recorder(session.folder) as recorder, LoadDriver(settings) as driver:
        ready = driver.wait_ready()
        started = driver.go()
        epoch_s = started.epoch_monotonic_s

        def observe() -> Observation:
            return from_json(control.call("GET", "/control/observation"), -epoch_s)

        loop = ControlLoop(session.policy, backend, recorder, observe, epoch_s, session.start)
        before = CpuClock.read()
        _control(session, loop, driver, watch)
        host_load = CpuClock.read().load_since(before)
        ended = driver.wait_end(END_GRACE_S)
    load = {**asdict(ready), **asdict(started), **asdict(ended), "host_load": host_load}
    del load["send_lag_s"]  # stands by itself in the manifest
    return ended, load


def _control(session: Session, loop: ControlLoop, driver: LoadDriver, watch: Watch) -> None:
    """Tick until the load driver is done; the run clock may still be before zero when this begins."""
    _sleep_until(loop, 0.0)
    loop.record_usage()
    due_s, last = session.tick_s, None
    while not driver.is_done():
        if loop.now() >= due_s:
            last = loop.tick()
            due_s = next_tick_s(loop.now(), session.tick_s)
        watch(_status(session, loop.now(), driver.progress, last))
        time.sleep(max(0.0, min(POLL_S, due_s - loop.now())))
    loop.record_usage()


def _sleep_until(loop: ControlLoop, t_s: float) -> None:
    time.sleep(max(0.0, t_s - loop.now()))


def _status(session: Session, now_s: float, progress: Progress | None, last: Tick | None) -> Status:
    allocation = last.applied.effective if last else session.start
    return Status(session.system, session.seed, "running", now_s, session.duration_s, progress, allocation)


def _conclusion(session: Session, requests: pa.Table, ended: Ended | None, failure: str) -> dict[str, Any]:
    """Counts from the rows themselves, and whether the run may be used."""
    planned = session.facts["plan"]["planned"]
    counts = {status: pc.sum(pc.equal(requests["status"], status)).as_py() or 0 for status in STATUSES}
    reasons = [failure] if failure else []
    if ended is not None:
        reasons += invalid_reasons(_replayed(ended, planned, sum(counts.values())), session.lag_bound_s)
    elif not failure:
        reasons.append("the load driver reported no end")
    lag = {name: _finite(value) for name, value in asdict(ended.send_lag_s).items()} if ended else {}
    return {
        "state": "interrupted" if ended is None else "done",
        "ended_utc": utc_now(),
        "counts": {"planned": planned, "sent": ended.sent if ended else None, **counts},
        "send_lag": lag,
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN: what could not be measured is null."""
    return value if math.isfinite(value) else None


STATUSES = ("served", "dropped", "failed")


def _replayed(ended: Ended, planned: int, accounted: int) -> Replay:
    return Replay(
        planned=planned,
        sent=ended.sent,
        accounted=accounted,
        stopped=ended.stopped,
        lag=ended.send_lag_s,
        client_core=ended.client_core,
        pool=ended.pool,
        peak_in_flight=ended.peak_in_flight,
        clock_step_s=ended.clock_step_s,
        elapsed_s=ended.elapsed_s,
    )


def utc_now() -> str:
    """The time of day as the manifest writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
