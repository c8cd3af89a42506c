"""Proof that the load driver keeps its schedule on this machine, against a server that stamps arrivals itself.

Three replays: 50/s with bodies of 303,600 bytes, 500/s with small ones (both Poisson), and the stall test: 200/s for
12 s, service 10 ms, every request that arrives in [4 s, 6 s) takes 1000 ms. A truly open loop sends all 400 requests
that are due in the stall and reports a p90 of about 1000 ms; a closed loop sends a tenth of them and reports 12 ms.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from harness.cache import cache_dir
from harness.load.driver import LoadDriver, LoadSettings
from harness.load.events import Ended, Started
from harness.load.lag import Gaps, Lag, Replay, Times, gaps_of, invalid_reasons, lag_of, p99_bound_s
from harness.load.reference import Service
from harness.load.reference_process import ReferenceProcess
from harness.tables import PLAN, REQUESTS, read_journal, write_parquet

BUDGET_S = 0.2  # the smallest median budget the driver must be good enough for; sets the bound on the lag
SLO_S = 1.0
SEED = 1
END_GRACE_S = 30.0
AGAIN_WITHIN_S = 30.0  # a neighbour's burst may spoil a replay: it is repeated if this little time has passed
GAP_CV_BOUND = 0.1
STALL = Service(0.01, 4.0, 6.0, 1.0)
STALL_RATE_RPS, STALL_DURATION_S = 200, 12
P90_BOUND_S = 0.025


@dataclass(frozen=True, slots=True)
class Trial:
    """One replay to do: when its requests are due, what they carry, how the server behaves."""

    key: str
    name: str
    due_s: Times
    image_shape: tuple[int, int, int]
    service: Service
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial. latency_s: received - due of the served; arrived_s: as the server stamped it."""

    trial: Trial
    started: Started
    ended: Ended
    arrived_s: Times
    latency_s: Times
    due_served_s: Times


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the self-test: what was reached, what must be reached."""

    trial: str
    name: str
    reached: str
    bound: str
    passed: bool


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All of it. `lag` holds the numbers by trial: send and wire lag in seconds.

    busy_cores: cores of this machine that were busy meanwhile, whoever used them. stolen_cores: what the hypervisor
    gave to others; where it is not near zero, lag of milliseconds is the host's and no generator's.
    """

    host: str
    utc: str
    timer: str
    scheduling: str
    passed: bool
    busy_cores: float
    stolen_cores: float
    checks: tuple[Check, ...]
    lag: dict[str, dict[str, Lag]]


def trials() -> tuple[Trial, Trial, Trial]:
    """The replays of the self-test, the same every time."""
    generator = np.random.default_rng(SEED)
    stall_due_s = np.arange(STALL_RATE_RPS * STALL_DURATION_S) / STALL_RATE_RPS
    return (
        Trial("slow", "50/s, 303,600 bytes", poisson(50, 6, generator), (253, 400, 3), Service(0.01), 2.0),
        Trial("fast", "500/s, 16 bytes", poisson(500, 4, generator), (4, 4, 1), Service(0.01), 1.0),
        Trial("stall", "stall, 200/s", stall_due_s, (4, 4, 1), STALL, 2.0),
    )


def poisson(rate_rps: float, duration_s: float, generator: np.random.Generator) -> Times:
    """Instants of a Poisson process with exactly `rate_rps * duration_s` of them."""
    return np.cumsum(generator.exponential(1 / rate_rps, int(rate_rps * duration_s)))


