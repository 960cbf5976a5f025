"""The workers' Celery tasks: answer a bell, tidy the store, export rows. They decode nothing and decide nothing."""

import logging

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from redis.exceptions import RedisError

from rhizome.blob_slices import FileFormat
from rhizome.errors import BlobStoreUnavailable
from rhizome.task_message import EXPORT_TASK, SCORE_TASK, SWEEP_TASK
from worker.lifecycle import current_process

EXPORT_LIMIT_SECONDS = 3600

log = logging.getLogger(__name__)


@shared_task(name=SCORE_TASK)
def score() -> None:
    """Scores what waits and listens for more, until its time is over or its process is wanted for another task."""
    try:
        current_process().score()
    except RedisError as error:
        # What was claimed comes back after its lease; a later bell goes on with the rest.
        log.warning("scorer_lost_redis", extra={"reason": type(error).__name__})
    except BlobStoreUnavailable:
        log.warning("scorer_lost_file_store")  # likewise
    except SoftTimeLimitExceeded:
        # The jobs come back after their lease, fewer at a time, until the one that takes too long is given up.
        log.error("scorer_out_of_time")
    except MemoryError:
        log.error("scorer_out_of_memory")  # escaping, it would end the whole worker and requeue the bell for ever


@shared_task(name=SWEEP_TASK)
def sweep() -> None:
    """Removes files that no job needs any more."""
    try:
        current_process().sweep()
    except RedisError as error:
        log.warning("sweep_lost_redis", extra={"reason": type(error).__name__})


@shared_task(
    name=EXPORT_TASK,
    acks_late=False,  # whoever still wants it asks again
    soft_time_limit=EXPORT_LIMIT_SECONDS,
    time_limit=EXPORT_LIMIT_SECONDS + 10,
)
def export(job_id: str, file_format: str) -> None:
    """Writes a job's rows as a file."""
    try:
        current_process().export(job_id, FileFormat(file_format))
    except RedisError as error:
        log.warning("export_lost_redis", extra={"job_id": job_id, "reason": type(error).__name__})
    except BlobStoreUnavailable:
        log.warning("export_lost_file_store", extra={"job_id": job_id})
    except SoftTimeLimitExceeded:
        log.error("export_out_of_time", extra={"job_id": job_id})
    except MemoryError:
        log.error("export_out_of_memory", extra={"job_id": job_id})
