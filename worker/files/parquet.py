"""Parquet: what a file holds, how it is divided into chunks, and the rows of one of them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rhizome.blob_slices import BlobSlice
from rhizome.blob_store import BlobReader, BlobStore
from rhizome.inference import to_array
from rhizome.signature import Feature, Signature
from rhizome.wording import shorten
from worker.file_chunks import InvalidFile
from worker.files.columns import check_table
from worker.files.judging import BadRow, Refused, judge_values
from worker.files.text import JUDGED_ROWS, RowBlock

MAX_CHUNK_ROWS = 65_536  #: as many as a chunk of text may have lines: a worker holds a chunk's rows as an array
#: A row group is read from its beginning by each of its chunks: in so many, a million rows of four numbers take 0.8 to
#: 1.3 s of CPU to read, in 16 they take 0.2 s.
MAX_CHUNKS_OF_GROUP = 128
MAX_CHUNKS = 16_384  #: they enter the queue in one script
NUMBER_BYTES = 8  #: of a cell, as the array holds it, however small the file has made it
#: Of a row group before compression; one page of it may be all of it, and a worker holds whole pages.
MAX_GROUP_BYTES = 512 * 1024 * 1024
MAX_TEXT_BYTES = 64 * 1024 * 1024  #: of all texts of a chunk, written out, as a chunk of a text file holds them
MAX_FOOTER_BYTES = 32 * 1024 * 1024
_FOOTER_TAIL = 8  #: the footer's length and the magic number
_READ_ROWS = 16_384
_READ_BYTES = 1024 * 1024


def plan_file(
    store: BlobStore, whole: BlobSlice, signature: Signature, *, max_bytes: int, chunk_bytes: int
) -> list[BlobSlice]:
    """The chunks of a file, in order: ranges of rows.

    Args:
        store: where it is.
        whole: the file.
        signature: what its columns must be.
        max_bytes: so large a text file may be; rows that could not even fit in there are refused.
        chunk_bytes: of one chunk, unless its row group would then be read too often.

    Raises:
        InvalidFile: it cannot be read, its columns are not the signature's, or it holds no rows or too many.
    """
    with _open(store, whole.path, []) as file:
        _check_schema(file.schema_arrow, signature)
        metadata = file.metadata
        rows = metadata.num_rows
        if not rows:
            raise InvalidFile("the file holds no rows; send one at least")
        if rows * 2 * len(signature.features) > max_bytes:
            raise InvalidFile(f"the file holds {rows} rows, more than are accepted at once; send it in parts")
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        largest, sizes = max(group.num_rows for group in groups), list(map(_bytes_of, groups))
        if largest > MAX_CHUNKS_OF_GROUP * MAX_CHUNK_ROWS or max(sizes) > MAX_GROUP_BYTES:
            raise InvalidFile(
                f"a row group holds more than {MAX_CHUNKS_OF_GROUP * MAX_CHUNK_ROWS} rows or {MAX_GROUP_BYTES} bytes; "
                "write smaller ones (pandas: row_group_size=100_000)"
            )
    row_bytes = max(NUMBER_BYTES * len(signature.features), -(-sum(sizes) // rows))
    wanted = min(MAX_CHUNK_ROWS, chunk_bytes // row_bytes)
    step = max(1, wanted, -(-largest // MAX_CHUNKS_OF_GROUP), -(-rows // MAX_CHUNKS))
    return [
        BlobSlice(whole.format, whole.path, start, min(start + step, rows), start + 1) for start in range(0, rows, step)
    ]


def read_rows(
    store: BlobStore, part: BlobSlice, signature: Signature, between_slices: Callable[[], None] = lambda: None
) -> RowBlock:
    """The rows of one chunk; calls `between_slices` between its pieces.

    Raises:
        InvalidFile: it cannot be read.
    """
    blocks: list[RowBlock] = []
    first_row = part.start
    text_bytes = 0
    texts = [feature.name for feature in signature.features if feature.dtype == "category"]
    with _open(store, part.path, texts) as file:
        try:
            for table in _tables(file, part.start, part.end, signature):
                text_bytes += _text_bytes(table)
                if text_bytes > MAX_TEXT_BYTES:
                    raise InvalidFile(f"texts from row {part.start + 1} on exceed {MAX_TEXT_BYTES} bytes; shorten them")
                blocks.append(_check(table, first_row, part.start, signature, between_slices))
                between_slices()
                first_row += len(table)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable() from error
    arrays = [block.array for block in blocks]
    return RowBlock(np.concatenate(arrays), [row for block in blocks for row in block.bad])


def _tables(file: pq.ParquetFile, start: int, end: int, signature: Signature) -> Iterator[pa.Table]:
    """The rows from `start` up to `end`, in pieces; only the row groups that hold them are read."""
    groups: list[int] = []
    first = begin = 0
    for index in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(index).num_rows
        if first + rows > start and first < end:
            begin = first if not groups else begin
            groups.append(index)
        first += rows
    at = begin
    batches = file.iter_batches(_READ_ROWS, row_groups=groups, columns=list(signature.names), use_threads=False)
    for batch in batches:
        low, high = max(start - at, 0), min(end - at, len(batch))
        if low < high:
            yield pa.Table.from_batches([batch.slice(low, high - low)])
        at += len(batch)
        if at >= end:
            return


def _check(
    table: pa.Table, first_row: int, chunk_start: int, signature: Signature, between_slices: Callable[[], None]
) -> RowBlock:
    array, accepted = check_table(table, signature)
    if accepted.all():
        return RowBlock(array, [])
    bad, revised = [], []
    said: dict[Refused, Refused] = {}  # as for text
    for count, index in enumerate(np.flatnonzero(~accepted).tolist(), start=1):
        if count % JUDGED_ROWS == 0:
            between_slices()
        (values,) = table.slice(index, 1).to_pylist()
        verdict = judge_values(values, signature)
        if isinstance(verdict, Refused):
            bad.append(
                BadRow(first_row + index - chunk_start, first_row + index + 1, *said.setdefault(verdict, verdict))
            )
        else:
            accepted[index] = True
            revised.append((index, verdict))
    for index, row in revised:
        array[index] = to_array([row], signature)[0]
    return RowBlock(array[accepted], bad)


def _bytes_of(group: Any) -> int:
    """What a row group's pages hold before compression; each of two places may say less than the other."""
    columns = sum(int(group.column(index).total_uncompressed_size) for index in range(group.num_columns))
    return max(int(group.total_byte_size), columns)