def run_selftest(folder: Path, watch: Callable[[str], None]) -> SelfTest:
    """Do the replays in `folder` and judge them; `watch` hears what is being done. Takes under a minute."""
    begun_s, before = time.monotonic(), psutil.cpu_times()
    again_until_s = begun_s + AGAIN_WITHIN_S
    judged = [_judged(trial, folder, watch, again_until_s) for trial in trials()]
    checks = tuple(check for _, found in judged for check in found)
    started, after, elapsed_s = judged[0][0].started, psutil.cpu_times(), time.monotonic() - begun_s
    return SelfTest(
        host=platform.node(),
        utc=datetime.now(UTC).isoformat(timespec="seconds"),
        timer=started.timer,
        scheduling=started.scheduling,
        passed=all(check.passed for check in checks),
        busy_cores=(_busy_s(after) - _busy_s(before)) / elapsed_s,
        stolen_cores=(_stolen_s(after) - _stolen_s(before)) / elapsed_s,
        checks=checks,
        lag={one.trial.name: {"send": one.ended.send_lag_s, "wire": wire_lag(one)} for one, _ in judged},
    )


def _judged(
    trial: Trial, folder: Path, watch: Callable[[str], None], again_until_s: float
) -> tuple[Outcome, list[Check]]:
    """Replay and judge; a replay that missed its bounds is done once more while there is time, and the last counts."""
    judge = stall_checks if trial.service == STALL else lag_checks
    watch(trial.name)
    outcome = replay(trial, _new_folder(folder, trial, "first"))
    checks = judge(outcome)
    if all(check.passed for check in checks) or time.monotonic() > again_until_s:
        return outcome, checks
    watch(f"{trial.name}, once more")
    outcome = replay(trial, _new_folder(folder, trial, "again"))
    return outcome, judge(outcome)


def replay(trial: Trial, folder: Path) -> Outcome:
    """Replay one trial against a reference server of its own. Raises BenchError when driver or server fail."""
    settings = LoadSettings(
        url="", plan_path=folder / "plan.parquet", rows_path=folder / "requests.arrows", log_path=folder / "load.log",
        model_name="reference", image_shape=trial.image_shape, run_id="selftest", timeout_s=trial.timeout_s,
    )  # fmt: skip
    write_parquet(settings.plan_path, plan_table(trial))
    with ReferenceProcess(trial.service, folder / "arrivals.npy") as server:
        with LoadDriver(settings.at(server.url)) as driver:
            driver.wait_ready()
            started = driver.go()
            server.set_epoch(started.epoch_monotonic_s)
            ended = driver.wait_end(float(trial.due_s[-1]) + END_GRACE_S)
        server.stop()
        arrived_s = server.arrivals_s(len(trial.due_s)) - started.epoch_monotonic_s
    rows = read_journal(settings.rows_path, REQUESTS)
    served = rows.filter(pc.equal(rows["status"], "served"))
    due_s = served["due_s"].to_numpy()
    return Outcome(trial, started, ended, arrived_s, served["received_s"].to_numpy() - due_s, due_s)


def plan_table(trial: Trial) -> pa.Table:
    """The trial as a plan: no uplink, one client, every request due when it is created."""
    due_s, size = trial.due_s, int(np.prod(trial.image_shape))
    count = len(due_s)
    columns = {
        "id": np.arange(count), "client": np.zeros(count, np.int32), "created_s": due_s, "due_s": due_s,
        "payload_bytes": np.full(count, size), "uplink_s": np.zeros(count), "slo_s": np.full(count, SLO_S),
        "deadline_s": due_s + SLO_S,
    }  # fmt: skip
    return pa.table(columns, schema=PLAN)


def wire_lag(outcome: Outcome) -> Lag:
    """The server's arrival stamps against the plan."""
    came = np.isfinite(outcome.arrived_s)
    return lag_of(outcome.trial.due_s[came], outcome.arrived_s[came])


