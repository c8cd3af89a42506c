"""Connections are kept ready, and lost ones replaced."""

import pytest

from harness.errors import BenchError
from harness.load.connection import Answer
from harness.load.pool import Pool


class Line:
    """A connection without a network."""

    def __init__(self, number: int, status: int = 200) -> None:
        self.number = number
        self.status = status
        self.usable = True
        self.must_close = False
        self.closed = False

    def is_usable(self) -> bool:
        return self.usable

    def finish_sending(self, parts: object, taken: int) -> None:
        pass

    def receive(self) -> Answer:
        return Answer(self.status, b"{}", 0.0)

    def close(self) -> None:
        self.closed = True


class Exchange:
    """Opens lines, until told to refuse."""

    def __init__(self, status: int = 200) -> None:
        self.lines: list[Line] = []
        self.status = status
        self.refuses = False

    def open(self) -> Line:
        if self.refuses:
            raise ConnectionRefusedError(111, "Connection refused")
        self.lines.append(Line(len(self.lines), self.status))
        return self.lines[-1]


def filled(size: int = 3) -> tuple[Pool, Exchange]:
    exchange = Exchange()
    pool = Pool(exchange.open, size)
    pool.fill("h:1")
    return pool, exchange


def test_filling_opens_as_many_as_asked_for() -> None:
    assert len(filled(3)[1].lines) == 3


def test_a_server_that_is_not_ready_is_refused_with_its_status() -> None:
    with pytest.raises(BenchError, match=r"h:1: GET /v2/health/ready answered HTTP 503; must be 200"):
        Pool(Exchange(status=503).open, 3).fill("h:1")


def test_connections_are_used_in_turn() -> None:
    pool, _ = filled(3)
    used = []
    for _ in range(5):
        line = pool.take()
        used.append(line.number)
        pool.give_back(line)
    assert used == [0, 1, 2, 0, 1]


def test_a_closed_connection_is_passed_over() -> None:
    pool, exchange = filled(2)
    exchange.lines[0].usable = False
    assert pool.take().number == 1


def test_when_all_are_taken_there_is_none() -> None:
    pool, _ = filled(1)
    pool.take()
    assert pool.take() is None


def test_tending_finds_what_the_server_closed_and_refilling_replaces_it() -> None:
    pool, exchange = filled(3)
    exchange.lines[1].usable = False
    assert pool.tend()
    pool.refill()
    assert ([pool.take().number for _ in range(3)], pool.reopened) == ([0, 2, 3], 1)


def test_tending_a_healthy_pool_asks_for_nothing() -> None:
    assert not filled(3)[0].tend()


def test_a_connection_its_server_will_close_is_not_given_back() -> None:
    pool, _ = filled(1)
    line = pool.take()
    line.must_close = True
    pool.give_back(line)
    assert (line.closed, pool.take()) == (True, None)


def test_what_a_server_refused_is_asked_for_again() -> None:
    pool, exchange = filled(2)
    pool.lose(pool.take())
    exchange.refuses = True
    pool.refill()
    exchange.refuses = False
    pool.refill()
    assert (pool.tend(), pool.reopened, len(exchange.lines)) == (False, 1, 3)


def test_a_connection_opened_for_a_request_counts_as_a_replacement() -> None:
    pool, exchange = filled(1)
    pool.lose(pool.take())
    pool.give_back(pool.reopen())
    pool.refill()
    assert len(exchange.lines) == 2


def test_closing_closes_every_idle_connection() -> None:
    pool, exchange = filled(3)
    pool.close()
    assert all(line.closed for line in exchange.lines)
