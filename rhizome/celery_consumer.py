"""Celery's consumer, which survives the loss of its connection to Redis.

Kombu takes a lost connection apart before its messages are acknowledged or put back, and then misses the part by which
it would do so (`AttributeError`). Celery takes that for unrecoverable and ends the worker. Here the messages are left:
they come back by the visibility timeout, and bells are rung again long before.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

log = logging.getLogger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """In the place of Celery's own (`worker_consumer`)."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Puts unanswered messages back, if that can be done."""
        _do_or_leave(super().on_connection_error_after_connected, exc)

    def call_soon_ack(self, p: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Acknowledges or rejects a message, if that can be done."""
        return super().call_soon_ack(partial(_do_or_leave, p), *args, **kwargs)


def _do_or_leave(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        act(*args, **kwargs)
    except AttributeError as error:
        log.warning("lost_connection_left", extra={"reason": str(error)})
