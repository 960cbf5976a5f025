"""What travels in place of rows when they lie in a file: which part of which blob, and where the answers were put.

A `BlobSlice` is the payload of a stream entry with `Encoding.BLOB`; a `ChunkParts` is what its scorer hands in.
"""

from enum import StrEnum

import msgspec

from rhizome.jobs import Returns

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
    """One chunk's answers in the store.

    Scorers never write to the same name, so whose parts count is settled by whose `ChunkParts` is written first.

    Attributes:
        rows, failed: how many, and how many of them failed.
        name: of its blobs, without their endings.
        form: the `FileFormat` of the answers, see `answers_form`.
        size: bytes of them.
        errors_size: bytes of the answers that are errors, as NDJSON, where the form cannot hold them whole; 0: no blob.
        returns: which part of an answer was wanted, a `Returns`.
        top_k: only the k most probable classes; 0 for all.
    """

    rows: int
    failed: int
    name: str
    form: str
    size: int
    errors_size: int = 0
    returns: str = Returns.BOTH.value
    top_k: int = 0


encode_slice = msgspec.msgpack.Encoder().encode
decode_slice = msgspec.msgpack.Decoder(BlobSlice).decode
encode_parts = msgspec.json.Encoder().encode
decode_parts = msgspec.json.Decoder(ChunkParts).decode


def input_path(job_id: str, file_format: FileFormat) -> str:
    """The uploaded file of a job."""
    return f"{job_id}/input.{file_format}"


def answers_form(source: FileFormat) -> FileFormat:
    """The form in which the answers to such a file are written; the others are made of it when one is asked for."""
    return FileFormat.NDJSON if source is FileFormat.NDJSON else FileFormat.CSV


def part_path(job_id: str, parts: ChunkParts) -> str:
    """One chunk's answers."""
    return f"{job_id}/rows/{parts.name}.{parts.form}"


def errors_path(job_id: str, parts: ChunkParts) -> str:
    """Those of one chunk's answers that are errors, in order."""
    return f"{job_id}/rows/{parts.name}.errors.ndjson"


def export_path(job_id: str, file_format: FileFormat) -> str:
    """All answers of a job as one file, in a form in which they were not written."""
    return f"{job_id}/results.{file_format}"
