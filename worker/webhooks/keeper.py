"""The deliverer's keeper: a thread that says that it lives, and rings for what has become due."""

import logging
import os
import socket
import threading
import time

from redis import Redis
from redis.exceptions import RedisError

from rhizome.heartbeats import BEAT_SECONDS, Heartbeat, beat, withdraw
from rhizome.webhooks.outbox import Outbox

ROLE = "webhooks"

log = logging.getLogger(__name__)


class Keeper:
    """Runs until stopped; every failure is logged and survived, since nobody would miss a dead thread.

    Args:
        redis: a client.
        outbox: looked at once a second; None where nothing can be sent, because nothing could be signed.
    """

    def __init__(self, redis: Redis, outbox: Outbox | None) -> None:
        self._redis = redis
        self._outbox = outbox
        self._started_at = time.time()
        self._is_away = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and withdraws the heartbeat."""
        self._stopped.set()
        self._thread.join(timeout=BEAT_SECONDS)
        try:
            withdraw(self._redis, self._heartbeat())
        except RedisError:
            log.debug("heartbeat_not_withdrawn")

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                beat(self._redis, self._heartbeat())
                if self._outbox is not None:
                    self._outbox.wake()
                self._is_away = False
            except RedisError as error:
                if not self._is_away:
                    log.warning("redis_unreachable", extra={"reason": type(error).__name__})
                self._is_away = True
            except Exception:
                log.exception("keeper_failed")
            self._stopped.wait(BEAT_SECONDS)

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            role=ROLE,
            host=socket.gethostname(),
            pid=os.getpid(),
            state="serving" if self._outbox is not None else "waiting",
            at=time.time(),
            started_at=self._started_at,
        )
