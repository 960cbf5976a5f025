"""The trainer's Celery tasks: each decodes its message, delegates, and lets no exception escape.

An escaping MemoryError would end Celery's process, and any other would only repeat what the log has said.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from celery import Celery
from celery.worker.control import control_command
from redis import Redis

from rhizome.connection import connect
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.task_message import ANNOUNCE_TASK, RETRAIN_TASK, SCHEDULED_RETRAIN_TASK
from rhizome.training_runs import request_run
from rhizome.version_store import VersionStore
from trainer.promotion import RELOAD_COMMAND, Promoter, broadcast_through
from trainer.run import Wishes, execute_run
from trainer.schedule import claim_slot

logger = logging.getLogger(__name__)

#: Between the exception that lets a run end in order and the signal that kills it.
GRACE_SECONDS = 60
#: Of the tasks that only move a pointer.
SHORT_TIME_LIMIT_SECONDS = 60


def register_tasks(app: Celery, settings: Settings) -> None:
    """Gives `app` the trainer's tasks, bound to these settings."""
    limit = settings.training_time_limit_seconds

    @app.task(name=RETRAIN_TASK, soft_time_limit=limit, time_limit=limit + GRACE_SECONDS)
    def retrain(run_id: str, reason: str) -> None:
        with _task(RETRAIN_TASK, settings) as redis:
            execute_run(settings, redis, broadcast_through(app), run_id, reason, Wishes())

    @app.task(name=SCHEDULED_RETRAIN_TASK, time_limit=SHORT_TIME_LIMIT_SECONDS)
    def scheduled_retrain(slot: str) -> None:
        with _task(SCHEDULED_RETRAIN_TASK, settings) as redis:
            if claim_slot(redis, slot):
                run_id, created = request_run(redis, "schedule", datetime.now(UTC))
                logger.info("retrain_scheduled", extra={"slot": slot, "run_id": run_id, "is_new": created})

    @app.task(name=ANNOUNCE_TASK, time_limit=SHORT_TIME_LIMIT_SECONDS)
    def announce() -> None:
        with _task(ANNOUNCE_TASK, settings) as redis:
            _promoter(app, settings, redis).announce_champion()


def ignore_reloads() -> None:
    """Answers the reload command, which reaches every Celery process, though the trainer serves no version."""

    @control_command(name=RELOAD_COMMAND)
    def reload(_state: object, version: str = "") -> dict[str, str]:
        return {"ok": f"the trainer serves no version; {version} concerns the workers"}


def _promoter(app: Celery, settings: Settings, redis: Redis) -> Promoter:
    store = VersionStore(settings.models_dir, settings.model_name)
    return Promoter(Registry(redis, settings.model_name), store, broadcast_through(app))


@contextmanager
def _task(name: str, settings: Settings) -> Iterator[Redis]:
    redis = connect(settings.redis_url, model_name=settings.model_name)
    try:
        yield redis
    except Exception as error:
        logger.exception("task_failed", extra={"task": name, "detail": f"{type(error).__name__}: {error}"})
    finally:
        redis.close()
