"""The real load driver, replaying against servers whose behaviour is known, in processes of their own."""

import ast
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import harness.load
from harness.errors import BenchError, UsageError
from harness.load.driver import LoadDriver, LoadSettings
from harness.load.reference import Service
from harness.load.reference_process import ReferenceProcess
from harness.load.selftest import Outcome, Trial, plan_table, replay
from harness.tables import REQUESTS, read_journal, write_parquet

COUNT = 40
SHAPE = (4, 4, 3)
TRIAL = Trial("t", "t", np.arange(COUNT) / 100, SHAPE, Service(0.01, 0.1, 0.2, 9.0), timeout_s=0.5)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict[str, Any]]:
    """40 requests in 0.4 s; those that arrive in [0.1, 0.2) are answered after 9 s, which no client waits for."""
    folder = tmp_path_factory.mktemp("replay")
    outcome = replay(TRIAL, folder)
    return outcome, {row["id"]: row for row in read_journal(folder / "requests.arrows", REQUESTS).to_pylist()}


def test_every_planned_request_ends_in_exactly_one_row(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    assert (sorted(replayed[1]), replayed[0].ended.accounted) == (list(range(COUNT)), COUNT)


def test_every_request_reaches_the_server_even_while_it_stalls(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    assert np.isfinite(replayed[0].arrived_s).all()


def test_no_request_leaves_before_it_is_due(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    assert all(row["due_s"] <= row["dispatched_s"] <= row["sent_s"] for row in replayed[1].values())


def test_no_request_arrives_before_it_was_sent(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    outcome, rows = replayed
    assert all(outcome.arrived_s[k] > row["sent_s"] for k, row in rows.items())


def test_what_is_not_answered_within_the_client_timeout_has_failed(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    failed = {row["error"] for row in replayed[1].values() if row["status"] == "failed"}
    assert failed == {"no answer within the client's 0.5 s"}


def test_stamps_of_a_served_request_are_in_order(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    served = [row for row in replayed[1].values() if row["status"] == "served"]
    assert all(row["sent_s"] < row["queued_s"] < row["finished_s"] < row["received_s"] for row in served)


def test_counts_of_the_end_are_those_of_the_rows(replayed: tuple[Outcome, dict[str, Any]]) -> None:
    outcome, rows = replayed
    counts = Counter(row["status"] for row in rows.values())
    assert (outcome.ended.served, outcome.ended.failed) == (counts["served"], counts["failed"])


def settings(folder: Path, url: str, **changes: Any) -> LoadSettings:
    plan = folder / "plan.parquet"
    write_parquet(plan, plan_table(TRIAL))
    given = LoadSettings(url, plan, folder / "requests.arrows", folder / "load.log", "m", SHAPE, "test-run")
    return replace(given, **changes)


def test_a_server_that_is_not_there_is_named_in_one_line(tmp_path: Path) -> None:
    text = r"127\.0\.0\.1:9: connection 1 of \d+: .*refused"
    with LoadDriver(settings(tmp_path, "http://127.0.0.1:9")) as driver, pytest.raises(BenchError, match=text):
        driver.wait_ready()


def test_a_pool_smaller_than_the_plans_peak_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path, "http://127.0.0.1:9", pool=3)
    with LoadDriver(given) as driver, pytest.raises(UsageError, match="--pool = 3; must be > 40"):
        driver.wait_ready()


def long_plan(folder: Path) -> LoadSettings:
    trial = replace(TRIAL, due_s=np.arange(6000) / 100)
    write_parquet(folder / "plan.parquet", plan_table(trial))
    return LoadSettings(
        "", folder / "plan.parquet", folder / "requests.arrows", folder / "load.log", "m", SHAPE, "r", timeout_s=0.5
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadDriver, pa.Table]:
    """A replay of a minute, stopped as soon as something was served."""
    folder = tmp_path_factory.mktemp("stopped")
    with (
        ReferenceProcess(Service(0.0), folder / "a.npy") as server,
        LoadDriver(long_plan(folder).at(server.url)) as one,
    ):
        one.wait_ready()
        one.go()
        while not (one.progress and one.progress.served):
            os.sched_yield()
        one.stop()
    return one, read_journal(folder / "requests.arrows", REQUESTS)


def test_a_stopped_replay_says_so(stopped: tuple[LoadDriver, pa.Table]) -> None:
    assert stopped[0].ended is not None
    assert stopped[0].ended.stopped


def test_a_stopped_replay_has_a_row_for_each_request_it_sent(stopped: tuple[LoadDriver, pa.Table]) -> None:
    driver, rows = stopped
    assert driver.ended is not None
    assert rows.num_rows == driver.ended.sent > 0


def test_a_killed_replay_keeps_the_rows_it_had(tmp_path: Path) -> None:
    with ReferenceProcess(Service(0.0), tmp_path / "a.npy") as server:
        with LoadDriver(long_plan(tmp_path).at(server.url)) as driver:
            driver.wait_ready()
            driver.go()
            while not (driver.progress and driver.progress.t_s > 1.2):
                os.sched_yield()
            assert driver.pid is not None
            os.kill(driver.pid, 9)
            with pytest.raises(BenchError, match="exit code -9"):
                driver.wait_end(30)
        until_s = time.monotonic() + 30
        while read_journal(tmp_path / "requests.arrows", REQUESTS).num_rows == 0 and time.monotonic() < until_s:
            os.sched_yield()
    assert read_journal(tmp_path / "requests.arrows", REQUESTS).num_rows >= 50


def test_only_the_locustfile_imports_locust_or_gevent() -> None:
    importers = set()
    for path in Path(harness.load.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"locust", "gevent", "geventhttpclient"}:
                importers.add(path.name)
    assert importers == {"locustfile.py"}
