"""Usage as a metrics server shows it."""

import pytest

from harness.policy.metrics import Measured, UsageHistory
from harness.types import Usage


def reading(t_s, used_cores, replica="a"):
    return Usage(t_s, replica, 1.0, used_cores, 0, 0.0)


def after(*readings, window_s=10.0):
    history = UsageHistory()
    for one in readings:
        history = history.with_readings([one], window_s)
    return history


def test_one_reading_is_no_measurement():
    assert after(reading(1.0, 0.5)).measured() == {}


def test_a_reading_counts_for_the_time_since_the_one_before():
    measured = after(reading(0.0, 9.0), reading(1.0, 1.0), reading(4.0, 0.2)).measured()["a"]
    assert measured.cores == pytest.approx((1.0 * 1.0 + 3.0 * 0.2) / 4)


def test_what_lies_before_the_window_no_longer_counts():
    history = after(*(reading(float(t), 1.0 if t <= 10 else 0.0) for t in range(21)))
    assert history.measured() == {"a": Measured(0.0, 10.0, 20.0)}


def test_a_window_shorter_than_the_interval_between_readings_has_the_last_interval():
    assert after(reading(0.0, 1.0), reading(30.0, 0.5), reading(60.0, 0.25)).measured()["a"].cores == 0.25


def test_a_reading_that_comes_twice_counts_once():
    same = after(reading(0.0, 1.0), reading(1.0, 0.5), reading(1.0, 0.5))
    assert same == after(reading(0.0, 1.0), reading(1.0, 0.5))


def test_replicas_are_measured_apart():
    history = UsageHistory()
    for t_s in (0.0, 1.0):
        history = history.with_readings([reading(t_s, 0.25), reading(t_s, 0.75, "b")], 10.0)
    assert {name: m.cores for name, m in history.measured().items()} == {"a": 0.25, "b": 0.75}


def test_a_replica_that_is_no_longer_read_is_forgotten():
    history = UsageHistory().with_readings([reading(0.0, 1.0), reading(0.0, 1.0, "b")], 10.0)
    later = history.with_readings([reading(1.0, 1.0)], 10.0)
    assert {usage.replica for usage in later.readings} == {"a"}


def test_a_tick_without_readings_changes_nothing():
    history = after(reading(0.0, 1.0), reading(1.0, 0.5))
    assert history.with_readings([], 10.0) == history
