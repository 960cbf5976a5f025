"""One chunk of a file, from its reference to its answers in the store."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from celery.exceptions import SoftTimeLimitExceeded
from numpy.typing import NDArray

from rhizome.blob_slices import (
    PLAN,
    BlobSlice,
    ChunkParts,
    FileFormat,
    decode_slice,
    encode_parts,
    encode_slice,
    part_path,
)
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobNotFound
from rhizome.inference import AnswerArrays, predict_arrays
from rhizome.jobs import Returns, ScoreRequest
from rhizome.row_table import header_line
from rhizome.signature import Signature
from worker.file_chunks import InvalidFile
from worker.files.judging import BadRow
from worker.files.lines import LineFormat, Lines, bytes_of, merge
from worker.files.text import RowBlock, parse_csv, parse_ndjson
from worker.micro_batch import RowFailure, score_rows
from worker.outcomes import answer_of
from worker.shelf import LoadedVersion
from worker.slicing import measure, slice_rows

if TYPE_CHECKING:
    from worker.files.parquet_rows import ParquetRows

#: Writing answers takes longer than making them: so many rows are some 10 ms of both for a fast estimator.
MAX_SLICE_ROWS = 8_192
MAX_SLICE_BAD_ROWS = 1_024  #: their answers are written one by one
_NAME_BYTES = 4


class ScoredChunk(NamedTuple):
    """What was written for a chunk, and the milliseconds the estimator took."""

    parts: ChunkParts
    compute_ms: float

    @property
    def body(self) -> bytes:
        return encode_parts(self.parts)


class FileScoring:
    """Scores chunks of files.

    Args:
        store: where the files are, and where the answers go.
        max_bytes: of a file.
        chunk_bytes: of one chunk of a file that is cut here.
    """

    def __init__(self, store: BlobStore, max_bytes: int, chunk_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._chunk_bytes = chunk_bytes
        self._parquet_rows: ParquetRows | None = None
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps tens of MB that nothing uses
        pa.set_cpu_count(1)  # one child, one core
        pa.set_io_thread_count(1)

    def plan(self, request: ScoreRequest, signature: Signature) -> list[ScoreRequest]:
        """The chunks of a file that could not be cut before; none if it was cut already.

        The entry that asks for the plan is itself the first chunk, of no rows.

        Raises:
            InvalidFile: the file as a whole cannot be scored.
        """
        whole = decode_slice(request.payload)
        if whole.row_group != PLAN:
            return []
        from worker.files.parquet import plan_file  # noqa: PLC0415 - no small matter, and only some files need it

        with _missing_told():
            slices = plan_file(self._store, whole, signature, max_bytes=self._max_bytes, chunk_bytes=self._chunk_bytes)
        return [
            msgspec.structs.replace(request, payload=encode_slice(part), rows=part.end - part.start, chunk=chunk)
            for chunk, part in enumerate(slices, start=1)
        ]

    def rest(self) -> None:
        """Lets go of what is held for a next chunk."""
        self._parquet_rows = None

    def score(self, request: ScoreRequest, version: LoadedVersion, between_slices: Callable[[], None]) -> ScoredChunk:
        """Scores a chunk and writes its answers.

        Args:
            request: the chunk.
            version: what answers the job.
            between_slices: serves whoever is more urgent.

        Raises:
            InvalidFile: the file as a whole cannot be scored.
            BlobStoreUnavailable: the store cannot be used now.
        """
        with _missing_told():
            block = self._read(decode_slice(request.payload), version.signature, between_slices)
        form = LineFormat(version.signature, Returns(request.returns), request.top_k)
        name = f"{request.chunk:06d}-{secrets.token_hex(_NAME_BYTES)}"
        failed, compute_ms = len(block.bad), 0.0
        with _PartWriter(self._store, request.job_id, name) as writer:
            if request.chunk == 0:
                writer.write_header(header_line(form.columns))
            for array, bad, before in _slices(block, version):
                between_slices()  # reading the block took as long as a slice
                lines, its_failed, took_ms = _score(version, array, form, request)
                writer.write(merge(lines, form.format_answers(row.answer() for row in bad), before) if bad else lines)
                failed += its_failed
                compute_ms += took_ms
            parts = writer.commit(len(block.array) + len(block.bad), failed, between_slices)
        return ScoredChunk(parts, compute_ms)

    def _read(self, part: BlobSlice, signature: Signature, between_slices: Callable[[], None]) -> RowBlock:
        if part.row_group == PLAN:
            return parse_ndjson(b"", 1, signature)
        if part.format == FileFormat.PARQUET:
            from worker.files.parquet_rows import ParquetRows  # noqa: PLC0415 - as in `plan`

            self._parquet_rows = self._parquet_rows or ParquetRows(self._store)
            return self._parquet_rows.read(part, signature, between_slices)
        data = self._store.read(part.path, part.start, part.end)
        if part.format == FileFormat.CSV:
            return parse_csv(data, part.columns, part.first_line, signature, between_slices)
        return parse_ndjson(data, part.first_line, signature, between_slices)


def _slices(
    block: RowBlock, version: LoadedVersion
) -> Iterator[tuple[NDArray[Any], Sequence[BadRow], NDArray[np.int64]]]:
    """A block piece by piece: good rows, bad rows, and how many of the good ones come before each bad one."""
    positions = np.fromiter((row.position for row in block.bad), np.int64, len(block.bad))
    rows = len(block.array) + len(block.bad)
    start = low = 0
    while True:
        end = min(rows, start + min(slice_rows(version), MAX_SLICE_ROWS))
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
    version: LoadedVersion, array: NDArray[Any], form: LineFormat, request: ScoreRequest
) -> tuple[Lines, int, float]:
    """The lines of `array`'s rows, how many of them failed, and the milliseconds the estimator took."""
    if not len(array):
        return form.format_answers([]), 0, 0.0
    try:
        outputs, took_ms = measure(version, len(array), lambda: _predict(version, array, Returns(request.returns)))
        return form.format_arrays(outputs), 0, took_ms
    except SoftTimeLimitExceeded:
        raise  # the clock's verdict on the run, not the estimator's on a row
    except Exception:  # an estimator may raise anything: down to the rows at fault
        rows, took_ms = measure(
            version,
            len(array),
            lambda: score_rows(version.calls, array, version.signature, Returns(request.returns)),
        )
    failed = sum(isinstance(row, RowFailure) for row in rows)
    return form.format_answers(answer_of(row, version.signature, request) for row in rows), failed, took_ms


