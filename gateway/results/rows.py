"""Where a batch's answers are: in Redis, of rows that came in a request; in the store, of rows that came as a file."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice, takewhile
from typing import NamedTuple

import msgspec

from gateway.service import Service
from rhizome.blob_slices import ChunkParts, FileFormat, answers_form, decode_parts, errors_path, part_path
from rhizome.blob_store import BlobStore, read_blocks
from rhizome.csv_cells import allow_long_cells
from rhizome.errors import RowsIncomplete, VersionNotFound
from rhizome.job_documents import number
from rhizome.job_queue.views import JobView
from rhizome.jobs import Returns, State
from rhizome.row_table import Column, answer_of_cells, build_columns, build_writer, csv_line, header_line, returns_of
from rhizome.signature import Signature

_decode_answers = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_decode_objects = msgspec.json.Decoder(list[dict[str, object]]).decode


class Piece(NamedTuple):
    """Part of a result: a blob, or bytes at hand."""

    size: int
    path: str = ""
    data: bytes = b""


def is_from_file(job: JobView) -> bool:
    """True for a job whose rows came as a file."""
    return "source" in job.facts


def read_parts(here: Service, job: JobView) -> list[ChunkParts | None]:
    """What has been written for each chunk of a file job; None where nothing has yet."""
    chunks = here.submissions.read_chunks(job.job_id, range(int(job.facts["chunks"])))
    return [decode_parts(chunk) if chunk else None for chunk in chunks]


def check_complete(job: JobView) -> None:
    """All rows of the job are answered.

    Raises:
        RowsIncomplete: not yet, or never.
    """
    if job.facts.get("kind") == b"single":
        raise RowsIncomplete("this job is of one sample, whose answer is JSON; ask with Accept: application/json")
    if not job.is_final:
        raise RowsIncomplete(f"this job is {job.state}: its rows are there once it has ended; wait with ?wait=30")
    is_answered = number(job, "chunks_done") == number(job, "chunks")  # also where each answer is an error
    if job.state not in (State.SUCCEEDED, State.FAILED) or not is_answered:
        raise RowsIncomplete(f"this job is {job.state}: not all of its rows were answered; submit it again")


def is_at_hand(job: JobView, form: FileFormat) -> bool:
    """Whether a job's rows can be sent in that form at once; else a worker has to make a file of them."""
    return form is written_form(job) if is_from_file(job) else form is not FileFormat.PARQUET


def written_form(job: JobView) -> FileFormat:
    """The form in which a file job's answers are written."""
    return answers_form(FileFormat(job.facts["source"].decode()))


def pieces_of(here: Service, job: JobView, form: FileFormat) -> list[Piece]:
    """All rows of a complete job in a form that is at hand, in input order.

    Raises:
        RowsIncomplete: some are missing.
    """
    if is_from_file(job):
        return _pieces_in_store(job, read_parts(here, job))
    chunks = here.submissions.read_chunks(job.job_id, range(int(job.facts["chunks"])))
    if None in chunks:
        raise RowsIncomplete("some of this job's rows are missing; submit it again")
    found = [chunk for chunk in chunks if chunk is not None]
    data = _as_ndjson(found) if form is FileFormat.NDJSON else _as_csv(found, _signature_of(here, job))
    return [Piece(len(data), data=data)]


