"""Parquet: what a file holds, and how it is divided into chunks; their rows are read by `worker.files.parquet_rows`."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rhizome.blob_slices import BlobSlice
from rhizome.blob_store import BlobReader, BlobStore
from rhizome.signature import Feature, Signature
from rhizome.wording import shorten
from worker.file_chunks import InvalidFile
from worker.files.parquet_footer import Group, read_groups, unreadable

MAX_CHUNK_ROWS = 65_536  #: as many as a chunk of text may have lines: a worker holds a chunk's rows as an array
#: A chunk that does not follow on the last one this process scored is read from its row group's beginning.
MAX_CHUNKS_OF_GROUP = 128
MAX_CHUNKS = 16_384  #: they enter the queue in one script
NUMBER_BYTES = 8  #: of a cell, as the array holds it, however small the file has made it
#: Of a row group before compression; one page of it may be all of it, and a worker holds whole pages.
MAX_GROUP_BYTES = 512 * 1024 * 1024
_READ_BYTES = 1024 * 1024


def plan_file(
    store: BlobStore, whole: BlobSlice, signature: Signature, *, max_bytes: int, chunk_bytes: int, max_rows: int
) -> list[BlobSlice]:
    """The chunks of a file, in order: ranges of rows.

    Args:
        store: where it is.
        whole: the file.
        signature: what its columns must be.
        max_bytes: so large a text file may be; rows that could not even fit in there are refused.
        chunk_bytes: of one chunk, unless its row group would then be read too often.
        max_rows: of a file.

    Raises:
        InvalidFile: it cannot be read, its columns are not the signature's, or it holds no rows or too many.
    """
    groups = read_groups(store, whole.path)
    with open_file(store, whole.path, []) as file:
        try:
            _check_schema(file.schema_arrow, signature)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise unreadable() from error
        rows = sum(group.rows for group in groups)
        if not rows:
            raise InvalidFile("the file holds no rows; send one at least")
        if rows * 2 * len(signature.features) > max_bytes:
            raise InvalidFile(f"the file holds {rows} rows, more than are accepted at once; send it in parts")
        if rows > max_rows:
            raise InvalidFile(
                f"the file holds {rows} rows, more than {max_rows} (RHIZOME_MAX_FILE_ROWS); send it in parts"
            )
        largest, sizes = max(group.rows for group in groups), list(map(_bytes_of, groups))
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


def _bytes_of(group: Group) -> int:
    """What a row group's pages hold before compression; each of two places may say less than the other."""
    return max(group.size, sum(column.size for column in group.columns))


def open_file(store: BlobStore, path: str, texts: list[str]) -> pq.ParquetFile:
    """A file in the store.

    Args:
        store: where it is.
        path: the blob.
        texts: columns whose texts are read as a dictionary.

    Raises:
        InvalidFile: it cannot be read.
    """
    reader = BlobReader(store, path)
    try:
        return pq.ParquetFile(
            pa.PythonFile(reader, mode="r"), read_dictionary=texts, buffer_size=_READ_BYTES, pre_buffer=False
        )
    except MemoryError:  # Arrow's is an ArrowException, too, and says nothing about the file
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable() from error


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
        if types.is_null(kind) or (types.is_boolean(kind) and feature.texts_of_booleans):
            return ""
        return f"the column '{shorten(feature.name)}' is {shorten(kind)}, not text; write it as string"
    if types.is_null(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return ""
    return f"the column '{shorten(feature.name)}' is {shorten(kind)}, not a number; write it as double or int64"


def _list(names: list[str]) -> str:
    return ", ".join(f"'{shorten(name)}'" for name in names[:20])