def _text_bytes(table: pa.Table) -> int:
    """Of all cells of the text columns, written out."""
    return sum(
        int(pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0)
        for column in table.columns
        if pa.types.is_dictionary(column.type) and not pa.types.is_primitive(column.type.value_type)
        for chunk in column.chunks
    )


def _open(store: BlobStore, path: str, texts: list[str]) -> pq.ParquetFile:
    reader = BlobReader(store, path)
    tail = store.read(path, max(0, store.size(path) - _FOOTER_TAIL), store.size(path))
    if int.from_bytes(tail[:4], "little") > MAX_FOOTER_BYTES:
        raise InvalidFile("the file's footer is too large; write fewer row groups or columns")
    try:
        return pq.ParquetFile(
            pa.PythonFile(reader, mode="r"), read_dictionary=texts, buffer_size=_READ_BYTES, pre_buffer=False
        )
    except (pa.ArrowException, OSError) as error:
        raise _unreadable() from error


def _check_schema(schema: pa.Schema, signature: Signature) -> None:
    names = schema.names
    missing = [name for name in signature.names if name not in names]
    if missing:
        raise InvalidFile(f"the file lacks the column(s) {_list(missing)}; add them")
    if unknown := [name for name in names if name not in signature.names]:
        raise InvalidFile(
            f"the file holds column(s) that are no features: {_list(unknown)}; remove them (pandas writes its index "
            "unless told index=False)"
        )
    if len(set(names)) < len(names):
        raise InvalidFile("the file holds a column more than once; send each once")
    for feature in signature.features:
        if problem := _type_problem(schema.field(feature.name).type, feature):
            raise InvalidFile(problem)


def _type_problem(kind: Any, feature: Feature) -> str:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if feature.dtype == "category":
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return ""
        return f"the column '{shorten(feature.name)}' is {shorten(kind)}, not text; write it as string"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return ""
    return f"the column '{shorten(feature.name)}' is {shorten(kind)}, not a number; write it as double or int64"


def _list(names: list[str]) -> str:
    return ", ".join(f"'{shorten(name)}'" for name in names[:20])


def _unreadable() -> InvalidFile:
    return InvalidFile("the file cannot be read as Parquet; write it again, and send all of it")