def _predict(version: LoadedVersion, array: NDArray[Any], returns: Returns) -> tuple[AnswerArrays, ...]:
    outputs = predict_arrays(version.calls, array, version.signature, returns)
    for output in outputs:
        if output.probabilities is not None and not np.isfinite(output.probabilities).all():
            raise ValueError("the estimator gave a probability that is not a number")
        if version.signature.task == "regression" and not np.isfinite(np.asarray(output.labels)).all():
            raise ValueError("the estimator gave a value that is not a number")
    return outputs


@contextmanager
def _missing_told() -> Iterator[None]:
    try:
        yield
    except BlobNotFound as error:
        raise InvalidFile("the file is not in the store any more; submit it again") from error


class _PartWriter:
    """Writes a chunk's answers in both forms; they are there when both are."""

    def __init__(self, store: BlobStore, job_id: str, name: str) -> None:
        self._name = name
        self._sizes = {FileFormat.NDJSON: 0, FileFormat.CSV: 0}
        paths = {form: part_path(job_id, ChunkParts(0, 0, name, 0, 0), form) for form in self._sizes}
        with ExitStack() as stack:
            self._writers = {form: stack.enter_context(store.open_writer(path)) for form, path in paths.items()}
            self._stack = stack.pop_all()

    def write_header(self, line: str) -> None:
        """The first line of the whole CSV file."""
        self._append(FileFormat.CSV, memoryview(line.encode()))

    def write(self, lines: Lines) -> None:
        """Appends rows."""
        self._append(FileFormat.NDJSON, bytes_of(lines.ndjson))
        self._append(FileFormat.CSV, bytes_of(lines.csv))

    def commit(self, rows: int, failed: int, between: Callable[[], None]) -> ChunkParts:
        """Makes both parts be there; calls `between` before each, as the disk takes its time."""
        for writer in self._writers.values():
            between()
            writer.commit()
        return ChunkParts(rows, failed, self._name, self._sizes[FileFormat.NDJSON], self._sizes[FileFormat.CSV])

    def _append(self, form: FileFormat, data: memoryview) -> None:
        self._writers[form].write(data)
        self._sizes[form] += len(data)

    def __enter__(self) -> "_PartWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()
