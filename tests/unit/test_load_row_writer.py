"""Rows through a pipe, into a journal."""

import marshal
from io import BytesIO
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.load.row_writer import RowWriter, write_rows
from harness.tables import REQUESTS, read_journal


def test_pieces_become_rows_of_the_journal(tmp_path: Path) -> None:
    pipe = BytesIO(marshal.dumps([{"id": 1}, {"id": 2}]) + marshal.dumps([{"id": 3}]))
    write_rows(pipe, tmp_path / "r.arrows")
    assert read_journal(tmp_path / "r.arrows", REQUESTS)["id"].to_pylist() == [1, 2, 3]


def test_a_piece_cut_short_by_a_kill_loses_only_itself(tmp_path: Path) -> None:
    whole = marshal.dumps([{"id": 1}])
    write_rows(BytesIO(whole + whole[:-2]), tmp_path / "r.arrows")
    assert read_journal(tmp_path / "r.arrows", REQUESTS)["id"].to_pylist() == [1]


def test_leaving_the_writer_waits_until_every_row_is_written(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "r.arrows") as writer:
        writer.wait_ready()
        for start in range(0, 20_000, 500):
            writer.append([{"id": start + k, "error": "x" * 50} for k in range(500)])
    assert read_journal(tmp_path / "r.arrows", REQUESTS)["id"].to_pylist() == list(range(20_000))


def test_a_writer_that_cannot_write_says_so_before_the_replay(tmp_path: Path) -> None:
    text = "row writer ended with exit code 1"
    with pytest.raises(BenchError, match=text), RowWriter(tmp_path / "no" / "r.arrows") as writer:
        writer.wait_ready()
