"""Whatever a process does, the token bucket keeps it to its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.limiter import PERIOD_S, Bucket, next_check_s, stepped

LATENESS_S = 0.002  # how late a simulated check may come


def drive(cores: float, parallel: int, hunger: list[float], lateness_s: list[float]) -> tuple[Bucket, float]:
    """A process that, while it may run, uses `hunger` x `parallel` cores; every check comes a little late."""
    bucket, cpu_s = Bucket(cores, 0.0, 0.0), 0.0
    for share, late_s in zip(hunger, lateness_s, strict=True):
        now_s = next_check_s(bucket, parallel) + late_s
        cpu_s += share * parallel * (now_s - bucket.at_s) if bucket.running else 0.0
        bucket = stepped(bucket, now_s, cpu_s)
    return bucket, cpu_s


shares = st.floats(0.0, 1.0)
lags = st.floats(0.0, LATENESS_S)
steps = st.integers(1, 200).flatmap(
    lambda n: st.tuples(st.lists(shares, min_size=n, max_size=n), st.lists(lags, min_size=n, max_size=n))
)


@given(cores=st.floats(0.1, 2.0), parallel=st.integers(1, 4), steps=steps)
def test_cpu_time_never_exceeds_the_share_by_more_than_one_check(cores, parallel, steps):
    bucket, cpu_s = drive(cores, parallel, *steps)
    overshoot_s = parallel * (0.001 + LATENESS_S)
    assert cpu_s <= cores * bucket.at_s + cores * PERIOD_S + overshoot_s + 1e-9


@given(cores=st.floats(0.1, 1.0), lateness_s=st.lists(lags, min_size=400, max_size=400))
def test_a_greedy_process_gets_its_share(cores, lateness_s):
    bucket, cpu_s = drive(cores, 1, [1.0] * 400, lateness_s)
    assert cpu_s / bucket.at_s == pytest.approx(cores, abs=0.05 + 2 * PERIOD_S / bucket.at_s)


@given(cores=st.floats(0.1, 2.0), steps=steps)
def test_a_process_that_does_nothing_is_never_stopped(cores, steps):
    hunger, lateness_s = steps
    bucket, _ = drive(cores, 2, [0.0] * len(hunger), lateness_s)
    assert bucket.stopped_s == 0.0


@given(cores=st.floats(0.1, 2.0), steps=steps)
def test_a_check_never_lies_in_the_past(cores, steps):
    bucket, _ = drive(cores, 2, *steps)
    assert next_check_s(bucket, 2) > bucket.at_s
