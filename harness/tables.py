"""The Parquet contracts (schemas), and journals: tables that survive a pulled plug.

A journal is an Arrow IPC stream (`*.arrows`) flushed batch by batch. What was flushed can be read back even when the
writer was killed in the middle of the next batch; Parquet, whose footer comes last, cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError

SCHEMA_VERSION = 1
PIECE_ROWS = 250_000


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


PLAN = _schema(
    id=pa.int64(),
    client=pa.int32(),
    created_s=pa.float64(),
    due_s=pa.float64(),
    payload_bytes=pa.int64(),
    uplink_s=pa.float64(),
    slo_s=pa.float64(),
    deadline_s=pa.float64(),
)

REQUESTS = _schema(
    id=pa.int64(),
    client=pa.int32(),
    created_s=pa.float64(),
    due_s=pa.float64(),
    deadline_s=pa.float64(),
    dispatched_s=pa.float64(),
    sent_s=pa.float64(),
    queued_s=pa.float64(),
    started_s=pa.float64(),
    finished_s=pa.float64(),
    received_s=pa.float64(),
    batch_id=pa.int64(),
    batch_size=pa.int32(),
    stage=pa.string(),
    replica=pa.string(),
    cores=pa.float64(),
    variant=pa.string(),
    status=pa.string(),
    drop_reason=pa.string(),
    error=pa.string(),
)

DECISIONS = _schema(
    tick_s=pa.float64(),
    stage=pa.string(),
    target_cores=pa.float64(),
    target_replicas=pa.int32(),
    target_batch_size=pa.int32(),
    target_variant=pa.string(),
    reason=pa.string(),
    decide_s=pa.float64(),
    requested_at_s=pa.float64(),
    applied_at_s=pa.float64(),
    effective_s=pa.float64(),
    effective_cores=pa.float64(),
    effective_replicas=pa.int32(),
    outcome=pa.string(),
    detail=pa.string(),
    arrival_rate_rps=pa.float64(),
    queue_length=pa.int32(),
    min_budget_s=pa.float64(),
)

USAGE = _schema(
    t_s=pa.float64(),
    replica=pa.string(),
    granted_cores=pa.float64(),
    used_cores=pa.float64(),
    memory_bytes=pa.int64(),
    throttled_s=pa.float64(),
)

Row = Mapping[str, Any]


def table_of(rows: Iterable[Row], schema: pa.Schema) -> pa.Table:
    """Rows as a table of exactly this schema; a missing key becomes null, an unknown key is an error."""
    rows = list(rows)
    known = set(schema.names)
    for row in rows:
        if extra := row.keys() - known:
            raise KeyError(f"row has columns the schema does not know: {sorted(extra)}")
    return pa.Table.from_pylist(rows, schema=schema)


def write_parquet(path: Path, table: pa.Table, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table whole or not at all (temporary name, then rename), with the schema version in its metadata."""
    marks = {"schema_version": str(SCHEMA_VERSION), **(metadata or {})}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **marks})
    partial = path.with_name(path.name + ".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


class ParquetStream:
    """A Parquet file written table by table in bounded memory, whole or not at all (temporary name, then rename).

    Use as a context manager; leaving with an exception removes what was written. Metadata may be given at the end,
    when what it says (counts, digests) is known.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._partial = path.with_name(path.name + ".partial")
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._partial, self.schema, compression="zstd")
        return self

    def append(self, table: pa.Table) -> None:
        """Write one more table of the schema."""
        self._writer.write_table(table)

    def mark(self, metadata: Mapping[str, str]) -> None:
        """Add to the file's metadata."""
        self._writer.add_key_value_metadata(dict(metadata))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.mark({"schema_version": str(SCHEMA_VERSION)})
        self._writer.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink()


def read_parquet(path: Path, schema: pa.Schema, columns: Sequence[str] = ()) -> pa.Table:
    """Read a table and check that it has the columns and types of `schema`. Raises UsageError otherwise.

    columns: those wanted, all when empty; every column of the schema must be there all the same. A file of an older
    schema version is brought up to date (`MIGRATIONS`); one of a version this program does not know is refused.
    """
    return next(parquet_pieces(path, schema, columns, rows=None))


def parquet_pieces(
    path: Path, schema: pa.Schema, columns: Sequence[str] = (), rows: int | None = PIECE_ROWS
) -> Iterator[pa.Table]:
    """The same in pieces of at most `rows` rows (None: one piece), for files that should not be in memory at once.

    At least one piece comes, of no rows if the file has none.
    """
    try:
        with pq.ParquetFile(path) as file:
            version = _version(path, file.schema_arrow)
            _check_columns(path, MIGRATIONS[version](file.schema_arrow.empty_table(), schema), schema)
            wanted = list(columns) if columns and version == SCHEMA_VERSION else None
            for piece in _pieces(file, wanted, rows):
                table = MIGRATIONS[version](piece, schema)
                yield table.select(list(columns)) if columns else table
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path}: not a readable Parquet file ({error}); it cannot be used, run it again") from error


