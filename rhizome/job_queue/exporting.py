"""Asking a worker for a file of a job's rows: one at a time of each form, however many ask."""

from redis import Redis

from rhizome import keys
from rhizome.blob_slices import FileFormat
from rhizome.errors import RowsIncomplete
from rhizome.task_message import EXPORT_TASK, build_task_message

#: A request is answered, or its worker says that it still works on it, within this; else it may be made again.
CLAIM_SECONDS = 30
FAILURE_SECONDS = 60  #: a file that could not be made is not tried again for so long
_UNDER_WAY, _FAILED = b"1", b"failed"


def request_export(redis: Redis, job_id: str, form: FileFormat) -> None:
    """Has a worker make the file, unless one has been asked already.

    Raises:
        RowsIncomplete: a worker tried a short while ago, and it cannot be made.
    """
    if redis.set(keys.export(job_id, form), _UNDER_WAY, nx=True, ex=CLAIM_SECONDS):
        redis.lpush(keys.EXPORT_QUEUE, build_task_message(EXPORT_TASK, keys.EXPORT_QUEUE, [job_id, form.value]))
    elif redis.get(keys.export(job_id, form)) == _FAILED:
        raise RowsIncomplete(f"these rows cannot be written as {form}; ask for them in another form")


def renew_export(redis: Redis, job_id: str, form: FileFormat) -> None:
    """The file is still being made."""
    redis.expire(keys.export(job_id, form), CLAIM_SECONDS)


def end_export(redis: Redis, job_id: str, form: FileFormat) -> None:
    """The file is there: whoever waits for it looks."""
    redis.delete(keys.export(job_id, form))
    redis.publish(keys.FINISHED, job_id)


def fail_export(redis: Redis, job_id: str, form: FileFormat) -> None:
    """The file cannot be made: whoever waits for it is told."""
    redis.set(keys.export(job_id, form), _FAILED, ex=FAILURE_SECONDS)
    redis.publish(keys.FINISHED, job_id)
