"""The connections of a replay: opened and warmed before it starts, kept, and replaced when lost."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import BenchError
from harness.load.connection import Connection
from harness.load.message import AnswerError, ready_request


class Pool:
    """Open connections, the most recently used first."""

    def __init__(self, open_connection: Callable[[], Connection], size: int) -> None:
        self.open_connection = open_connection
        self.size = size
        self.reopened = 0
        self._idle: list[Connection] = []

    def fill(self, host: str) -> None:
        """Open all connections and get an answer on each. Raises BenchError when the server is not ready."""
        try:
            while len(self._idle) < self.size:
                connection = self.open_connection()
                connection.finish_sending([ready_request(host)], 0)
                answer = connection.receive()
                if answer.status != 200:
                    raise BenchError(f"{host}: GET /v2/health/ready answered HTTP {answer.status}; must be 200")
                self._idle.append(connection)
        except (OSError, AnswerError) as error:
            place = f"{host}: connection {len(self._idle) + 1} of {self.size}"
            raise BenchError(f"{place}: {error}") from error

    def take(self) -> Connection | None:
        """A connection that is open and idle, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection) -> None:
        """Make it available again."""
        self._idle.append(connection)

    def reopen(self) -> Connection:
        """A connection in place of one that was lost. Raises OSError."""
        self.reopened += 1
        return self.open_connection()

    def replace(self, connection: Connection) -> None:
        """Close a broken one and put a new one in its place, if the server takes it."""
        connection.close()
        try:
            self.give_back(self.reopen())
        except OSError:
            return  # the next request that finds no connection tries again and reports the failure as its own

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            self._idle.pop().close()
