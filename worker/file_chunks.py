"""A chunk of a file among the other entries of the queue: what becomes of it, as the queue wants to be told.

Apart from `worker.files`, because that needs pyarrow, which is imported here when the first such chunk comes.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from rhizome.blob_slices import encode_parts
from rhizome.blob_store import BlobStore
from rhizome.errors import RhizomeError
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import State
from rhizome.settings import Settings
from worker.aside import await_end
from worker.shelf import LoadedVersion

if TYPE_CHECKING:
    from worker.files.scoring import FileScoring, ScoredChunk

log = logging.getLogger(__name__)


class InvalidFile(RhizomeError):
    """The file as a whole cannot be scored; the message says why, and what to do."""

    code = "invalid_file"


class FileChunks:
    """Scores chunks of files for one scorer.

    Args:
        store: where the files are.
        claims: this process's hold on the queue.
        settings: how large a file may be, and its chunks should be.
    """

    def __init__(self, store: BlobStore, claims: Claims, settings: Settings) -> None:
        self._store = store
        self._claims = claims
        self._settings = settings
        self._files: FileScoring | None = None

    def rest(self) -> None:
        """Lets go of what is held for a next chunk: nothing waits."""
        if self._files is not None:
            self._files.rest()

    def score(
        self, entry: Claimed, version: LoadedVersion, between_slices: Callable[[], None]
    ) -> "Finished | UnwrittenChunk":
        """Scores one chunk; a file that cannot be scored as a whole fails its job.

        Raises:
            BlobStoreUnavailable: the store cannot be used now; the chunk comes back after its lease.
        """
        request = entry.request
        self._store.check_room()  # before rows are scored whose answers could not be written
        self._claims.stop_listening()
        if self._files is None:
            self._files = self._begin(between_slices)
        files = self._files
        try:
            if chunks := files.plan(request, version.signature):
                self._claims.add_chunks(entry, chunks)
            return UnwrittenChunk(entry, files.score(request, version, between_slices))
        except InvalidFile as error:
            return _refuse(entry, error)

    def _begin(self, between: Callable[[], None]) -> "FileScoring":
        def begin() -> "FileScoring":
            from worker.files.scoring import FileScoring  # noqa: PLC0415 - see the module

            return FileScoring(
                self._store,
                self._settings.max_upload_bytes,
                self._settings.file_chunk_bytes,
                self._settings.max_file_rows,
            )

        with ThreadPoolExecutor(1) as thread:  # importing takes as long as many a single job
            begun = thread.submit(begin)
            await_end(begun, between)
        return begun.result()


class UnwrittenChunk:
    """A chunk whose rows are scored, and whose answers are still on their way into the store.

    Attributes:
        claimed: its entry.
    """

    def __init__(self, claimed: Claimed, scored: "ScoredChunk") -> None:
        self.claimed = claimed
        self._scored = scored

    @property
    def is_written(self) -> bool:
        """Whether `finish` need not wait."""
        return self._scored.is_written

    def finish(self, between: Callable[[], None]) -> Finished:
        """The finished chunk, once its answers are in the store; `between` serves whoever is more urgent meanwhile.

        Raises:
            BlobStoreUnavailable: the store cannot be used now; the chunk comes back after its lease.
        """
        try:
            parts = self._scored.finish(between)
        except InvalidFile as error:
            return _refuse(self.claimed, error)
        return Finished(
            self.claimed,
            State.SUCCEEDED,
            encode_parts(parts),
            failed_rows=parts.failed,
            compute_ms=self._scored.compute_ms,
            rows=parts.rows,
        )


def fail_job(entry: Claimed, error: dict[str, str], dead_reason: str = "") -> Finished:
    """The whole job fails by this chunk: how many rows it holds is not known, so they cannot be answered one by one."""
    return Finished(entry, State.FAILED, b"", rows=0, job_error=msgspec.json.encode(error), dead_reason=dead_reason)


def _refuse(entry: Claimed, error: InvalidFile) -> Finished:
    log.warning("file_refused", extra={"job_id": entry.request.job_id, "reason": str(error)})
    return fail_job(entry, {"code": error.code, "detail": str(error)})
