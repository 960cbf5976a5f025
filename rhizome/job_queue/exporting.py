"""Asking a worker for a file of a job's rows: one at a time, however many ask."""

from redis import Redis

from rhizome import keys
from rhizome.task_message import EXPORT_TASK, build_task_message

#: A request is answered, or its worker says that it still works on it, within this; else it may be made again.
CLAIM_SECONDS = 30


def request_export(redis: Redis, job_id: str) -> None:
    """Has a worker make the file, unless one has been asked already."""
    if redis.set(keys.export(job_id), "1", nx=True, ex=CLAIM_SECONDS):
        redis.lpush(keys.EXPORT_QUEUE, build_task_message(EXPORT_TASK, keys.EXPORT_QUEUE, [job_id]))


def renew_export(redis: Redis, job_id: str) -> None:
    """The file is still being made."""
    redis.expire(keys.export(job_id), CLAIM_SECONDS)


def end_export(redis: Redis, job_id: str) -> None:
    """The file is there, or will not be: whoever waits for it looks."""
    redis.delete(keys.export(job_id))
    redis.publish(keys.FINISHED, job_id)
