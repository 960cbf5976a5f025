"""A chunk's answers on their way into the store: text is made in one thread, and written in another.

Arrow makes text of numbers, and the disk syncs, without Python's lock: both go on while the scorer serves single jobs
and scores what comes next.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from typing import TypeVar

from msgspec.structs import replace

from rhizome.blob_slices import ChunkParts, errors_path, part_path
from rhizome.blob_store import BlobStore, BlobWriter
from worker.aside import await_end
from worker.files.lines import Lines, bytes_of

#: Slices of a chunk between one thread and the next: enough that none waits for each step of another's.
MOST_AHEAD = 4

Given = TypeVar("Given")
TextByPath = dict[str, memoryview]  #: a slice, for each blob


class WritingThreads:
    """The two threads of one scorer; each does what it is given in order."""

    def __init__(self) -> None:
        self.text = ThreadPoolExecutor(1, thread_name_prefix="text", initializer=_give_way)
        self.disk = ThreadPoolExecutor(1, thread_name_prefix="disk")


def _give_way() -> None:
    """This thread runs where no other wants to: it computes all the time, and a single job is many short steps, each of
    which would wait for the end of its time slice. Linux's own; elsewhere, and where it is forbidden, nothing changes.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class TextNotMade(Exception):
    """Answers that could not be made into text together; the cause says why."""


class PartWriting:
    """Writes a chunk's answers; they are there when all of them are.

    Args:
        threads: do the work.
        store: where they go.
        job_id: whose they are.
        parts: what is known of them; `commit` gives it back with the rest.
    """

    def __init__(self, threads: WritingThreads, store: BlobStore, job_id: str, parts: ChunkParts) -> None:
        self._threads = threads
        self._store = store
        self._parts = parts
        self._rows_path, self._errors_path = part_path(job_id, parts), errors_path(job_id, parts)
        self._sizes = {self._rows_path: 0, self._errors_path: 0}
        self._files = ExitStack()
        self._writers: dict[str, BlobWriter] = {}
        self._texts: list[Future[None]] = []
        self._writes: list[Future[None]] = []  # the text thread's alone
        self._error: BaseException | None = None

    def write_header(self, line: bytes) -> None:
        """What comes before all rows."""
        self._texts.append(self._threads.text.submit(self._step, self._put, {self._rows_path: memoryview(line)}))

    def write(self, make_lines: Callable[[], Lines], between: Callable[[], None]) -> None:
        """Has rows appended; waits where too many before them are still on their way.

        Args:
            make_lines: makes the rows' text, in a thread of its own.
            between: serves whoever is more urgent meanwhile.
        """
        if len(self._texts) >= MOST_AHEAD:
            await_end(self._texts[-MOST_AHEAD], between)
        self._texts.append(self._threads.text.submit(self._step, self._make, make_lines))

    def commit(self, rows: int, failed: int) -> Future[ChunkParts]:
        """Has all of it made to be there. What goes wrong on the way comes out here, and leaves nothing behind.

        Its errors are `TextNotMade`, `BlobStoreUnavailable` and `MemoryError`.
        """
        written: Future[ChunkParts] = Future()
        self._threads.text.submit(self._threads.disk.submit, self._commit, written, rows, failed)
        return written

    def abandon(self) -> None:
        """Leaves nothing behind."""
        self._threads.text.submit(self._threads.disk.submit, self._files.close)

    def _step(self, act: Callable[[Given], None], given: Given) -> None:
        """Does one step, unless one before has failed: a store that is away may take its time to say so."""
        if self._error is not None:
            return
        try:
            act(given)
        except BaseException as error:  # comes out at `commit`
            self._error = self._error or error

    def _make(self, make_lines: Callable[[], Lines]) -> None:
        try:
            lines = make_lines()
        except MemoryError:
            raise
        except Exception as error:
            raise TextNotMade from error
        texts = {self._rows_path: bytes_of(lines.rows)}
        if lines.errors is not None:
            texts[self._errors_path] = bytes_of(lines.errors)
        self._put(texts)

    def _put(self, texts: TextByPath) -> None:
        if len(self._writes) >= MOST_AHEAD:
            wait([self._writes[-MOST_AHEAD]])
        self._writes.append(self._threads.disk.submit(self._step, self._append, texts))

    def _append(self, texts: TextByPath) -> None:
        for path, text in texts.items():
            self._writer(path).write(text)
            self._sizes[path] += len(text)

    def _writer(self, path: str) -> BlobWriter:
        if path not in self._writers:
            self._writers[path] = self._files.enter_context(self._store.open_writer(path))
        return self._writers[path]

    def _commit(self, written: Future[ChunkParts], rows: int, failed: int) -> None:
        try:
            with self._files:
                if self._error is not None:  # both threads keep the order: every step is done
                    raise self._error
                self._writer(self._rows_path)  # also of no rows
                for writer in self._writers.values():
                    writer.commit()
        except BaseException as error:  # whoever waits is told
            written.set_exception(error)
            return
        size, errors_size = self._sizes[self._rows_path], self._sizes[self._errors_path]
        written.set_result(replace(self._parts, rows=rows, failed=failed, size=size, errors_size=errors_size))
