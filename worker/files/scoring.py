"""One chunk of a file, from its reference to its answers in the store."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rhizome.blob_slices import PLAN, BlobSlice, ChunkParts, FileFormat, answers_form, decode_slice, encode_slice
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobNotFound
from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns, ScoreRequest
from rhizome.signature import Signature
from worker.file_chunks import MissingFile
from worker.files.judging import BadRow
from worker.files.lines import LineFormat, Lines, merge
from worker.files.parquet import plan_file
from worker.files.parquet_rows import ParquetRows
from worker.files.text import RowBlock, parse_csv, parse_ndjson
from worker.files.writing import PartWriting, TextNotMade
from worker.micro_batch import RowAnswer, RowFailure
from worker.outcomes import answer_of
from worker.quarantine import Suspects
from worker.shelf import LoadedVersion
from worker.slicing import measure, slice_rows

MAX_SLICE_CELLS = 256 * 1024  #: of answers, which are held as text
MAX_SLICE_BAD_ROWS = 1_024  #: their answers are written one by one
_NAME_BYTES = 4


class ScoredChunk(NamedTuple):
    """A chunk whose answers are in the store.

    Attributes:
        parts: where they are.
        compute_ms: milliseconds the estimator took.
    """

    parts: ChunkParts
    compute_ms: float


class FileScoring:
    """Scores chunks of files.

    Args:
        store: where the files are, and where the answers go.
        max_bytes: of a file.
        chunk_bytes: of one chunk of a file that is cut here.
        max_rows: of such a file.
    """

    def __init__(self, store: BlobStore, max_bytes: int, chunk_bytes: int, max_rows: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._chunk_bytes = chunk_bytes
        self._max_rows = max_rows
        self._parquet_rows: ParquetRows | None = None

    def plan(self, request: ScoreRequest, signature: Signature) -> list[ScoreRequest]:
        """The chunks of a file that could not be cut before; none if it was cut already.

        The entry that asks for the plan is itself the first chunk, of no rows.

        Raises:
            InvalidFile: the file as a whole cannot be scored.
        """
        whole = decode_slice(request.payload)
        if whole.row_group != PLAN:
            return []
        with _missing_told():
            slices = plan_file(
                self._store,
                whole,
                signature,
                max_bytes=self._max_bytes,
                chunk_bytes=self._chunk_bytes,
                max_rows=self._max_rows,
            )
        return [
            msgspec.structs.replace(request, payload=encode_slice(part), rows=part.end - part.start, chunk=chunk)
            for chunk, part in enumerate(slices, start=1)
        ]

    def rest(self) -> None:
        """Lets go of what is held for a next chunk."""
        self._parquet_rows = None

    def score(self, request: ScoreRequest, version: LoadedVersion, suspects: Suspects) -> ScoredChunk:
        """Scores a chunk and writes its answers.

        Args:
            request: the chunk.
            version: what answers the job.
            suspects: what is known of its rows; they are counted without the bad ones.

        Raises:
            InvalidFile: the file as a whole cannot be scored.
            BlobStoreUnavailable: the store cannot be used now.
        """
        part = decode_slice(request.payload)
        with _missing_told():
            block = self._read(part, version.signature)
        try:
            return self._answer(request, part, block, version, suspects, row_by_row=False)
        except TextNotMade:  # down to the rows that cannot be written
            return self._answer(request, part, block, version, suspects, row_by_row=True)

    def _answer(
        self,
        request: ScoreRequest,
        part: BlobSlice,
        block: RowBlock,
        version: LoadedVersion,
        suspects: Suspects,
        *,
        row_by_row: bool,
    ) -> ScoredChunk:
        """Scores rows and writes their answers: each by itself, or as many as Arrow can write at once."""
        parts = _name_parts(request, part)
        form = LineFormat(version.signature, Returns(request.returns), request.top_k, FileFormat(parts.form))
        failed, compute_ms, scored = len(block.bad), 0.0, 0
        with PartWriting(self._store, request.job_id, parts) as writing:
            if request.chunk == 0:
                writing.write_header(form.header())
            for array, bad, before in _slices(block, version, len(form.columns)):
                score = partial(suspects.score, version, array, scored, row_by_row=row_by_row)
                make_lines, its_failed, took_ms = _score(version, array, form, request, score)
                scored += len(array)
                writing.write(_with_bad(make_lines, bad, before, form) if bad else make_lines)
                failed += its_failed
                compute_ms += took_ms
            return ScoredChunk(writing.commit(len(block.array) + len(block.bad), failed), compute_ms)

    def _read(self, part: BlobSlice, signature: Signature) -> RowBlock:
        if part.row_group == PLAN:
            return parse_ndjson(b"", 1, signature)
        if part.format == FileFormat.PARQUET:
            self._parquet_rows = self._parquet_rows or ParquetRows(self._store)
            return self._parquet_rows.read(part, signature)
        data = self._store.read(part.path, part.start, part.end)
        if part.format == FileFormat.CSV:
            return parse_csv(data, part.columns, part.first_line, signature)
        return parse_ndjson(data, part.first_line, signature)


def _name_parts(request: ScoreRequest, part: BlobSlice) -> ChunkParts:
    """Where a chunk's answers go, before any is there."""
    name = f"{request.chunk:06d}-{secrets.token_hex(_NAME_BYTES)}"
    form = answers_form(FileFormat(part.format))
    return ChunkParts(0, 0, name, form.value, 0, returns=request.returns, top_k=request.top_k)