def lag_checks(outcome: Outcome) -> list[Check]:
    """Lag, gaps and the validity gate of one replay."""
    name, bound_s = outcome.trial.name, p99_bound_s(BUDGET_S)
    send, wire = outcome.ended.send_lag_s, wire_lag(outcome)
    planned, arrived = gaps_of(outcome.trial.due_s), gaps_of(outcome.arrived_s)
    return [
        Check(name, "send lag p50 / p99", _pair(send), f"p99 <= {_ms(bound_s)}", send.p99_s <= bound_s),
        Check(name, "wire lag p50 / p99", _pair(wire), f"p99 <= {_ms(bound_s)}", wire.p99_s <= bound_s),
        _gap_check(name, planned, arrived),
        *_gate_checks(outcome, bound_s),
    ]


def stall_checks(outcome: Outcome) -> list[Check]:
    """The truth of the stall test is known: everything due in the stall is sent, and p90 is the stall's length."""
    service, name = outcome.trial.service, outcome.trial.name
    due = (outcome.trial.due_s >= service.stall_from_s) & (outcome.trial.due_s < service.stall_to_s)
    expected, came = int(due.sum()), int(np.isfinite(outcome.arrived_s[due]).sum())
    p50_s, p90_s = np.quantile(outcome.latency_s, (0.5, 0.9)).tolist() if len(outcome.latency_s) else (np.nan, np.nan)
    off_s = abs(p90_s - service.stall_service_s)
    return [
        Check(name, "sent while the server stalls", str(came), f"= {expected}", came == expected),
        Check(
            name,
            "latency p50 / p90",
            f"{_ms(p50_s)} / {_ms(p90_s)}",
            f"p90 = {_ms(service.stall_service_s)} +- {_ms(P90_BOUND_S)}",
            bool(off_s <= P90_BOUND_S),
        ),
        *_gate_checks(outcome, np.inf),
    ]


def _gap_check(name: str, planned: Gaps, arrived: Gaps) -> Check:
    reached = f"{arrived.cv:.3f}"
    close = abs(arrived.cv - planned.cv) <= GAP_CV_BOUND and abs(arrived.mean_s / planned.mean_s - 1) <= GAP_CV_BOUND
    return Check(name, "gap CV at the server", reached, f"{planned.cv:.3f} +- {GAP_CV_BOUND:g}", close)


def _gate_checks(outcome: Outcome, bound_s: float) -> list[Check]:
    """None early, and whatever else of the validity gate the replay does not pass."""
    ended, name = outcome.ended, outcome.trial.name
    early = ended.send_lag_s.early + wire_lag(outcome).early
    gate = Replay(
        ended.planned, ended.served, ended.send_lag_s, ended.client_core, ended.pool, ended.peak_in_flight,
        ended.clock_step_s, ended.elapsed_s, ended.sent, ended.stopped,
    )  # fmt: skip
    reasons = invalid_reasons(gate, bound_s)
    core = f"{ended.served} of {ended.planned} served, {ended.client_core:.0%} of a core"
    return [
        Check(name, "sent early", str(early), "= 0", early == 0),
        Check(name, "validity gate", "; ".join(reasons) or core, "all served, core < 70%, ...", not reasons),
    ]


def store_selftest(result: SelfTest) -> Path:
    """Keep the result for this host; the manifest of every run shows it."""
    path = _cache_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def cached_selftest() -> dict[str, Any] | None:
    """The last result on this host, as stored; None when there is none that can be read."""
    try:
        found = json.loads(_cache_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _cache_path() -> Path:
    host = "".join(c if c.isalnum() or c in "-_." else "_" for c in platform.node()) or "unnamed"
    return cache_dir() / "selftest" / f"{host}.json"


def _busy_s(times: Any) -> float:
    return float(times.user + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0))


def _stolen_s(times: Any) -> float:
    return float(getattr(times, "steal", 0.0))


def _new_folder(folder: Path, trial: Trial, attempt: str) -> Path:
    path = folder / f"{trial.key}-{attempt}"
    path.mkdir()
    return path


def _pair(lag: Lag) -> str:
    return f"{_ms(lag.p50_s)} / {_ms(lag.p99_s)}"


def _ms(value_s: float) -> str:
    return f"{value_s * 1e3:.2f} ms"
