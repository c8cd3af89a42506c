"""The kernel's timer."""

import select
import sys
import time

import pytest

from harness.load.timerfd import TimerFd

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="timerfd exists on Linux only")


@pytest.fixture
def timer():
    one = TimerFd()
    one.open()
    yield one
    one.close()


def readable(timer: TimerFd, wait_s: float) -> bool:
    return bool(select.select([timer.fd], [], [], wait_s)[0])


def test_a_timer_nobody_armed_stays_silent(timer: TimerFd) -> None:
    assert not readable(timer, 0)


def test_a_timer_in_the_far_future_stays_silent(timer: TimerFd) -> None:
    timer.arm(time.monotonic() + 3600)
    assert not readable(timer, 0)


def test_a_timer_in_the_past_fires_at_once(timer: TimerFd) -> None:
    timer.arm(time.monotonic() - 1)
    assert readable(timer, 5)


def test_a_timer_at_the_beginning_of_time_fires_too(timer: TimerFd) -> None:
    timer.arm(0.0)
    assert readable(timer, 5)


def test_a_timer_never_fires_before_its_instant(timer: TimerFd) -> None:
    at_s = time.monotonic() + 0.003
    timer.arm(at_s)
    assert readable(timer, 5)
    assert time.monotonic() > at_s - 1e-6


def test_a_cleared_timer_is_silent_again(timer: TimerFd) -> None:
    timer.arm(0.0)
    readable(timer, 5)
    timer.clear()
    assert not readable(timer, 0)


def test_closing_twice_is_closing_once(timer: TimerFd) -> None:
    timer.close()
    timer.close()
    assert timer.fd == -1