def _slices(
    block: RowBlock, version: LoadedVersion, columns: int
) -> Iterator[tuple[NDArray[Any], Sequence[BadRow], NDArray[np.int64]]]:
    """A block piece by piece: good rows, bad rows, and how many of the good ones come before each bad one.

    Each row is answered in `columns` cells.
    """
    most_rows = max(1, MAX_SLICE_CELLS // columns)
    positions = np.fromiter((row.position for row in block.bad), np.int64, len(block.bad))
    rows = len(block.array) + len(block.bad)
    start = low = 0
    while True:
        end = min(rows, start + min(slice_rows(version), most_rows))
        high = int(np.searchsorted(positions, end))
        if high - low > MAX_SLICE_BAD_ROWS:
            high = low + MAX_SLICE_BAD_ROWS
            end = int(positions[high])
        before = positions[low:high] - np.arange(low, high) - (start - low)
        yield block.array[start - low : end - high], block.bad[low:high], before
        start, low = end, high
        if end == rows:
            return


def _score(
    version: LoadedVersion,
    array: NDArray[Any],
    form: LineFormat,
    request: ScoreRequest,
    score: Callable[[Returns], tuple[AnswerArrays, ...] | list[RowAnswer | RowFailure]],
) -> tuple[Callable[[], Lines], int, float]:
    """What makes the lines of `array`'s rows, how many of them failed, and the milliseconds the estimator took."""
    if not len(array):
        return partial(form.format_answers, []), 0, 0.0
    returns = Returns(request.returns)
    scored, took_ms = measure(version, len(array), lambda: score(returns))
    if isinstance(scored, tuple):
        return partial(form.format_arrays, scored), 0, took_ms
    answers = [answer_of(row, version.signature, request) for row in scored]
    return partial(form.format_answers, answers), sum(isinstance(row, RowFailure) for row in scored), took_ms


def _with_bad(
    make_lines: Callable[[], Lines], bad: Sequence[BadRow], before: NDArray[np.int64], form: LineFormat
) -> Callable[[], Lines]:
    return lambda: merge(make_lines(), form.format_answers(row.answer() for row in bad), before)


@contextmanager
def _missing_told() -> Iterator[None]:
    try:
        yield
    except BlobNotFound as error:
        raise MissingFile("the file is not in the store any more; submit it again") from error
