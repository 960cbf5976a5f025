"""Celery's consumer, which survives the loss of its connection to Redis.

Kombu closes a lost connection that it has taken apart before, and then misses the part by which it would put unanswered
messages back (`AttributeError`). Celery takes that for unrecoverable and ends the worker.
"""

import logging

from celery.worker.consumer import Consumer as CeleryConsumer

log = logging.getLogger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """In the place of Celery's own (`worker_consumer`)."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """What was not put back comes back by the visibility timeout; bells are rung again long before."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError as error:
            log.warning("lost_connection_left", extra={"reason": str(error)})
