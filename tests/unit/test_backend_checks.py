"""What the shared backend checks before it begins, and what must not interrupt its end."""

import signal
import time

import pytest

from harness.backends.service import check_clocks, infeasible, undisturbed
from harness.errors import BenchError
from harness.types import Allocation


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (Allocation(float("nan"), 1), "cores = nan"),
        (Allocation(0.05, 1), "cores = 0.05; must be 0.1 .. 2"),
        (Allocation(1.5, 1, replicas=3), "cores = 1.5 x 3 replicas; must be at most 4"),
        (Allocation(1.0, 0), "batch_size = 0"),
    ],
)
def test_infeasible_allocations_are_named_with_the_rule(target, problem):
    assert problem in infeasible(target, max_cores=2.0, host_cores=4)


def test_a_feasible_allocation_has_no_problem():
    assert infeasible(Allocation(2.0, 1, replicas=2), max_cores=2.0, host_cores=4) == ""


def test_one_clock_passes():
    check_clocks(time.monotonic)


def test_two_clocks_are_refused():
    with pytest.raises(BenchError, match="clock differs by"):
        check_clocks(lambda: time.monotonic() - 5.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_cleaning_up_is_not_interrupted_by_a_second_signal(number):
    before = signal.getsignal(number)
    with undisturbed():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before
