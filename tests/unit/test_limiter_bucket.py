"""The token bucket behind duty-cycling, step by step."""

import json
import os

import pytest

from harness.backends.limiter import (
    CHECK_S,
    LONGEST_CHECK_S,
    PERIOD_S,
    Bucket,
    Limiter,
    cpu_time_s,
    next_check_s,
    stepped,
)

FULL = Bucket(cores=0.5, at_s=0.0, cpu_s=0.0, credit_s=0.5 * PERIOD_S)
NEVER_USED_PID = 2**22 + 1  # above the kernel's largest process id


def test_a_process_within_its_credit_goes_on():
    assert stepped(FULL, 0.001, 0.001).running


def test_a_process_out_of_credit_is_stopped():
    assert not stepped(FULL, 0.010, 0.020).running


def test_a_stopped_process_waits_for_half_of_the_depth():
    stopped = Bucket(0.5, 0.0, 0.0, credit_s=0.0, running=False)
    assert not stepped(stopped, 0.4 * PERIOD_S, 0.0).running


def test_a_stopped_process_continues_with_half_of_the_depth():
    stopped = Bucket(0.5, 0.0, 0.0, credit_s=0.0, running=False)
    assert stepped(stopped, 0.51 * PERIOD_S, 0.0).running


def test_idling_saves_no_more_than_one_period():
    assert stepped(FULL, 100.0, 0.0).credit_s == FULL.depth_s


def test_overshoot_is_paid_back():
    assert stepped(FULL, 0.0, 0.030).credit_s == pytest.approx(0.010 - 0.030)


def test_time_stopped_is_counted():
    stopped = Bucket(0.5, 1.0, 0.0, credit_s=-1.0, running=False, stopped_s=2.0)
    assert stepped(stopped, 1.5, 0.0).stopped_s == pytest.approx(2.5)


def test_a_running_process_is_looked_at_when_all_cores_could_have_used_its_credit():
    assert next_check_s(FULL, parallel=2) == pytest.approx(FULL.credit_s / 2)


def test_a_stopped_process_is_looked_at_when_its_credit_is_back():
    stopped = Bucket(0.5, 0.0, 0.0, credit_s=0.0, running=False)
    assert next_check_s(stopped, parallel=2) == pytest.approx(PERIOD_S / 2)


def test_no_check_comes_sooner_than_the_limiter_can_afford():
    assert next_check_s(Bucket(0.5, 0.0, 0.0, credit_s=1e-9), parallel=2) == CHECK_S


def test_a_deep_debt_does_not_silence_the_limiter():
    assert next_check_s(Bucket(0.1, 0.0, 0.0, credit_s=-9.0, running=False), 2) == LONGEST_CHECK_S


def test_an_unlimited_process_is_reported_without_cores():
    assert Limiter(2).command('{"pid": 1}') == {"pid": 1, "cores": None, "stopped_s": 0.0}


def test_a_limit_is_answered_with_what_is_in_force():
    limiter = Limiter(2)
    answer = limiter.command(json.dumps({"pid": os.getpid(), "cores": 0.5}))
    assert answer["cores"] == 0.5


def test_a_limit_is_lifted_again():
    limiter = Limiter(2)
    limiter.command(json.dumps({"pid": os.getpid(), "cores": 0.5}))
    assert limiter.command(json.dumps({"pid": os.getpid(), "cores": None}))["cores"] is None


def test_a_process_that_does_not_exist_is_an_answered_error():
    assert "error" in Limiter(2).command(json.dumps({"pid": NEVER_USED_PID, "cores": 0.5}))


def test_a_process_that_has_ended_is_forgotten():
    limiter = Limiter(2)
    limiter._buckets[NEVER_USED_PID] = FULL
    limiter.step(10.0)
    assert limiter.command(json.dumps({"pid": NEVER_USED_PID}))["cores"] is None


def test_cpu_time_of_a_process_is_that_of_all_its_threads():
    before_s = cpu_time_s(os.getpid())
    sum(range(200_000))
    assert cpu_time_s(os.getpid()) > before_s
