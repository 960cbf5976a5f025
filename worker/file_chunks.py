"""A chunk of a file among the other entries of the queue: what becomes of it, as the queue wants to be told."""

import logging
from typing import TYPE_CHECKING

import msgspec

from rhizome.blob_slices import encode_parts
from rhizome.blob_store import BlobStore
from rhizome.errors import RhizomeError
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import State
from rhizome.settings import Settings
from worker.shelf import LoadedVersion

if TYPE_CHECKING:
    from worker.files.scoring import FileScoring
    from worker.quarantine import Suspects

log = logging.getLogger(__name__)


class InvalidFile(RhizomeError):
    """The file as a whole cannot be scored; the message says why, and what to do."""

    code = "invalid_file"


class MissingFile(InvalidFile):
    """The file is not in the store, as this process sees it."""


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

    def score(self, entry: Claimed, version: LoadedVersion, suspects: "Suspects") -> Finished:
        """Scores one chunk and stores its answers; a file that cannot be scored as a whole fails its job.

        Raises:
            BlobStoreUnavailable: the store cannot be used now.
            MissingFile: the file is not in the store, as this process sees it.
        """
        request = entry.request
        self._store.check_room()  # before rows are scored whose answers could not be written
        files = self._files = self._files or self._begin()
        try:
            if chunks := files.plan(request, version.signature):
                self._claims.add_chunks(entry, chunks)
            scored = files.score(request, version, suspects)
        except MissingFile:
            raise
        except InvalidFile as error:
            return refuse_file(entry, error)
        parts = scored.parts
        return Finished(
            entry,
            State.SUCCEEDED,
            encode_parts(parts),
            failed_rows=parts.failed,
            compute_ms=scored.compute_ms,
            rows=parts.rows,
        )

    def _begin(self) -> "FileScoring":
        # The interactive lane has no files, and its processes no pyarrow. Those of the batch lane have imported it.
        from worker.files.scoring import FileScoring  # noqa: PLC0415

        settings = self._settings
        return FileScoring(self._store, settings.max_upload_bytes, settings.file_chunk_bytes, settings.max_file_rows)


def fail_job(entry: Claimed, error: dict[str, str], dead_reason: str = "") -> Finished:
    """The whole job fails by this chunk: how many rows it holds is not known, so they cannot be answered one by one."""
    return Finished(entry, State.FAILED, b"", rows=0, job_error=msgspec.json.encode(error), dead_reason=dead_reason)


def refuse_file(entry: Claimed, error: InvalidFile) -> Finished:
    """The job fails by what its file is, or is not."""
    log.warning("file_refused", extra={"job_id": entry.request.job_id, "reason": str(error)})
    return fail_job(entry, {"code": error.code, "detail": str(error)})
