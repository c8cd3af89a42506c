"""The connections of a replay: opened and warmed before it starts, kept, and replaced when lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from harness.errors import BenchError
from harness.load.connection import Connection
from harness.load.message import AnswerError, ready_request

TENDED_AT_ONCE = 20  # a look costs a few microseconds


class Pool:
    """Open connections, used in turn, so that none is idle for long. `reopened` counts those opened after `fill`."""

    def __init__(self, open_connection: Callable[[], Connection], size: int) -> None:
        self.open_connection = open_connection
        self.size = size
        self.reopened = 0
        self._idle: deque[Connection] = deque()
        self._lost = 0
        self._refilling = False

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
            connection = self._idle.popleft()
            if connection.is_usable():
                return connection
            self.lose(connection)
        return None

    def give_back(self, connection: Connection) -> None:
        """Make it available again, unless its server said it will close it."""
        if connection.must_close:
            self.lose(connection)
        else:
            self._idle.append(connection)

    def lose(self, connection: Connection) -> None:
        """Close one that is of no use any more; `refill` replaces it."""
        connection.close()
        self._lost += 1

    def tend(self) -> bool:
        """Look at a few idle connections, in turn, and lose those the server has closed. True when `refill` is due."""
        for _ in range(min(TENDED_AT_ONCE, len(self._idle))):
            connection = self._idle.popleft()
            if connection.is_usable():
                self._idle.append(connection)
            else:
                self.lose(connection)
        return self._lost > 0

    def reopen(self) -> Connection:
        """A connection opened during the replay. Raises OSError."""
        connection = self.open_connection()
        self.reopened += 1
        self._lost = max(0, self._lost - 1)
        return connection

    def refill(self) -> None:
        """Replace what was lost, as far as the server lets us; one at a time, though many may ask."""
        if self._refilling:
            return
        self._refilling = True
        try:
            while self._lost:
                self._idle.append(self.reopen())
        except OSError:
            return  # `tend` asks again
        finally:
            self._refilling = False

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            self._idle.pop().close()
