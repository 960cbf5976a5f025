"""What the trainer's resident process does beside waiting for tasks: it says that it lives, and keeps the journal.

The journal is looked after here too, as a worker may roll a failing champion back, and only the trainer writes below
`models/`. And a run that waits is let begin where the one before it died for good. A thread of the main process, which
stays free while a child trains.
"""

import logging
import os
import socket
import threading
import time
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError

from rhizome.connection import connect
from rhizome.errors import RhizomeError
from rhizome.heartbeats import BEAT_SECONDS, Heartbeat, beat, withdraw
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.training_runs import relieve_run
from rhizome.version_store import VersionStore
from trainer.journal import update_journal
from trainer.recovery import adopt

logger = logging.getLogger(__name__)

JOURNAL_SECONDS = 10.0


class Upkeep:
    """Adopts the versions on disk, then beats and keeps the journal until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._started_at = time.time()

    def start(self) -> None:
        """Returns at once; the work is done in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and withdraws the heartbeat."""
        self._done.set()
        self._thread.join(timeout=BEAT_SECONDS * 3)

    def _run(self) -> None:
        redis = connect(self._settings.redis_url, model_name=self._settings.model_name)
        registry = Registry(redis, self._settings.model_name)
        is_adopted, journal_due = False, 0.0
        while not self._done.is_set():
            try:
                if not is_adopted:
                    adopt(self._settings, registry)
                    is_adopted = True
                beat(redis, self._heartbeat())
                if time.monotonic() >= journal_due:
                    journal_due = time.monotonic() + JOURNAL_SECONDS
                    self._keep_journal(registry)
                    if relieve_run(redis, datetime.now(UTC)):
                        logger.warning("training_run_relieved")
            except (RedisError, RhizomeError, OSError) as error:
                logger.warning("upkeep_failed", extra={"detail": f"{type(error).__name__}: {error}"})
            self._done.wait(BEAT_SECONDS)
        self._withdraw(redis)

    def _keep_journal(self, registry: Registry) -> None:
        if registry.champion() is None:  # nothing promoted yet, or Redis lost its data while we run
            adopt(self._settings, registry)
        else:
            update_journal(VersionStore(self._settings.models_dir, self._settings.model_name), registry)

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            role="trainer",
            host=socket.gethostname(),
            pid=os.getpid(),
            state="serving",
            at=time.time(),
            started_at=self._started_at,
        )

    def _withdraw(self, redis: Redis) -> None:
        try:
            withdraw(redis, self._heartbeat())
        except RedisError:
            logger.debug("heartbeat_not_withdrawn")
        redis.close()
