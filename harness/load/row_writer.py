"""Rows leave the load driver through a pipe and become Arrow in a process of their own.

Writing a hundred rows as Arrow takes about a millisecond, which is more than a replayer may be late; handing them to
a pipe takes a few dozen microseconds. The writer outlives a killed load driver by just long enough to write what is
still in the pipe. As a program: `python -m harness.load.row_writer FILE` reads pieces until end of input.
"""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from harness.errors import BenchError
from harness.tables import REQUESTS, Journal, table_of

CLOSE_TIMEOUT_S = 30.0
_RETRY_S = 0.01

Rows = Sequence[dict[str, Any]]


class RowWriter:
    """Appends rows to a new journal at `path` without ever waiting for the disk. Use as a context manager.

    Leaving it waits until everything is written, and raises BenchError when that failed and nothing else did.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()
        self._pipe: FileIO
        self._unsent = bytearray()

    def __enter__(self) -> Self:
        """Start the process. The pipes are raw files: gevent puts off closing its own until something else happens."""
        their_input, ours = os.pipe()
        self._pipe = self._stack.enter_context(FileIO(ours, "wb"))
        ready, their_output = os.pipe()
        self._ready = self._stack.enter_context(FileIO(ready, "rb"))
        with FileIO(their_input) as stdin, FileIO(their_output, "wb") as stdout:
            command = [sys.executable, "-m", __name__, str(self.path)]
            self._process = subprocess.Popen(command, stdin=stdin, stdout=stdout)
        os.set_blocking(ours, False)
        return self

    def wait_ready(self) -> None:
        """Until the process has loaded what it needs, which takes a second of CPU no replay should share."""
        assert self._process is not None
        if not self._ready.read(100):
            raise BenchError(f"{self.path}: the row writer ended with exit code {self._process.wait()}")

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
        self._stack.close()
        code = self._process.wait(CLOSE_TIMEOUT_S)
        if kind is None and (code != 0 or self._unsent):
            raise BenchError(f"{self.path}: the row writer ended with exit code {code}; rows are missing")

    def _send(self) -> None:
        taken = self._pipe.write(self._unsent)  # None when the pipe is full
        del self._unsent[: taken or 0]


def write_rows(source: BinaryIO, path: Path) -> None:
    """Append each piece of rows to the journal as it comes, until end of input. Prints a line when it begins."""
    table_of([{"id": 0}], REQUESTS)  # the first table loads code for most of a second
    with Journal(path, REQUESTS) as journal:
        print("ready", flush=True)
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