def read_table(path: Path) -> pa.Table:
    """A table of any columns, of a schema version that can be read. Raises UsageError as above."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path}: not a readable Parquet file ({error}); it cannot be used, run it again") from error
    _version(path, table.schema)
    return table


def _pieces(file: pq.ParquetFile, columns: list[str] | None, rows: int | None) -> Iterator[pa.Table]:
    if rows is None or not file.metadata.num_rows:
        yield file.read(columns)
        return
    for batch in file.iter_batches(rows, columns=columns):
        yield pa.Table.from_batches([batch])


def _version(path: Path, schema: pa.Schema) -> int:
    """The schema version a file says it has; 0 when it says none. Raises UsageError for one that cannot be read."""
    text = (schema.metadata or {}).get(b"schema_version", b"0").decode()
    if not text.isdecimal():
        raise UsageError(f"{path}: schema version {text!r}; must be a number: sponge-bench has not written this")
    version = int(text)
    if version not in MIGRATIONS:
        older = version < SCHEMA_VERSION
        why = "there is no way to bring it up to date" if older else "it was written by a newer program"
        raise UsageError(f"{path}: schema version {text}; this program reads version {SCHEMA_VERSION}; {why}")
    return version


def _check_columns(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    for column in schema:
        if column.name not in table.schema.names:
            raise UsageError(f"{path}: column {column.name} is missing; must have {', '.join(schema.names)}")
        found = table.schema.field(column.name).type
        if found != column.type:
            raise UsageError(f"{path}: column {column.name} has type {found}; must be {column.type}")


def _current(table: pa.Table, _schema: pa.Schema) -> pa.Table:
    return table


def _from_unversioned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Files without a version may be older than `effective_replicas`: what was wanted then counted as in force."""
    if schema.equals(DECISIONS) and "effective_replicas" not in table.schema.names:
        return table.append_column("effective_replicas", table.column("target_replicas"))
    return table


# For each schema version this program reads: how one of its tables, meant to be of this schema, becomes a current one.
MIGRATIONS: dict[int, Callable[[pa.Table, pa.Schema], pa.Table]] = {0: _from_unversioned, SCHEMA_VERSION: _current}


class Journal:
    """Append rows to an Arrow IPC stream; every `append` is on its way to the disk when it returns.

    Use as a context manager: entering opens the file, leaving closes it.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        self._writer = pa.ipc.new_stream(self._file, self.schema)
        self._file.flush()
        return self

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows as one record batch and flush it."""
        if not rows:
            return
        for batch in table_of(rows, self.schema).to_batches():
            self._writer.write_batch(batch)
        self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()


def read_journal(path: Path, schema: pa.Schema) -> pa.Table:
    """All whole record batches of a journal; a torn tail, left by a killed writer, is passed over.

    Raises UsageError for a journal of another schema.
    """
    batches: list[pa.RecordBatch] = []
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
            if not reader.schema.equals(schema):
                raise UsageError(f"{path}: columns {reader.schema.names}; must be {schema.names}, with their types")
            while True:
                batches.append(reader.read_next_batch())
        except (StopIteration, EOFError, pa.ArrowInvalid, OSError):
            pass
    return pa.Table.from_batches(batches, schema=schema)
