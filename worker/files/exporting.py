"""All answers of a job as one Parquet file, made part by part: no more than one part is ever in memory."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from rhizome.blob_slices import ChunkParts, FileFormat, export_path, part_path
from rhizome.blob_store import BlobStore, BlobWriter
from rhizome.jobs import Returns
from rhizome.row_table import Column, build_columns, cell_of, returns_of
from rhizome.signature import Signature
from worker.files.text import allow_long_cells

_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
_decode_answers = msgspec.json.Decoder(list[dict[str, Any]]).decode


def export_rows(
    store: BlobStore,
    job_id: str,
    chunks: Sequence[bytes] | Sequence[ChunkParts],
    signature: Signature,
    between_parts: Callable[[], None],
) -> None:
    """Writes `results.parquet` of a complete job.

    Args:
        store: where parts are, and where the file goes.
        job_id: the job.
        chunks: the answers, chunk by chunk: JSON arrays, or the parts of a file job.
        signature: of the version that answered.
        between_parts: serves whoever is more urgent.

    Raises:
        BlobNotFound: a part is gone.
        BlobStoreUnavailable: the store cannot be used now.
    """
    allow_long_cells()  # the name of a class is one, in the header
    columns, tables = _tables(store, job_id, chunks, signature)
    schema = pa.schema([(column.name, _TYPES[column.type]) for column in columns])
    with (
        store.open_writer(export_path(job_id)) as writer,
        pq.ParquetWriter(pa.PythonFile(_Sink(writer), mode="w"), schema, compression="zstd") as file,
    ):
        for table in tables:
            if len(table):
                file.write_table(table.cast(schema))
            between_parts()
        file.close()  # the footer
        writer.commit()


def _tables(
    store: BlobStore, job_id: str, chunks: Sequence[bytes] | Sequence[ChunkParts], signature: Signature
) -> tuple[list[Column], Iterator[pa.Table]]:
    parts = [chunk for chunk in chunks if isinstance(chunk, ChunkParts)]
    if not parts:
        arrays = [chunk for chunk in chunks if isinstance(chunk, bytes)]
        columns = build_columns(signature, returns_of(arrays))
        return columns, (_table_of_answers(_decode_answers(array), columns) for array in arrays)
    known = {column.name: column for column in build_columns(signature, Returns.BOTH)}
    header = next(csv.reader(io.StringIO(_read(store, job_id, parts[0]).decode(), newline="")))
    columns = [known[name] for name in header]
    return columns, (
        _table_of_part(_read(store, job_id, part), columns, has_header=index == 0)
        for index, part in enumerate(parts)
        if part.rows
    )


def _read(store: BlobStore, job_id: str, part: ChunkParts) -> bytes:
    return store.read(part_path(job_id, part, FileFormat.CSV), 0, part.csv_bytes)


def _table_of_part(data: bytes, columns: Sequence[Column], *, has_header: bool) -> pa.Table:
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
