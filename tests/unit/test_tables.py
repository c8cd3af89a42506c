"""Tables keep their contract: exact schemas, whole files or none, journals that survive a torn tail."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.tables import (
    DECISIONS,
    MIGRATIONS,
    PLAN,
    REQUESTS,
    USAGE,
    Journal,
    parquet_pieces,
    read_journal,
    read_parquet,
    table_of,
    write_parquet,
)

READING = {"replica": "replica-0", "granted_cores": 1.0, "used_cores": 0.5, "memory_bytes": 2**33, "throttled_s": 0.1}


def readings(*times_s):
    return [{"t_s": float(t_s), **READING} for t_s in times_s]


def journal_of(path, *appends):
    with Journal(path, USAGE) as journal:
        for rows in appends:
            journal.append(rows)
    return path


def times_in(path):
    return read_journal(path, USAGE)["t_s"].to_pylist()


# rows and tables


def test_a_row_becomes_a_row_of_exactly_the_schema():
    assert table_of(readings(1), USAGE).schema.equals(USAGE)


def test_a_column_that_is_not_given_is_null():
    assert table_of([{"id": 7}], REQUESTS)["status"].to_pylist() == [None]


def test_a_column_the_schema_does_not_know_is_an_error():
    with pytest.raises(KeyError, match="latency_ms"):
        table_of([*readings(1), {"latency_ms": 3}], USAGE)


def test_no_rows_are_an_empty_table_of_the_schema():
    table = table_of([], USAGE)
    assert (table.num_rows, table.schema.equals(USAGE)) == (0, True)


# Parquet


def test_parquet_gives_back_what_was_written(tmp_path):
    write_parquet(tmp_path / "u.parquet", table_of(readings(1, 2), USAGE))
    assert read_parquet(tmp_path / "u.parquet", USAGE).to_pylist() == readings(1, 2)


def test_parquet_carries_its_schema_version_and_what_else_is_to_be_said(tmp_path):
    write_parquet(tmp_path / "u.parquet", table_of(readings(1), USAGE), {"seed": "1"})
    metadata = pq.read_schema(tmp_path / "u.parquet").metadata
    assert (metadata[b"schema_version"], metadata[b"seed"]) == (b"1", b"1")


def test_a_write_leaves_no_partial_file(tmp_path):
    write_parquet(tmp_path / "u.parquet", table_of(readings(1), USAGE))
    assert [p.name for p in tmp_path.iterdir()] == ["u.parquet"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write_parquet(tmp_path / "u.parquet", table_of(readings(1), USAGE))

    def fail(_table, path, **_):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("harness.tables.pq.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_parquet(tmp_path / "u.parquet", table_of(readings(1, 2), USAGE))
    assert read_parquet(tmp_path / "u.parquet", USAGE).num_rows == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"u\.parquet: no such file"):
        read_parquet(tmp_path / "u.parquet", USAGE)


def test_a_missing_column_is_named_with_those_that_must_be_there(tmp_path):
    pq.write_table(table_of(readings(1), USAGE).drop_columns(["used_cores"]), tmp_path / "u.parquet")
    with pytest.raises(UsageError, match="column used_cores is missing; must have t_s, replica"):
        read_parquet(tmp_path / "u.parquet", USAGE)


def test_a_column_of_another_type_is_named_with_both(tmp_path):
    table = table_of(readings(1), USAGE)
    position = USAGE.get_field_index("t_s")
    pq.write_table(table.set_column(position, "t_s", table["t_s"].cast(pa.string())), tmp_path / "u.parquet")
    with pytest.raises(UsageError, match="column t_s has type string; must be double"):
        read_parquet(tmp_path / "u.parquet", USAGE)


def test_another_schema_version_is_refused_with_both_versions(tmp_path):
    table = table_of(readings(1), USAGE).replace_schema_metadata({"schema_version": "99"})
    pq.write_table(table, tmp_path / "u.parquet")
    with pytest.raises(UsageError, match="schema version 99; this program reads version 1"):
        read_parquet(tmp_path / "u.parquet", USAGE)


@pytest.mark.parametrize("version", ["2", "99"])
def test_a_file_of_a_newer_program_is_refused_as_such(tmp_path, version):
    pq.write_table(table_of(readings(1), USAGE).replace_schema_metadata({"schema_version": version}), tmp_path / "u")
    with pytest.raises(UsageError, match="it was written by a newer program"):
        read_parquet(tmp_path / "u", USAGE)


def test_a_version_that_is_no_number_is_refused(tmp_path):
    pq.write_table(table_of(readings(1), USAGE).replace_schema_metadata({"schema_version": "draft"}), tmp_path / "u")
    with pytest.raises(UsageError, match="schema version 'draft'; must be a number"):
        read_parquet(tmp_path / "u", USAGE)


def test_an_older_version_without_a_migration_is_refused_with_the_reason(tmp_path, monkeypatch):
    pq.write_table(table_of(readings(1), USAGE).replace_schema_metadata({"schema_version": "0"}), tmp_path / "u")
    monkeypatch.delitem(MIGRATIONS, 0)
    with pytest.raises(UsageError, match=r"schema version 0; .* there is no way to bring it up to date"):
        read_parquet(tmp_path / "u", USAGE)


def old_decisions(path):
    """A file from before the replicas in force were recorded, and before files carried a version."""
    rows = [{"tick_s": t_s, "target_replicas": replicas} for t_s, replicas in ((1.0, 2), (2.0, 3))]
    pq.write_table(table_of(rows, DECISIONS).drop_columns(["effective_replicas"]), path)
    return path


def test_decisions_of_version_0_are_read_with_what_was_wanted_as_what_was_in_force(tmp_path):
    table = read_parquet(old_decisions(tmp_path / "d.parquet"), DECISIONS)
    assert table["effective_replicas"].to_pylist() == [2, 3]


def test_a_column_that_a_migration_adds_can_be_read_alone(tmp_path):
    table = read_parquet(old_decisions(tmp_path / "d.parquet"), DECISIONS, ["effective_replicas"])
    assert table.schema.names == ["effective_replicas"]


def test_a_migration_does_not_hide_another_missing_column(tmp_path):
    pq.write_table(pq.read_table(old_decisions(tmp_path / "d")).drop_columns(["outcome"]), tmp_path / "e")
    with pytest.raises(UsageError, match="column outcome is missing"):
        read_parquet(tmp_path / "e", DECISIONS)


def test_only_the_columns_asked_for_are_read(tmp_path):
    write_parquet(tmp_path / "u.parquet", table_of(readings(1), USAGE))
    assert read_parquet(tmp_path / "u.parquet", USAGE, ["t_s"]).schema.names == ["t_s"]


def test_pieces_put_together_are_the_whole_table(tmp_path):
    whole = table_of(readings(*range(25)), USAGE)
    write_parquet(tmp_path / "u.parquet", whole)
    pieces = list(parquet_pieces(tmp_path / "u.parquet", USAGE, rows=10))
    assert [len(p) for p in pieces] == [10, 10, 5]
    assert pa.concat_tables(pieces).to_pylist() == whole.to_pylist()


def test_a_file_without_rows_comes_in_one_piece_without_rows(tmp_path):
    write_parquet(tmp_path / "u.parquet", USAGE.empty_table())
    assert [len(p) for p in parquet_pieces(tmp_path / "u.parquet", USAGE)] == [0]


def test_a_plan_is_no_table_of_requests(tmp_path):
    write_parquet(tmp_path / "plan.parquet", PLAN.empty_table())
    with pytest.raises(UsageError, match="column dispatched_s is missing"):
        read_parquet(tmp_path / "plan.parquet", REQUESTS)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"<html></html>", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "u.parquet").write_bytes(content)
    with pytest.raises(UsageError, match="not a readable Parquet file"):
        read_parquet(tmp_path / "u.parquet", USAGE)


def test_a_parquet_file_cut_short_anywhere_is_refused(tmp_path):
    write_parquet(tmp_path / "whole.parquet", table_of(readings(*range(50)), USAGE))
    whole = (tmp_path / "whole.parquet").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "u.parquet").write_bytes(whole[:size])
        with pytest.raises(UsageError):
            read_parquet(tmp_path / "u.parquet", USAGE)


# journals


def test_a_journal_gives_back_all_rows_in_order(tmp_path):
    assert times_in(journal_of(tmp_path / "u.arrows", readings(1, 2), readings(3))) == [1, 2, 3]


def test_a_journal_without_rows_is_an_empty_table(tmp_path):
    assert read_journal(journal_of(tmp_path / "u.arrows"), USAGE).schema.equals(USAGE)


def test_appending_no_rows_writes_nothing(tmp_path):
    assert times_in(journal_of(tmp_path / "u.arrows", [], readings(1), [])) == [1]


def test_what_was_appended_can_be_read_while_the_journal_is_still_open(tmp_path):
    with Journal(tmp_path / "u.arrows", USAGE) as journal:
        journal.append(readings(1))
        assert times_in(tmp_path / "u.arrows") == [1]


def test_a_journal_that_was_opened_and_nothing_more_is_an_empty_table(tmp_path):
    with Journal(tmp_path / "u.arrows", USAGE):
        assert times_in(tmp_path / "u.arrows") == []


def test_a_journal_survives_the_exception_that_ends_its_run(tmp_path):
    with pytest.raises(ZeroDivisionError), Journal(tmp_path / "u.arrows", USAGE) as journal:
        journal.append(readings(1))
        raise ZeroDivisionError
    assert times_in(tmp_path / "u.arrows") == [1]


def test_a_row_that_does_not_fit_the_schema_spoils_none_of_the_others(tmp_path):
    with Journal(tmp_path / "u.arrows", USAGE) as journal:
        journal.append(readings(1))
        with pytest.raises(KeyError):
            journal.append([{"unknown": 1}])
        journal.append(readings(2))
    assert times_in(tmp_path / "u.arrows") == [1, 2]


def test_a_journal_cut_short_anywhere_keeps_every_whole_batch(tmp_path):
    path, ends = tmp_path / "u.arrows", [0]
    with Journal(path, USAGE) as journal:
        for k in range(8):
            journal.append(readings(2 * k, 2 * k + 1))
            ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 13), *ends, *(e - 1 for e in ends[1:])]:
        path.write_bytes(whole[:size])
        flushed = sum(end <= size for end in ends[1:])
        assert times_in(path) == list(range(2 * flushed)), size


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=200))
def test_a_torn_tail_of_any_bytes_costs_nothing_that_came_before(tmp_path, tail):
    path = journal_of(tmp_path / "u.arrows", readings(1, 2))
    path.write_bytes(path.read_bytes()[:-8] + tail)  # in place of the mark of its end
    assert times_in(path) == [1, 2]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 2**32 - 1), tail=st.binary(max_size=64))
def test_a_torn_message_of_any_claimed_length_costs_nothing_that_came_before(tmp_path, length, tail):
    path = journal_of(tmp_path / "u.arrows", readings(1, 2))
    message = b"\xff\xff\xff\xff" + length.to_bytes(4, "little") + tail
    path.write_bytes(path.read_bytes()[:-8] + message)
    assert times_in(path) == [1, 2]


def test_zeros_where_the_disk_was_promised_more_end_the_journal(tmp_path):
    path = journal_of(tmp_path / "u.arrows", readings(1, 2))
    path.write_bytes(path.read_bytes()[:-8] + bytes(4096))
    assert times_in(path) == [1, 2]


def test_a_journal_of_another_schema_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"u\.arrows: columns .*; must be \['id', 'client'"):
        read_journal(journal_of(tmp_path / "u.arrows", readings(1)), REQUESTS)
