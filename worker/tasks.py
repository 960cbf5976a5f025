"""The worker's two Celery tasks: answer a bell, heal the queue. They decode nothing and decide nothing."""

import logging

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from redis.exceptions import RedisError

from rhizome.errors import BlobStoreUnavailable
from rhizome.task_message import MAINTAIN_TASK, SCORE_TASK
from worker.lifecycle import current_process

log = logging.getLogger(__name__)


@shared_task(name=SCORE_TASK)
def score() -> None:
    """Scores what waits, until nothing does or its time is over."""
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


@shared_task(name=MAINTAIN_TASK)
def maintain() -> None:
    """Rings for work that a crash left behind."""
    try:
        rang, forgotten = current_process().maintain()
    except RedisError as error:
        log.warning("upkeep_lost_redis", extra={"reason": type(error).__name__})
        return
    if rang or forgotten:
        log.info("queue_healed", extra={"rang": rang, "consumers_forgotten": forgotten})
