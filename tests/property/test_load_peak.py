"""The pool's size, against counting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.load.lag import lag_of, peak_in_flight

INSTANTS = st.lists(st.integers(0, 5000).map(lambda n: n / 64), max_size=60)


@given(INSTANTS, st.integers(1, 600).map(lambda n: n / 64))
def test_peak_in_flight_equals_the_fullest_closed_window(due_s: list[float], timeout_s: float) -> None:
    counted = max((sum(late - timeout_s <= early <= late for early in due_s) for late in due_s), default=0)
    assert peak_in_flight(np.array(due_s), timeout_s) == counted


@given(INSTANTS.filter(bool), st.floats(0, 1))
def test_a_constant_delay_is_every_quantile_of_the_lag(due_s: list[float], delay_s: float) -> None:
    due = np.array(due_s)
    lag = lag_of(due, due + delay_s)
    assert np.allclose([lag.p50_s, lag.p99_s, lag.p999_s, lag.max_s], delay_s, atol=1e-9)
