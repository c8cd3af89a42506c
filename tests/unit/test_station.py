"""The station performs the engine's effects in time: on a loop whose clock jumps to whatever is next."""

import asyncio
import selectors
from dataclasses import replace

import pytest

from harness.engine import Engine
from harness.oip import Message, Tensor
from harness.serve.station import ReplicaError, Station, answer_parameters
from harness.types import EngineSettings


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time stands still while there is work and jumps to the next timer when there is none."""

    def __init__(self):
        super().__init__(selectors.SelectSelector())
        self.now_s = 100.0
        select = self._selector.select

        def jump(timeout):
            if timeout is None:
                raise RuntimeError("nothing will ever happen again")
            if timeout > 0:
                self.now_s = max(self.now_s, self._scheduled[0]._when)
            return select(0)

        self._selector.select = jump

    def time(self):
        return self.now_s


class Replicas:
    """A batch takes a second per image; answers are what was sent; those in `broken` fail after as long."""

    def __init__(self, broken=()):
        self.broken = set(broken)
        self.batches = []

    async def send(self, replica, images):
        started_s = asyncio.get_running_loop().time()
        self.batches.append((started_s - 100.0, replica, [bytes(i) for i in images]))
        await asyncio.sleep(float(len(images)))
        if replica in self.broken:
            raise ReplicaError(f"{replica} is broken")
        return [Message((Tensor("out", "UINT8", (1, 1), bytes(i)),)) for i in images]


def station_of(transport, replicas=1, watch=None, **settings):
    engine = Engine(EngineSettings(**settings), lambda b, _: float(b), lambda b, _: b / 2)
    for k in range(replicas):
        engine.set_replica(100.0, f"replica-{k}", 1.0)
    return Station(engine, transport, watch)


def run(scenario):
    """The result of a coroutine in jumping time."""
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(scenario)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def answers(station, *requests):
    """Answers to requests `(after_s, image, budget_s)`, each sent that long after the start."""

    async def one(after_s, image, budget_s):
        await asyncio.sleep(after_s)
        return await station.submit(image, budget_s)

    async def everything():
        return await asyncio.gather(*(one(*request) for request in requests))

    return run(everything())


def test_an_answer_is_stamped_with_when_it_was_queued_started_and_finished():
    (answer,) = answers(station_of(Replicas()), (2.0, b"a", 9.0))
    assert (answer.queued_s, answer.started_s, answer.finished_s) == (102.0, 102.0, 103.0)


def test_a_request_waits_while_the_replica_is_busy():
    _, second = answers(station_of(Replicas()), (0.0, b"a", 9.0), (0.25, b"b", 9.0))
    assert (second.queued_s, second.started_s, second.finished_s) == (100.25, 101.0, 102.0)


def test_everybody_gets_the_answer_to_their_own_image():
    got = answers(station_of(Replicas(), batch_size=4), *((k / 8, bytes([k]), 99.0) for k in range(9)))
    assert [bytes(a.outputs.tensors[0].data) for a in got] == [bytes([k]) for k in range(9)]


def test_a_batch_that_waits_leaves_at_its_time_without_another_event():
    replicas = Replicas()
    answers(station_of(replicas, batch_size=4, close="timeout", timeout_s=0.5), (0.0, b"a", 9.0), (0.25, b"b", 9.0))
    assert replicas.batches == [(0.5, "replica-0", [b"a", b"b"])]


def test_an_earlier_deadline_moves_the_time_to_leave_forward():
    replicas = Replicas()
    answers(station_of(replicas, batch_size=2, close="slack"), (0.0, b"a", 9.0))
    answers(station_of(replicas, batch_size=3, close="slack"), (0.0, b"a", 9.0), (0.5, b"b", 4.0))
    assert [(started_s, len(images)) for started_s, _, images in replicas.batches] == [(7.0, 1), (1.5, 2)]


@pytest.mark.parametrize("budget_s", [0.3, 0.7, 1.1, 2.3])
def test_a_time_to_leave_that_no_float_hits_exactly_is_kept_all_the_same(budget_s):
    replicas = Replicas()
    answers(station_of(replicas, batch_size=2, close="slack"), (1 / 3, b"a", 2 + budget_s))
    assert replicas.batches[0][0] == pytest.approx(1 / 3 + budget_s)


def test_two_replicas_serve_side_by_side():
    replicas = Replicas()
    answers(station_of(replicas, replicas=2), (0.0, b"a", 9.0), (0.0, b"b", 9.0), (0.0, b"c", 9.0))
    assert replicas.batches == [(0.0, "replica-0", [b"a"]), (0.0, "replica-1", [b"b"]), (1.0, "replica-0", [b"c"])]


def test_a_dropped_request_is_answered_with_the_reason_and_never_sent():
    replicas = Replicas()
    (answer,) = answers(station_of(replicas, drop="expired"), (0.0, b"a", -0.1))
    assert (answer.dropped, answer.batch_id, replicas.batches) == ("expired", -1, [])


def test_what_expires_in_the_queue_is_dropped_when_its_turn_comes():
    _, waiting = answers(station_of(Replicas(), drop="expired"), (0.0, b"a", 9.0), (0.0, b"b", 0.5))
    assert waiting.dropped == "expired"


def test_a_failed_batch_is_answered_with_the_reason_to_all_in_it():
    got = answers(station_of(Replicas(broken=["replica-0"]), batch_size=2), *((0.0, b"a", 9.0),) * 3)
    assert [a.failed for a in got] == ["replica-0 is broken"] * 3


def test_a_broken_replica_does_not_keep_the_other_from_serving():
    station = station_of(Replicas(broken=["replica-0"]), replicas=2)
    got = answers(station, *((0.0, b"a", 99.0),) * 6)
    assert [a.failed != "" for a in got] == [a.replica == "replica-0" for a in got]


def test_every_answer_is_watched_once():
    seen = []
    station = station_of(Replicas(broken=["replica-1"]), replicas=2, watch=seen.append, drop="expired")
    got = answers(station, (0.0, b"a", 9.0), (0.0, b"b", 9.0), (0.0, b"c", -1.0))
    assert sorted(map(id, seen)) == sorted(map(id, got))


def test_one_who_no_longer_waits_is_still_served_and_disturbs_nobody():
    station = station_of(Replicas())

    async def scenario():
        tasks = [asyncio.ensure_future(station.submit(bytes([k]), 99.0)) for k in range(3)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        return await asyncio.gather(tasks[0], tasks[2])

    assert [a.finished_s for a in run(scenario())] == [101.0, 103.0]


def test_nothing_is_kept_of_requests_that_were_answered():
    station = station_of(Replicas(broken=["replica-1"]), replicas=2, drop="expired")
    answers(station, (0.0, b"a", 9.0), (0.0, b"b", 9.0), (0.0, b"c", -1.0))
    assert (station._waiting, station._tasks) == ({}, set())


def test_settings_may_change_while_requests_wait():
    station = station_of(Replicas(), batch_size=9, close="timeout", timeout_s=60.0)

    async def scenario():
        tasks = [asyncio.ensure_future(station.submit(bytes([k]), 99.0)) for k in range(2)]
        await asyncio.sleep(1.0)
        station.perform(station.engine.configure(station.now(), replace(station.engine.settings, close="idle")))
        return await asyncio.gather(*tasks)

    assert [(a.started_s, a.batch_size) for a in run(scenario())] == [(101.0, 2)] * 2


def test_the_stamps_of_a_dropped_request_tell_only_when_it_came():
    (answer,) = answers(station_of(Replicas(), drop="expired"), (0.0, b"a", -0.1))
    assert answer_parameters(answer) == {"queued_monotonic_s": 100.0}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_replica_that_answers_another_number_of_images_fails_the_whole_batch(count):
    class Miscounts(Replicas):
        async def send(self, replica, images):
            answered = await super().send(replica, images)
            return answered if len(images) == 1 else (answered * 2)[:count]

    station = station_of(Miscounts(), batch_size=2)
    got = answers(station, *((0.0, b"a", 9.0),) * 3)
    assert [a.failed for a in got] == ["", *[f"{count} answers to 2 images"] * 2]
    assert station.engine.counts().failed == 2
