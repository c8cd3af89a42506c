"""Book-keeping of a replay: attempts become rows, rows go to the journal, counts go to whoever watches.

None of it is urgent and all of it costs time, so it is done in small pieces in the gaps between two requests
(`work`), never between a request that is due and the socket.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from harness.load.events import Progress
from harness.load.rows import Attempt, Tally, row_of
from harness.load.schedule import Schedule

CHUNK_ROWS = 50  # a fraction of a millisecond of handing over
FLUSH_S = 1.0
PROGRESS_S = 0.5
_SLACK_ATTEMPTS = 1000  # more than this without a row, and they no longer wait for a gap

RowListener = Callable[[dict[str, Any], Attempt], None]


class Clerk:
    """Takes finished attempts and owes each one row. `epoch_s` is the replay's time zero (CLOCK_MONOTONIC)."""

    def __init__(
        self,
        schedule: Schedule,
        epoch_s: float,
        append: Callable[[list[dict[str, Any]]], None],
        on_row: RowListener,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.schedule = schedule
        self.epoch_s = epoch_s
        self.tally = Tally(planned=len(schedule))
        self._append = append
        self._on_row = on_row
        self._on_progress = on_progress
        self._finished: deque[Attempt] = deque()
        self._rows: list[dict[str, Any]] = []
        self._next_flush_s = epoch_s + FLUSH_S
        self._next_progress_s = epoch_s

    def take(self, attempt: Attempt) -> None:
        """Accept a finished attempt; its row follows."""
        self._finished.append(attempt)

    def work(self, until_s: float) -> None:
        """Do what is owed, piece by piece, until `until_s` (CLOCK_MONOTONIC); a large backlog is worked off anyway."""
        while (now_s := time.monotonic()) < until_s or len(self._finished) > _SLACK_ATTEMPTS:
            if len(self._rows) >= CHUNK_ROWS or (self._rows and now_s >= self._next_flush_s):
                self._flush_chunk(now_s)
            elif self._finished:
                self._settle(self._finished.popleft())
            elif now_s >= self._next_progress_s:
                self._report(now_s)
            else:
                return

    def close(self) -> None:
        """Do everything that is owed, however long it takes."""
        while self._finished:
            self._settle(self._finished.popleft())
        while self._rows:
            self._flush_chunk(time.monotonic())
        self._report(time.monotonic())

    def _settle(self, attempt: Attempt) -> None:
        row = row_of(self.schedule, attempt, self.epoch_s)
        self.tally.add(row)
        self._rows.append(row)
        self._on_row(row, attempt)

    def _flush_chunk(self, now_s: float) -> None:
        chunk, self._rows = self._rows[:CHUNK_ROWS], self._rows[CHUNK_ROWS:]
        self._append(chunk)
        if not self._rows:
            self._next_flush_s = now_s + FLUSH_S

    def _report(self, now_s: float) -> None:
        counts = self.tally
        self._next_progress_s = now_s + PROGRESS_S
        self._on_progress(
            Progress(
                t_s=round(now_s - self.epoch_s, 3),
                planned=counts.planned,
                sent=counts.sent,
                served=counts.served,
                dropped=counts.dropped,
                failed=counts.failed,
                violations=counts.violations,
            )
        )
