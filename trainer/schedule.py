"""The schedule that Celery beat keeps: retraining by cron, and the tidying of the store of files.

Beat keeps it in memory: what it sends is idempotent, so no file has to survive it. Several beats may run; the slot of
a retraining travels in its message, and the first to claim it is the only one to ask for a run.
"""

from datetime import UTC, datetime
from typing import Any

from celery.beat import BeatLazyFunc
from celery.schedules import crontab
from redis import Redis

from rhizome import keys
from rhizome.errors import SettingsError
from rhizome.settings import Settings
from rhizome.task_message import SCHEDULED_RETRAIN_TASK, SWEEP_TASK

SWEEP_SECONDS = 30.0
#: Long enough for the duplicates of a slot to arrive, short enough to leave Redis tidy.
_SLOT_TTL_SECONDS = 7 * 24 * 3600


def build_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The `beat_schedule` of these settings.

    Raises:
        SettingsError: `RHIZOME_RETRAIN_CRON` is no cron expression.
    """
    schedule: dict[str, dict[str, Any]] = {
        "sweep": {
            "task": SWEEP_TASK,
            "schedule": SWEEP_SECONDS,
            # One that was not fetched before the next is due would only repeat it.
            "options": {"queue": keys.UPKEEP_QUEUE, "expires": SWEEP_SECONDS},
        }
    }
    if settings.retrain_cron != "off":
        schedule["retrain"] = {
            "task": SCHEDULED_RETRAIN_TASK,
            "schedule": parse_cron(settings.retrain_cron),
            "args": (BeatLazyFunc(current_slot),),
            "options": {"queue": keys.TRAINING_QUEUE},
        }
    return schedule


def parse_cron(text: str) -> crontab:
    """Five cron fields: minute, hour, day of month, month, day of week (0 is Sunday), in UTC.

    Raises:
        SettingsError: naming what is wrong.
    """
    try:
        minute, hour, day_of_month, month, day_of_week = text.split()
        return crontab(minute, hour, day_of_week, day_of_month, month)
    except Exception as error:  # Celery's parser raises its own and several built-in errors
        raise SettingsError(
            f"RHIZOME_RETRAIN_CRON: '{text[:80]}' is no cron expression ({error}); write five fields such as "
            "'0 3 * * *', or 'off'"
        ) from None


def current_slot() -> str:
    """The minute a scheduled retraining belongs to, in UTC."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%MZ")


def claim_slot(redis: Redis, slot: str) -> bool:
    """True for the first to ask for this slot."""
    return bool(redis.set(keys.retrain_slot(slot), "1", nx=True, ex=_SLOT_TTL_SECONDS))