def stream(store: BlobStore, pieces: Sequence[Piece], start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end` of all pieces together, in blocks."""
    at = 0
    for piece in pieces:
        low, high = max(start - at, 0), min(end - at, piece.size)
        if low < high:
            if piece.path:
                yield from read_blocks(store, piece.path, low, high)
            else:
                yield piece.data[low:high]
        at += piece.size
        if at >= end:
            return


def page_of(here: Service, job: JobView, offset: int, limit: int) -> list[msgspec.Raw]:
    """The answers of `limit` rows from row `offset` on, of a file job; none from the first missing chunk on.

    Nobody knows how many rows that chunk has, so the place of every later row is unknown.
    """
    parts = [part for part in takewhile(lambda part: part is not None, read_parts(here, job)) if part is not None]
    ends = list(accumulate(part.rows for part in parts))
    answers: list[msgspec.Raw] = []
    for part, end in zip(parts, ends, strict=True):
        first = end - part.rows
        if end > offset and first < offset + limit:
            low, high = max(0, offset - first), offset + limit - first
            if part.form == FileFormat.NDJSON:
                answers += islice(_read_ndjson(here, job, part), low, high)
            else:
                answers += islice(_read_csv(here, job, part, low, has_header=part is parts[0]), high - low)
    return answers


def check_version(job: JobView) -> None:
    """A version answered the job: only it knows the columns of a table.

    Raises:
        RowsIncomplete: no version did; each row was given up before.
    """
    if "version" not in job.facts:
        raise RowsIncomplete("no version answered this job; ask for NDJSON, whose rows say why")


def _signature_of(here: Service, job: JobView) -> Signature:
    if outputs := job.facts.get("outputs"):
        return Signature.model_validate_json(outputs)
    check_version(job)
    try:
        return here.champion.version(job.facts["version"].decode()).manifest.signature
    except VersionNotFound:
        raise RowsIncomplete("the version that answered this job is gone; ask for NDJSON") from None


def _pieces_in_store(job: JobView, parts: list[ChunkParts | None]) -> list[Piece]:
    pieces = []
    for part in parts:
        if part is None:
            raise RowsIncomplete("some of this job's rows are missing; submit it again")
        pieces.append(Piece(part.size, path=part_path(job.job_id, part)))
    return pieces


def _read_ndjson(here: Service, job: JobView, part: ChunkParts) -> Iterator[msgspec.Raw]:
    return map(msgspec.Raw, _lines(read_blocks(here.blobs, part_path(job.job_id, part), 0, part.size)))


def _read_csv(here: Service, job: JobView, part: ChunkParts, start: int, *, has_header: bool) -> Iterator[msgspec.Raw]:
    """A part's rows from row `start` on, as JSON; those before it are passed over at a tenth of the price."""
    allow_long_cells()  # the name of a class is one
    columns = build_columns(_signature_of(here, job), Returns(part.returns))
    lines = _lines(read_blocks(here.blobs, part_path(job.job_id, part), 0, part.size))
    errors = _lines(read_blocks(here.blobs, errors_path(job.job_id, part), 0, part.errors_size))
    rows, write = _parse_rows(lines), _build_writer(columns, part)
    if has_header:
        next(rows)
    for _ in range(start):
        if _pass_over(lines):
            next(errors)
    for cells in rows:
        yield msgspec.Raw(next(errors) if cells[-1] else write(cells))


def _pass_over(lines: Iterator[bytes]) -> bool:
    """Whether the next row, which ends here, is an error."""
    line = next(lines)
    if b'"' not in line:
        return not line.endswith(b",")
    return bool(next(_parse_rows(chain([line], lines)))[-1])


def _parse_rows(lines: Iterable[bytes]) -> Iterator[list[str]]:
    """Rows of CSV; no more lines are taken than those of the rows that are."""
    return csv.reader(f"{line.decode()}\n" for line in lines)


def _build_writer(columns: Sequence[Column], part: ChunkParts) -> Callable[[Sequence[str]], bytes]:
    if part.top_k == 0:
        return build_writer(columns)
    return lambda cells: _encode(answer_of_cells(cells, columns, is_ranked=True))


def _as_ndjson(chunks: Sequence[bytes]) -> bytes:
    return b"".join(bytes(answer) + b"\n" for chunk in chunks for answer in _decode_answers(chunk))


def _as_csv(chunks: Sequence[bytes], signature: Signature) -> bytes:
    answers = [answer for chunk in chunks for answer in _decode_objects(chunk)]
    columns = build_columns(signature, returns_of(chunks))
    return (header_line(columns) + "".join(csv_line(answer, columns) for answer in answers)).encode()


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest
