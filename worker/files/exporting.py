"""All answers of a job as one file, in another form than they were written in: only a part is in memory at a time."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv
from pyarrow import json as arrow_json

from rhizome.blob_slices import ChunkParts, FileFormat, errors_path, export_path, part_path
from rhizome.blob_store import BlobStore, BlobWriter
from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns
from rhizome.row_table import ERROR_COLUMN, Column, build_columns, cell_of, returns_of
from rhizome.signature import Signature
from worker.files.lines import LineFormat, bytes_of, merge

SLICE_CELLS = 16 * 1024  #: made into text at once

_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
_decoder = msgspec.json.Decoder(dict[str, Any])
_decode_answers = msgspec.json.Decoder(list[dict[str, Any]]).decode


def export_answers(
    store: BlobStore, job_id: str, chunks: Sequence[bytes], signature: Signature, after_part: Callable[[], None]
) -> None:
    """Writes the Parquet file of a complete job whose rows came in a request.

    Args:
        store: where the file goes.
        job_id: the job.
        chunks: the answers, chunk by chunk: JSON arrays.
        signature: of the version that answered.
        after_part: called after each part.

    Raises:
        BlobStoreUnavailable: the store cannot be used now.
    """
    columns = build_columns(signature, returns_of(chunks))
    tables = (_table_of_answers(_decode_answers(chunk), columns) for chunk in chunks)
    _write_parquet(store, job_id, columns, tables, after_part)


def export_parts(
    store: BlobStore,
    job_id: str,
    parts: Sequence[ChunkParts],
    signature: Signature,
    form: FileFormat,
    after_part: Callable[[], None],
) -> None:
    """Writes all answers of a complete job whose rows came as a file.

    Args:
        store: where the parts are, and where the file goes.
        job_id: the job.
        parts: the answers, chunk by chunk.
        signature: of the version that answered.
        form: what is wanted.
        after_part: called after each part.

    Raises:
        BlobNotFound: a part is gone.
        BlobStoreUnavailable: the store cannot be used now.
    """
    first = parts[0]
    returns = Returns(first.returns)
    columns = build_columns(signature, returns)
    reader = _PartReader(store, job_id, columns, has_header=first)
    filled = [part for part in parts if part.rows]
    if form is FileFormat.PARQUET:
        _write_parquet(store, job_id, columns, map(reader.table, filled), after_part)
        return
    lines = LineFormat(signature, returns, first.top_k, form)
    with store.open_writer(export_path(job_id, form)) as writer:
        writer.write(lines.header())
        for part in filled:
            for text in _convert(reader, part, lines, signature):
                writer.write(text)
                after_part()
        writer.commit()


class _PartReader:
    """Reads the parts of one job.

    Args:
        store: where they are.
        job_id: whose they are.
        columns: of the answers.
        has_header: the part that begins with a CSV file's header.
    """

    def __init__(self, store: BlobStore, job_id: str, columns: Sequence[Column], *, has_header: ChunkParts) -> None:
        self._store = store
        self._job_id = job_id
        self._columns = columns
        self._has_header = has_header

    def table(self, part: ChunkParts) -> pa.Table:
        """A part as a table of typed columns."""
        data = self._store.read(part_path(self._job_id, part), 0, part.size)
        if part.form == FileFormat.CSV:
            return _table_of_csv(data, self._columns, has_header=part is self._has_header)
        if part.failed:  # an error has a form of its own
            return _table_of_answers(_decoder.decode_lines(data), self._columns)
        return _table_of_ndjson(data, self._columns)

    def errors(self, part: ChunkParts) -> list[dict[str, Any]]:
        """Those answers of a part that are errors, in order."""
        if part.form == FileFormat.CSV:
            data = self._store.read(errors_path(self._job_id, part), 0, part.errors_size)
            return _decoder.decode_lines(data)
        data = self._store.read(part_path(self._job_id, part), 0, part.size)
        return [answer for answer in _decoder.decode_lines(data) if ERROR_COLUMN in answer]


def _convert(reader: _PartReader, part: ChunkParts, lines: LineFormat, signature: Signature) -> Iterator[memoryview]:
    """A part's rows in another form, slice by slice: so many are held as text."""
    table = reader.table(part)
    errors = iter(reader.errors(part) if part.failed else ())
    rows = max(1, SLICE_CELLS // len(lines.columns))
    for start in range(0, len(table), rows):
        piece = table.slice(start, rows)
        is_bad = pc.is_valid(piece[ERROR_COLUMN]).to_numpy()
        if is_bad.any():
            places = np.flatnonzero(is_bad)
            good = lines.format_arrays(_outputs_of(piece.filter(pa.array(~is_bad)), lines.columns, signature))
            bad = lines.format_answers(islice(errors, len(places)))
            yield bytes_of(merge(good, bad, places - np.arange(len(places))).rows)
        else:
            yield bytes_of(lines.format_arrays(_outputs_of(piece, lines.columns, signature)).rows)


def _outputs_of(table: pa.Table, columns: Sequence[Column], signature: Signature) -> list[AnswerArrays]:
    """The columns as an estimator would have given them; a probability that was not wanted is not a number."""
    outputs = []
    for output in signature.outputs:
        prefix = ("outputs", output.name) if len(signature.outputs) > 1 else ()
        its = {column.path[len(prefix) :]: column for column in columns if column.path[: len(prefix)] == prefix}
        labels = its.get(("label",), its.get(("value",)))
        chances = [its[path] for path in its if path[0] == "probabilities"]
        outputs.append(
            AnswerArrays(
                table[labels.name].to_numpy() if labels else None,
                np.column_stack([table[column.name].to_numpy() for column in chances]) if chances else None,
            )
        )
    return outputs


def _write_parquet(
    store: BlobStore,
    job_id: str,
    columns: Sequence[Column],
    tables: Iterator[pa.Table],
    after_part: Callable[[], None],
) -> None:
    schema = pa.schema([(column.name, _TYPES[column.type]) for column in columns])
    with ExitStack() as stack:
        writer = stack.enter_context(store.open_writer(export_path(job_id, FileFormat.PARQUET)))
        sink = pa.PythonFile(_Sink(writer), mode="w")
        file = stack.enter_context(pq.ParquetWriter(sink, schema, compression="zstd"))
        for table in tables:
            if len(table):
                file.write_table(table.cast(schema))
            after_part()
        file.close()  # the footer
        writer.commit()


def _table_of_csv(data: bytes, columns: Sequence[Column], *, has_header: bool) -> pa.Table:
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=None if has_header else [column.name for column in columns],
            use_threads=False,
            block_size=len(data) + 1,
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in data),
        convert_options=arrow_csv.ConvertOptions(
            column_types={column.name: _TYPES[column.type] for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _table_of_ndjson(data: bytes, columns: Sequence[Column]) -> pa.Table:
    """Answers of which none is an error."""
    answers = arrow_json.read_json(
        pa.BufferReader(data),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=_schema_of(columns), unexpected_field_behavior="error"),
    )
    found = {}
    for column in columns:
        if column.name == ERROR_COLUMN:
            found[column.name] = pa.nulls(len(answers), pa.string())
        else:
            within = answers[column.path[0]]
            for key in column.path[1:]:
                within = pc.struct_field(within, [key])  # a key alone may be read as a path
            found[column.name] = within
    return pa.table(found)


def _schema_of(columns: Sequence[Column]) -> pa.Schema:
    """As the columns' answers are nested in JSON."""
    tree: dict[str, Any] = {}
    for column in columns:
        if column.name != ERROR_COLUMN:
            within = tree
            for key in column.path[:-1]:
                within = within.setdefault(key, {})
            within[column.path[-1]] = _TYPES[column.type]
    return pa.schema(_fields_of(tree))


def _fields_of(tree: dict[str, Any]) -> list[pa.Field]:
    return [
        pa.field(name, pa.struct(_fields_of(type_or_tree)) if isinstance(type_or_tree, dict) else type_or_tree)
        for name, type_or_tree in tree.items()
    ]


def _table_of_answers(answers: Sequence[dict[str, Any]], columns: Sequence[Column]) -> pa.Table:
    return pa.table(
        {
            column.name: pa.array([cell_of(answer, column) for answer in answers], _TYPES[column.type])
            for column in columns
        }
    )


class _Sink(io.RawIOBase):
    """A blob being written, as a file."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._writer.write(data)
        return len(data)
