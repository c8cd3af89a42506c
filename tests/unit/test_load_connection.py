"""One connection, over a socket pair."""

import select
import socket
from collections.abc import Iterator

import pytest

from harness.load.connection import Connection
from harness.load.message import AnswerError

ANSWER = b'HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 10\r\nContent-Length: 14\r\n\r\n{"id":"1"}abcd'


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield (
            Connection(ours, lambda: select.select([ours], [], [], 5), lambda: select.select([], [ours], [], 5)),
            theirs,
        )


def test_an_answer_gives_status_and_its_json(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(ANSWER)
    answer = connection.receive()
    assert (answer.status, answer.body) == (200, b'{"id":"1"}')


def test_an_answer_is_read_whole_however_it_is_cut(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    pieces = [ANSWER[k : k + 1] for k in range(len(ANSWER))]
    connection.wait_readable = lambda: server.sendall(pieces.pop(0))
    assert connection.receive().body == b'{"id":"1"}'


def test_two_answers_follow_each_other(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(ANSWER)
    connection.receive()
    server.sendall(ANSWER)
    assert connection.receive().status == 200


def test_a_long_tensor_is_read_off_and_let_go(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    size = 300_000
    left = bytearray(
        b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}" % (size + 2)
        + bytes(size)
    )

    def more() -> None:
        server.sendall(left[:50_000])
        del left[:50_000]

    connection.wait_readable = more
    assert (connection.receive().body, len(left)) == (b"{}", 0)


def test_a_server_that_closes_in_the_middle_is_an_error(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(ANSWER[:-1])
    server.close()
    with pytest.raises(ConnectionResetError, match="before its answer was complete"):
        connection.receive()


def test_bytes_after_the_answer_are_an_error(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(ANSWER + b"x")
    with pytest.raises(AnswerError, match="more than the answer"):
        connection.receive()


def test_an_endless_head_is_an_error(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    connection.wait_readable = lambda: server.sendall(b"x" * 10_000)
    with pytest.raises(AnswerError, match="head is longer"):
        connection.receive()


def test_a_request_too_long_for_the_socket_is_sent_in_the_end(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    parts, got = (b"head", memoryview(bytes(range(256)) * 8192)), bytearray()
    connection.wait_writable = lambda: got.extend(server.recv(1 << 20))
    connection.finish_sending(parts, connection.start_sending(parts))
    while len(got) < sum(map(len, parts)):
        got.extend(server.recv(1 << 20))
    assert bytes(got) == b"".join(parts)


def test_an_idle_connection_is_usable(pair: tuple[Connection, socket.socket]) -> None:
    assert pair[0].is_usable()


def test_a_connection_the_server_closed_is_not_usable(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.close()
    assert not connection.is_usable()


def test_a_connection_the_server_asked_to_close_is_not_usable(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    connection.receive()
    assert not connection.is_usable()
