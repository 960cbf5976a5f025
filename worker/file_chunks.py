"""A chunk of a file among the other entries of the queue: what becomes of it, as the queue wants to be told.

Apart from `worker.files`, because that needs pyarrow, which is imported here when the first such chunk comes.
"""

import logging
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from rhizome.blob_store import BlobStore
from rhizome.errors import RhizomeError
from rhizome.job_queue.claiming import Claimed, Claims, Finished
from rhizome.jobs import State
from rhizome.settings import Settings
from worker.shelf import LoadedVersion

if TYPE_CHECKING:
    from worker.files.scoring import FileScoring

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
        self._has_begun = False

    @cached_property
    def _files(self) -> "FileScoring":
        from worker.files.scoring import FileScoring  # noqa: PLC0415 - see the module

        self._has_begun = True
        return FileScoring(self._store, self._settings.max_upload_bytes, self._settings.file_chunk_bytes)

    def rest(self) -> None:
        """Lets go of what is held for a next chunk: nothing waits."""
        if self._has_begun:
            self._files.rest()

    def score(self, entry: Claimed, version: LoadedVersion, between_slices: Callable[[], None]) -> Finished:
        """Scores one chunk; a file that cannot be scored as a whole fails its job.

        Raises:
            BlobStoreUnavailable: the store cannot be used now; the chunk comes back after its lease.
        """
        files, request = self._files, entry.request
        self._claims.stop_listening()
        try:
            if chunks := files.plan(request, version.signature):
                self._claims.add_chunks(entry, chunks)
            scored = files.score(request, version, between_slices)
        except InvalidFile as error:
            log.warning("file_refused", extra={"job_id": request.job_id, "reason": str(error)})
            return fail_job(entry, {"code": error.code, "detail": str(error)})
        return Finished(
            entry,
            State.SUCCEEDED,
            scored.body,
            failed_rows=scored.parts.failed,
            compute_ms=scored.compute_ms,
            rows=scored.parts.rows,
        )


def fail_job(entry: Claimed, error: dict[str, str], dead_reason: str = "") -> Finished:
    """The whole job fails by this chunk: how many rows it holds is not known, so they cannot be answered one by one."""
    return Finished(entry, State.FAILED, b"", rows=0, job_error=msgspec.json.encode(error), dead_reason=dead_reason)
