"""A chunk's answers on their way into the store: they are there when all of them are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from msgspec.structs import replace

from rhizome.blob_slices import ChunkParts, errors_path, part_path
from rhizome.blob_store import BlobStore, BlobWriter
from rhizome.errors import BlobNotFound, BlobStoreUnavailable
from worker.files.lines import Lines, bytes_of


class TextNotMade(Exception):
    """Answers that could not be made into text together; the cause says why."""


class PartWriting:
    """Writes a chunk's answers; a context manager, which leaves nothing behind where they were not committed.

    Args:
        store: where they go.
        job_id: whose they are.
        parts: what is known of them; `commit` gives it back with the rest.
    """

    def __init__(self, store: BlobStore, job_id: str, parts: ChunkParts) -> None:
        self._store = store
        self._parts = parts
        self._rows_path, self._errors_path = part_path(job_id, parts), errors_path(job_id, parts)
        self._sizes = {self._rows_path: 0, self._errors_path: 0}
        self._files = ExitStack()
        self._writers: dict[str, BlobWriter] = {}

    def __enter__(self) -> "PartWriting":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def write_header(self, line: bytes) -> None:
        """What comes before all rows."""
        self._append(self._rows_path, memoryview(line))

    def write(self, make_lines: Callable[[], Lines]) -> None:
        """Appends rows.

        Args:
            make_lines: makes the rows' text.

        Raises:
            TextNotMade: it could not.
            BlobStoreUnavailable: the store cannot be used now.
        """
        try:
            lines = make_lines()
        except MemoryError:
            raise
        except Exception as error:  # an estimator may answer with anything
            raise TextNotMade from error
        self._append(self._rows_path, bytes_of(lines.rows))
        if lines.errors is not None:
            self._append(self._errors_path, bytes_of(lines.errors))

    def commit(self, rows: int, failed: int) -> ChunkParts:
        """Makes all of it be there; so many rows, so many of them failed.

        Raises:
            BlobStoreUnavailable: the store cannot be used now.
        """
        with _removal_told():
            self._writer(self._rows_path)  # also of no rows
            for writer in self._writers.values():
                writer.commit()
        size, errors_size = self._sizes[self._rows_path], self._sizes[self._errors_path]
        return replace(self._parts, rows=rows, failed=failed, size=size, errors_size=errors_size)

    def _append(self, path: str, text: memoryview) -> None:
        with _removal_told():
            self._writer(path).write(text)
        self._sizes[path] += len(text)

    def _writer(self, path: str) -> BlobWriter:
        if path not in self._writers:
            self._writers[path] = self._files.enter_context(self._store.open_writer(path))
        return self._writers[path]


@contextmanager
def _removal_told() -> Iterator[None]:
    """A job that is cancelled loses its files, those under the writer's hands, too: the chunk is let go of."""
    try:
        yield
    except BlobNotFound as error:
        raise BlobStoreUnavailable("the job's files were removed while its answers were written") from error
