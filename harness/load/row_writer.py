"""Rows leave the load driver through a pipe and become Arrow in a process of their own.

Writing a hundred rows as Arrow takes about a millisecond, which is more than a replayer may be late; handing them to
a pipe takes a few dozen microseconds. The writer outlives a killed load driver by just long enough to write what is
still in the pipe. As a program: `python -m harness.load.row_writer FILE` reads pieces until end of input.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from harness.errors import BenchError
from harness.tables import REQUESTS, Journal

CLOSE_TIMEOUT_S = 30.0
_RETRY_S = 0.01

Rows = Sequence[dict[str, Any]]


class RowWriter:
    """Appends rows to a new journal at `path` without ever waiting for the disk. Use as a context manager.

    Leaving it waits until everything is written. Raises BenchError when the writer ended too early.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._fd = -1
        self._unsent = bytearray()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", __name__, str(self.path)], stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._fd = os.dup(self._process.stdin.fileno())
        self._process.stdin.close()
        os.set_blocking(self._fd, False)
        return self

    def append(self, rows: Rows) -> None:
        """Take rows; they are on their way when this returns, unless the pipe is full: then with the next ones."""
        self._unsent += marshal.dumps(list(rows))
        self._send()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        until_s = time.monotonic() + CLOSE_TIMEOUT_S
        while self._unsent and time.monotonic() < until_s:
            self._send()
            time.sleep(_RETRY_S if self._unsent else 0)
        os.close(self._fd)
        code = self._process.wait(CLOSE_TIMEOUT_S)
        if code != 0 or self._unsent:
            raise BenchError(f"{self.path}: the row writer ended with exit code {code}; rows are missing")

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError):
            del self._unsent[: os.write(self._fd, self._unsent)]


def write_rows(source: BinaryIO, path: Path) -> None:
    """Append each piece of rows to the journal as it comes, until end of input."""
    with Journal(path, REQUESTS) as journal:
        while True:
            try:
                rows = marshal.load(source)
            except EOFError:
                return
            journal.append(rows)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of input ends it, after everything was written
    write_rows(sys.stdin.buffer, Path(sys.argv[1]))
