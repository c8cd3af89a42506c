"""Every attempt gets one row, in pieces."""

import math
from typing import Any

from harness.load.clerk import CHUNK_ROWS, Clerk
from harness.load.events import Progress
from harness.load.rows import Attempt
from harness.load.schedule import Schedule

COUNT = 2500
ZEROS = (0.0,) * COUNT
SCHEDULE = Schedule(tuple(range(COUNT)), (0,) * COUNT, ZEROS, ZEROS, ZEROS, 1.0)


class Desk:
    """A clerk and all it handed out."""

    def __init__(self, epoch_s: float = 0.0) -> None:
        self.pieces: list[list[dict[str, Any]]] = []
        self.heard: list[int] = []
        self.progress: list[Progress] = []
        self.clerk = Clerk(
            SCHEDULE, epoch_s, self.pieces.append, lambda row, _: self.heard.append(row["id"]), self.progress.append
        )

    def take(self, count: int) -> None:
        for index in range(count):
            self.clerk.take(Attempt(index, error="x"))

    @property
    def written(self) -> list[int]:
        return [row["id"] for piece in self.pieces for row in piece]


def test_closing_writes_one_row_for_each_attempt_in_order() -> None:
    desk = Desk()
    desk.take(120)
    desk.clerk.close()
    assert desk.written == list(range(120))


def test_rows_are_handed_over_in_pieces_small_enough_for_a_gap() -> None:
    desk = Desk()
    desk.take(120)
    desk.clerk.close()
    assert [len(piece) for piece in desk.pieces] == [CHUNK_ROWS, CHUNK_ROWS, 20]


def test_work_settles_everything_while_there_is_time() -> None:
    desk = Desk()
    desk.take(30)
    desk.clerk.work(math.inf)
    assert desk.heard == list(range(30))


def test_work_without_time_does_nothing() -> None:
    desk = Desk()
    desk.take(30)
    desk.clerk.work(-math.inf)
    assert desk.heard == []


def test_a_large_backlog_is_worked_off_to_its_limit_even_without_time() -> None:
    desk = Desk()
    desk.take(COUNT)
    desk.clerk.work(-math.inf)
    assert len(desk.heard) == 1500


def test_rows_younger_than_a_second_wait_for_a_full_piece() -> None:
    desk = Desk(epoch_s=math.inf)
    desk.take(CHUNK_ROWS - 1)
    desk.clerk.work(math.inf)
    assert desk.pieces == []


def test_a_full_piece_waits_for_nothing() -> None:
    desk = Desk(epoch_s=math.inf)
    desk.take(CHUNK_ROWS)
    desk.clerk.work(math.inf)
    assert len(desk.written) == CHUNK_ROWS


def test_the_last_progress_tells_the_final_counts() -> None:
    desk = Desk()
    desk.take(7)
    desk.clerk.close()
    assert (desk.progress[-1].planned, desk.progress[-1].failed) == (COUNT, 7)
