"""What becomes of entries that are not scored: their errors, and how they are written."""

import logging
import time

from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Encoding, State
from worker.file_chunks import fail_job
from worker.outcomes import SingleDocuments, error_of, failed_chunk
from worker.quarantine import CODE as QUARANTINED

GAVE_UP = error_of("gave_up", "given up: every worker that took this job ended before it was answered; submit it again")
VERSION_UNAVAILABLE = error_of(
    "version_unavailable", "the version this job needs cannot be loaded any more; submit it again"
)
OUT_OF_MEMORY = error_of(
    "out_of_memory", "scoring it takes more memory than RHIZOME_BATCH_MEMORY_BYTES allows; send smaller parts"
)
UNSOUND = error_of(
    "estimator_unsound",
    "no worker's estimator could answer, not even what it had answered before; look at /health, and submit it again",
)
BROKEN_PAYLOAD = error_of("unreadable_payload", "the job's rows could not be read back; submit it again")

log = logging.getLogger(__name__)


def fail_single(entry: Claimed, error: dict[str, str], started_ms: float) -> Finished:
    """The failed result of a single job that was not scored."""
    state, body = SingleDocuments(None, started_ms, compute_ms=0.0).write(entry, {"error": error})
    return Finished(entry, state, body, failed_rows=1)


def fail_chunk(entry: Claimed, error: dict[str, str], dead_reason: str = "") -> Finished:
    """That of a chunk; the whole job fails by a file's, whose rows are not known."""
    if entry.request.encoding == Encoding.BLOB:
        return fail_job(entry, error, dead_reason)
    rows = entry.request.rows
    body = failed_chunk(rows, error)
    return Finished(entry, State.FAILED, body, failed_rows=rows, dead_reason=dead_reason)


def give_up(entry: Claimed) -> Finished:
    """The failed result of an entry that was delivered too often."""
    log.error("job_given_up", extra={"job_id": entry.request.job_id, "deliveries": entry.deliveries - 1})
    return _fail(entry, GAVE_UP, "too many deliveries")


def run_out_of_memory(entry: Claimed) -> Finished:
    """That of a chunk that took more memory than there is, twice."""
    log.error("chunk_out_of_memory", extra={"job_id": entry.request.job_id})
    return fail_chunk(entry, OUT_OF_MEMORY)


def quarantine(entry: Claimed, reason: str) -> Finished:
    """That of an entry that has ended the processes that scored it alone."""
    log.error("job_quarantined", extra={"job_id": entry.request.job_id, "reason": reason})
    return _fail(entry, error_of(QUARANTINED, reason), reason)


def _fail(entry: Claimed, error: dict[str, str], dead_reason: str) -> Finished:
    if entry.request.kind != "single":
        return fail_chunk(entry, error, dead_reason)
    return fail_single(entry, error, time.time() * 1000)._replace(dead_reason=dead_reason)
