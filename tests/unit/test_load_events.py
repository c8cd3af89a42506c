"""Event lines: what is written is what is read."""

import json

import pytest

from harness.errors import BenchError
from harness.load.events import Ended, Event, Failed, Progress, Ready, Started, line_of, parse_event
from harness.load.lag import Lag

ENDED = Ended(10, 9, 7, 1, 2, 3, Lag(9, 0, 1e-6, 1e-4, 2e-4, 3e-4), 1.5, False, 0.1, 20, 4, 0, 0.0)


@pytest.mark.parametrize(
    "event",
    [
        Ready(20, 6.0),
        Started(123.5, "timerfd", "real-time", 0.0005),
        Progress(0.5, 10, 5, 4, 0, 0, 0),
        Failed("no server", 1),
        ENDED,
    ],
)
def test_an_event_survives_its_line(event: Event) -> None:
    assert parse_event(line_of(event)) == event


def test_the_end_tells_the_send_lag_as_the_protocol_spells_it() -> None:
    assert json.loads(line_of(ENDED))["send_lag_s"] == {
        "count": 9, "early": 0, "p50": 1e-6, "p99": 1e-4, "p999": 2e-4, "max": 3e-4,
    }  # fmt: skip


def test_what_ended_in_a_row_is_accounted_for() -> None:
    assert ENDED.accounted == 10


@pytest.mark.parametrize("line", ["", "Trace", "[]", '{"event": "lunch"}', '{"event": "ready"}', '{"event": "end"}'])
def test_a_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(BenchError, match="not an event line"):
        parse_event(line)
