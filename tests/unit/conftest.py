"""What several unit tests of the data path share."""

import pytest

from harness.engine import Engine
from harness.types import EngineSettings, Queued


@pytest.fixture
def engine():
    """Makes an engine with one free replica of one core; a batch takes 1 s per request, half of it at best."""

    def make(replicas=1, **settings):
        made = Engine(EngineSettings(**settings), lambda b, _: float(b), lambda b, _: b / 2)
        for k in range(replicas):
            made.set_replica(0.0, f"replica-{k}", 1.0)
        return made

    return make


@pytest.fixture
def arrive():
    """Lets requests `(id, deadline_s)` arrive at one instant; all effects in order."""

    def at(engine, now_s, *requests):
        return [e for id_, deadline_s in requests for e in engine.arrive(now_s, Queued(id_, now_s, deadline_s))]

    return at
