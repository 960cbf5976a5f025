"""Wires the deliverer's Celery application. Apart from `worker.webhooks.app`, which reads the environment."""

import logging
import threading
from typing import Any

from celery import Celery, signals
from celery.worker.control import control_command
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys
from rhizome.celery_app import build_celery
from rhizome.connection import connect
from rhizome.settings import Settings
from rhizome.task_message import DELIVER_TASK
from rhizome.webhooks.outbox import Outbox
from worker.webhooks.deliverer import Deliverer
from worker.webhooks.keeper import Keeper
from worker.webhooks.sender import Sender

#: A lease outlives the attempt by this: what Redis may take to hear how it went.
LEASE_MARGIN_SECONDS = 5.0

log = logging.getLogger(__name__)


def build_deliverer(settings: Settings) -> Celery:
    """The application that consumes the deliverer's bells, in threads: it does nothing but wait for others."""
    app = build_celery("webhooks", settings, queues=(keys.WEBHOOKS_QUEUE,), include=())
    app.conf.update(worker_pool="threads", worker_concurrency=settings.webhook_concurrency)
    stopping = threading.Event()
    redis = connect(settings.redis_url, model_name=settings.model_name)
    outbox = _build_outbox(settings, redis)
    deliverer = _build_deliverer(settings, outbox, stopping)
    keeper = Keeper(redis, outbox if deliverer else None)

    @app.task(name=DELIVER_TASK)
    def deliver_webhooks() -> None:
        if deliverer is None:
            return
        try:
            deliverer.run()
        except RedisError as error:
            # What was taken comes back after its lease; the keeper rings again.
            log.warning("deliverer_lost_redis", extra={"reason": type(error).__name__})
        except Exception:
            log.exception("deliverer_failed")

    def start(**_: Any) -> None:
        if deliverer is None:
            log.warning("webhooks_switched_off", extra={"detail": "RHIZOME_WEBHOOK_SECRET is not set"})
        keeper.start()

    def stop(**_: Any) -> None:
        stopping.set()
        keeper.stop()

    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutting_down.connect(stop, weak=False)
    _ignore_reloads()
    return app


def _build_outbox(settings: Settings, redis: Redis) -> Outbox:
    lease_seconds = settings.webhook_timeout_seconds + LEASE_MARGIN_SECONDS
    return Outbox(redis, lease_seconds=lease_seconds, keep_seconds=settings.result_ttl_seconds)


def _build_deliverer(settings: Settings, outbox: Outbox, stopping: threading.Event) -> Deliverer | None:
    """None without a secret: a message that cannot be signed is not sent, and waits."""
    if not settings.webhook_keys:
        return None
    sender = Sender(settings.webhook_keys, settings.webhook_allowances, settings.webhook_timeout_seconds)
    return Deliverer(
        outbox,
        sender,
        concurrency=settings.webhook_concurrency,
        max_age_seconds=settings.webhook_max_age_seconds,
        run_seconds=settings.run_seconds,
        is_stopping=stopping.is_set,
    )


def _ignore_reloads() -> None:
    """Answers the reload command, which reaches every Celery process, though the deliverer serves no version."""

    @control_command(name="reload", args=[("version", str)], signature="VERSION")
    def reload(_state: object, version: str = "") -> dict[str, str]:
        return {"ok": f"the deliverer serves no version; {version} concerns the workers"}
