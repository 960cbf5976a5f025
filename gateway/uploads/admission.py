"""What can be told before a file is read: whether it can become a job, and whether the request may be one already."""

from typing import NamedTuple

from flask import request

from gateway.answer_choice import check_choice
from gateway.champion import Known
from gateway.options import JobOptions
from gateway.requests import read_idempotency
from gateway.service import Service
from gateway.submitting import find_pinned
from gateway.webhook_targets import webhook_record
from rhizome import keys
from rhizome.errors import LaneFull, QueueUnavailable, RhizomeError, StorageFull
from rhizome.job_queue.submission import HIGH_WATER
from rhizome.jobs import Lane


class Admission(NamedTuple):
    """What was found before a file is read.

    Attributes:
        known: the version that its columns must fit; None where it is refused already.
        refusal: why it can become no job.
        may_be_repeated: a job stands under the request's Idempotency-Key, of this request or of another one. Which of
            them, only the file's fingerprint tells, so even a refused file must then be read to its end.
    """

    known: Known | None
    refusal: RhizomeError | None
    may_be_repeated: bool


def admit(here: Service, options: JobOptions) -> Admission:
    """Whether the file of the present request may come in, with these options of its query string.

    The submit looks at most of it once more: until then, much may happen.

    Raises:
        InvalidRequest: the version is not known, cannot give what is wanted, or the webhook's URL is unusable.
        NoChampion: nothing has been promoted yet.
        WebhooksSwitchedOff, WebhooksFull: there can be no webhook, or none now.
        LaneFull, StorageFull, BlobStoreFull, BlobStoreUnavailable: there is no room for the job, or none for the file.
        QueueUnavailable: Redis did not answer.
    """
    may_be_repeated = _may_be_repeated(here)
    try:
        known = _find_version(here, options)
        webhook_record(here, options)
        _check_room(here)
    except QueueUnavailable:
        raise
    except RhizomeError as error:
        if not may_be_repeated:
            raise
        return Admission(None, error, may_be_repeated)
    return Admission(known, None, may_be_repeated)


def _may_be_repeated(here: Service) -> bool:
    idempotency = read_idempotency(b"")
    return idempotency is not None and bool(here.redis.exists(keys.idempotency(idempotency.key)))


def _find_version(here: Service, options: JobOptions) -> Known:
    known = find_pinned(here, options.version) if options.version else here.champion.champion()
    check_choice(known.manifest.signature, options.returns, options.top_k)
    return known


def _check_room(here: Service) -> None:
    """There is room for one more batch job, and for its file."""
    waiting = here.submissions.depths()[Lane.BATCH].waiting
    if waiting >= here.settings.max_waiting_batch:
        raise LaneFull(Lane.BATCH, waiting)
    if here.submissions.memory_fraction() > HIGH_WATER:
        raise StorageFull("Redis's memory is almost full; files are accepted again when results have expired")
    here.blobs.check_room(request.content_length or 0)
