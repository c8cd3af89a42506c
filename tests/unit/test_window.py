"""The window remembers the recent past and nothing else."""

from harness.engine.window import Window
from harness.types import Counts, Queued, ServiceSample


def window_with(*arrivals_s, window_s=5.0):
    window = Window(window_s)
    for k, t_s in enumerate(arrivals_s):
        window.arrived(Queued(k, t_s, t_s + 1))
    return window


def test_recent_holds_the_arrivals_of_the_window_oldest_first():
    assert [r.id for r in window_with(0.0, 4.0, 6.0).recent(7.0)] == [1, 2]


def test_an_arrival_exactly_one_window_ago_is_still_recent():
    assert [r.id for r in window_with(2.0).recent(7.0)] == [0]


def test_recent_at_a_later_time_forgets_without_another_arrival():
    assert window_with(1.0).recent(100.0) == ()


def test_arrivals_are_counted_per_second_that_ends_now_oldest_first():
    assert window_with(5.1, 5.9, 9.5, 10.0).arrivals_per_s(10.0) == (2, 0, 0, 0, 2)


def test_an_arrival_exactly_one_window_ago_is_in_no_whole_second():
    assert window_with(5.0).arrivals_per_s(10.0) == (0, 0, 0, 0, 0)


def test_a_window_with_a_fraction_counts_its_whole_seconds():
    assert window_with(8.1, window_s=2.5).arrivals_per_s(10.0) == (1, 0)


def test_without_arrivals_every_second_counts_zero():
    assert window_with().arrivals_per_s(10.0) == (0, 0, 0, 0, 0)


def test_services_are_those_answered_within_the_window():
    window = Window(5.0)
    old, new = ServiceSample(1, 1.0, 0.1), ServiceSample(2, 1.0, 0.2)
    window.finished(1.0, old, late=0)
    window.finished(4.0, new, late=0)
    assert window.services(8.0) == (new,)


def test_counts_tell_every_outcome_apart():
    window = window_with(*range(10))
    window.finished(11.0, ServiceSample(4, 1.0, 0.1), late=1)
    window.failed(3)
    window.dropped()
    assert window.counts() == Counts(arrived=10, served=4, dropped=1, failed=3, late=1)


def test_counts_do_not_forget_with_the_window():
    window = window_with(0.0, 1000.0)
    assert window.counts().arrived == 2


def test_what_has_left_the_window_is_not_kept_in_memory():
    window = window_with(*(float(t) for t in range(1000)))
    for t_s in range(1000):
        window.finished(float(t_s), ServiceSample(1, 1.0, 0.1), late=0)
    assert len(window._arrivals) == len(window._services) == 6
