"""The Celery application that worker, trainer and beat share: one set of settings, chosen for Redis and no lost work.

Kept from the gateway, which writes its two kinds of message by hand (`rhizome.task_message`).
"""

import logging
import os
from typing import Any

import celery.apps.worker
from celery import Celery, signals
from celery.utils.log import get_multiprocessing_logger
from kombu.entity import Queue

from rhizome.celery_pulses import build_worker_step
from rhizome.settings import Settings
from rhizome.stray_output import log_stray_output
from rhizome.telemetry import configure_logging

#: A message held by a dead worker comes back after this; jobs do not wait for it, bells and training runs do.
VISIBILITY_TIMEOUT_SECONDS = 60


def build_celery(name: str, settings: Settings, queues: tuple[str, ...], include: tuple[str, ...]) -> Celery:
    """Builds an application that consumes `queues` and registers the tasks of the modules in `include`.

    Args:
        name: also the process name in the logs.
        settings: this deployment's.
        queues: Celery queues, in turn.
        include: modules whose import registers tasks.
    """
    app = Celery(name, broker=settings.redis_url, include=list(include))
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_queues=[Queue(queue) for queue in queues],  # type: ignore[no-untyped-call]
        task_default_queue=queues[0],
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_consumer="rhizome.celery_consumer:Consumer",
        worker_pool_restarts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=60.0,
        task_send_sent_event=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_acquire_timeout=2,
        broker_transport_options=_transport_options(settings),
        enable_utc=True,
        timezone="UTC",
        beat_max_loop_interval=5,
    )
    if settings.pulse_dir:
        app.steps["worker"].add(build_worker_step(settings.pulse_dir))
    return app


def _transport_options(settings: Settings) -> dict[str, Any]:
    return {
        # longer than any run of a scorer, or Kombu would deliver the bell of a living one again
        "visibility_timeout": max(VISIBILITY_TIMEOUT_SECONDS, int(settings.run_limit_seconds) + 30),
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 15,
        "priority_steps": [0],
        "queue_order_strategy": "round_robin",  # a scorer that ends rings for the next: others would never have a turn
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


def run_worker(app: Celery, name: str, *options: str) -> None:
    """Runs `app` as a Celery worker until it is told to stop; does not return.

    SIGTERM is Celery's warm shutdown: it announces itself before it waits, so that a long run can return early. (Its
    soft shutdown waits first and announces after.)

    Args:
        app: from `build_celery`.
        name: the first part of the node's name; the process id makes it unique on its host.
        options: further options of `celery worker`.
    """
    celery.apps.worker.safe_say = _say_nothing  # every line of a log is JSON, these would not be
    node = f"{name}-{os.getpid()}@%h"
    app.worker_main(["--quiet", "worker", "--without-gossip", "--without-mingle", "-n", node, *options])


def _say_nothing(*_: object) -> None:
    """Stands in for what Celery would write past the logs."""


def log_as_json(process: str, settings: Settings) -> None:
    """Makes Celery leave logging to us: connecting to `setup_logging` switches its own set-up off."""

    def configure(**_: object) -> None:
        configure_logging(process, settings.log_level)
        log_stray_output(process)
        # The pool's own logger has no handler and passes nothing on: its lines would be printed.
        get_multiprocessing_logger().propagate = True
        # Celery names each received and finished task at INFO, the pool each start; our own lines say more.
        for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat", "multiprocessing"):
            logging.getLogger(name).setLevel(logging.WARNING)

    signals.setup_logging.connect(configure, weak=False)
    configure()  # what Celery says before it sends that signal is JSON, too
