"""The self-test's judgement, on replays made up to be good or bad."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from harness.errors import CheckError
from harness.load.events import Ended, Started
from harness.load.lag import Lag, Times, gaps_of, lag_of
from harness.load.message import parse_head, parse_json
from harness.load.reference import Service, answer_bytes
from harness.load.selftest import (
    Check,
    Outcome,
    SelfTest,
    Trial,
    cached_selftest,
    lag_checks,
    plan_table,
    stall_checks,
    store_selftest,
    trials,
)


def outcome(trial: Trial, lag_s: Times | float = 1e-4, latency_s: Times | float = 0.01) -> Outcome:
    """A replay in which everything was served, `lag_s` behind the plan, `latency_s` after it was due."""
    due_s, count = trial.due_s, len(trial.due_s)
    sent_s = due_s + lag_s
    ended = Ended(
        count, count, count, 0, 0, 0, lag_of(due_s, sent_s), float(due_s[-1]), False, 0.1, count + 1, 9, 0, 0.0
    )
    started = Started(0.0, "timerfd", "normal", 0.0)
    return Outcome(trial, started, ended, sent_s + 5e-5, np.broadcast_to(latency_s, count), due_s)


cli = importlib.import_module("harness.cli.selftest")  # the package holds the command under the same name
SLOW, FAST, STALL = trials()


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def true_stall_latency_s() -> Times:
    stalled = (STALL.due_s >= 4.0) & (STALL.due_s < 6.0)
    return np.where(stalled, 1.0, 0.01)


def test_an_accurate_replay_passes() -> None:
    assert failed(lag_checks(outcome(SLOW))) == []


def test_a_replay_three_milliseconds_late_fails_on_lag_and_gate() -> None:
    late = lag_checks(outcome(SLOW, lag_s=0.003))
    assert failed(late) == ["send lag p50 / p99", "wire lag p50 / p99", "validity gate"]


def test_one_early_request_fails() -> None:
    lag_s = np.full(len(SLOW.due_s), 1e-4)
    lag_s[7] = -2e-4
    assert "sent early" in failed(lag_checks(outcome(SLOW, lag_s)))


def test_a_replay_that_bunches_requests_fails_on_the_gaps() -> None:
    bunched = np.ceil(FAST.due_s / 0.05) * 0.05
    assert "gap CV at the server" in failed(lag_checks(outcome(FAST, bunched - FAST.due_s)))


def test_an_open_loop_passes_the_stall_test() -> None:
    assert failed(stall_checks(outcome(STALL, latency_s=true_stall_latency_s()))) == []


def test_a_closed_loop_that_omits_requests_of_the_stall_fails() -> None:
    true = outcome(STALL, latency_s=true_stall_latency_s())
    omitted = np.where((STALL.due_s >= 4.1) & (STALL.due_s < 6.0), np.nan, true.arrived_s)
    assert "sent while the server stalls" in failed(stall_checks(replace(true, arrived_s=omitted)))


def test_latency_that_hides_the_stall_fails() -> None:
    assert failed(stall_checks(outcome(STALL, latency_s=0.012))) == ["latency p50 / p90"]


def test_a_stall_test_in_which_nothing_was_served_fails_and_does_not_crash() -> None:
    nothing = replace(outcome(STALL), latency_s=np.array([]))
    assert "latency p50 / p90" in failed(stall_checks(nothing))


def test_four_hundred_requests_are_due_in_the_stall() -> None:
    assert ((STALL.due_s >= 4.0) & (STALL.due_s < 6.0)).sum() == 400


def test_the_fast_and_slow_replays_are_poisson() -> None:
    assert [gaps_of(trial.due_s).cv for trial in (SLOW, FAST)] == pytest.approx([1.0, 1.0], abs=0.1)


def test_replays_last_less_than_half_of_the_promised_minute() -> None:
    assert sum(float(trial.due_s[-1]) for trial in trials()) < 30


def test_a_trial_becomes_a_plan_whose_requests_are_due_when_created() -> None:
    table = plan_table(SLOW)
    assert table["due_s"].equals(table["created_s"])


def test_the_reference_server_is_slow_for_what_arrives_in_the_stall_only() -> None:
    service = Service(0.01, 4.0, 6.0, 1.0)
    assert [service.duration_s(t) for t in (3.999, 4.0, 5.999, 6.0)] == [0.01, 1.0, 1.0, 0.01]


def test_the_reference_servers_answer_is_read_as_served() -> None:
    head, _, body = answer_bytes(5, 1.0, 2.0).partition(b"\r\n\r\n")
    assert (parse_head(head).status, parse_json(body)["parameters"]["queued_monotonic_s"]) == (200, 1.0)


def result(*, passed: bool) -> SelfTest:
    lag = Lag(1, 0, 1e-4, 2e-4, 3e-4, 4e-4)
    check = Check("50/s", "send lag", "0.10 ms", "<= 2.00 ms", passed)
    return SelfTest("h", "now", "timerfd", "normal", passed, 0.1, 0.0, (check,), {"50/s": {"send": lag, "wire": lag}})


def test_a_stored_result_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    store_selftest(result(passed=True))
    found = cached_selftest()
    assert found is not None
    assert (found["passed"], found["lag"]["50/s"]["wire"]["p99_s"]) == (True, 2e-4)


def test_without_a_stored_result_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    assert cached_selftest() is None


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_result_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    store_selftest(result(passed=True)).write_text(text)
    assert cached_selftest() is None


def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, passed: bool):
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cli, "run_selftest", lambda _folder, _watch: result(passed=passed))
    app = typer.Typer()
    app.command()(cli.selftest)
    return CliRunner().invoke(app, [])


def test_the_command_prints_what_was_reached_beside_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = command(monkeypatch, tmp_path, passed=True).output
    assert all(text in output for text in ("send lag", "0.10 ms", "<= 2.00 ms", "ok"))


def test_a_failed_check_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = command(monkeypatch, tmp_path, passed=False).exception
    assert isinstance(error, CheckError)
    assert str(error) == "selftest: 1 of 1 checks failed: 50/s: send lag"


def test_a_failed_result_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, tmp_path, passed=False)
    assert [json.loads(path.read_text())["passed"] for path in (tmp_path / "selftest").iterdir()] == [False]
