"""What travels in place of rows when they lie in a file: which part of which blob, and where the answers were put.

A `BlobSlice` is the payload of a stream entry with `Encoding.BLOB`; a `ChunkParts` is what its scorer hands in.
"""

from enum import StrEnum

import msgspec

PLAN = -1  #: `row_group` of an entry that stands for a Parquet file whose row groups nobody has looked at yet


class FileFormat(StrEnum):
    """The forms in which rows come as files, and are given back; each is its file name's ending."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class BlobSlice(msgspec.Struct, frozen=True, array_like=True):
    """Part of an uploaded file. The order of the fields is the wire format; add at the end, with a default.

    Attributes:
        format: a `FileFormat`.
        path: the blob.
        start, end: bytes of the blob; for Parquet, rows of the row group.
        first_line: line of the file at which it starts (1 is the first); for Parquet, the row of the file.
        columns: a CSV file's columns, in its order.
        row_group: of a Parquet file, or `PLAN`.
    """

    format: str
    path: str
    start: int
    end: int
    first_line: int = 1
    columns: tuple[str, ...] = ()
    row_group: int = 0


class ChunkParts(msgspec.Struct, frozen=True):
    """One chunk's answers in the store: `<name>.ndjson` and `<name>.csv`, of so many bytes.

    Scorers never write to the same name, so whose parts count is settled by whose `ChunkParts` is written first.
    """

    rows: int
    failed: int
    name: str
    ndjson_bytes: int
    csv_bytes: int


encode_slice = msgspec.msgpack.Encoder().encode
decode_slice = msgspec.msgpack.Decoder(BlobSlice).decode
encode_parts = msgspec.json.Encoder().encode
decode_parts = msgspec.json.Decoder(ChunkParts).decode


def input_path(job_id: str, file_format: FileFormat) -> str:
    """The uploaded file of a job."""
    return f"{job_id}/input.{file_format}"


def part_path(job_id: str, parts: ChunkParts, file_format: FileFormat) -> str:
    """One chunk's answers."""
    return f"{job_id}/rows/{parts.name}.{file_format}"


def export_path(job_id: str) -> str:
    """All answers of a job as one Parquet file."""
    return f"{job_id}/results.parquet"
