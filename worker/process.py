"""One worker process: wires connection, shelf, scorer and keeper after the fork."""

import logging
import os
import socket
import time
import uuid
from contextlib import suppress

from redis.exceptions import RedisError

from rhizome import heartbeats
from rhizome.blob_slices import FileFormat
from rhizome.blob_store import open_store
from rhizome.connection import connect
from rhizome.errors import BlobStoreUnavailable
from rhizome.job_queue.claiming import Claims
from rhizome.jobs import Lane
from rhizome.pulse import Pulse
from rhizome.registry import Registry
from rhizome.settings import Settings
from worker.export import Exports
from worker.file_chunks import FileChunks
from worker.flags import Flags
from worker.keeper import Keeper
from worker.latencies import Latencies
from worker.pace import WorkPace
from worker.quarantine import note_ending
from worker.scorer import Scorer
from worker.scoring import Scoring
from worker.shelf import Shelf
from worker.sweeping import Sweeper

PULSE_ROLE = "child"
HAND_ON_SECONDS = 0.25
PATIENCE_SECONDS = 30.0  #: the keeper loads versions, and a large one takes its time

log = logging.getLogger(__name__)


class WorkerProcess:
    """Everything one prefork child owns.

    Args:
        settings: this deployment's.
        shelf: empty; its seat is this child's.
        flags: shared with the main process.
        lane: which lane it serves.
    """

    def __init__(self, settings: Settings, shelf: Shelf, flags: Flags, lane: Lane) -> None:
        self._redis = redis = connect(settings.redis_url, model_name=settings.model_name)
        # A pid alone comes back in the next container; what never comes back must name the consumer.
        self._consumer = consumer = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        claims = Claims(redis, settings, consumer, lane)
        latencies = Latencies()
        self._shelf = shelf
        self._claims = claims
        store = open_store(settings.blob_location, settings.blob_endpoint, settings.blob_min_free_bytes)
        files = FileChunks(store, claims, settings)
        pace = WorkPace(settings.micro_batch_rows)
        scoring = Scoring(shelf, claims, latencies, files)
        self._scorer = Scorer(claims, scoring, settings, lambda: flags.is_stopping, pace)
        self._exports = Exports(redis, store, shelf)
        self._sweeper = Sweeper(redis, store)
        self._keeper = Keeper(
            redis,
            Registry(redis, settings.model_name),
            shelf,
            claims,
            latencies,
            pace,
            flags,
            lambda: self._scorer.busy_since,
            settings.lease_seconds,
            Pulse(settings.pulse_dir, PULSE_ROLE, PATIENCE_SECONDS),
        )

    def start(self, predecessor_ended: str = "") -> None:
        """Loads the champion, reports for duty, and rings: something may have been left waiting.

        Args:
            predecessor_ended: how the last process on this seat did.
        """
        seat = self._shelf.seat
        ending = seat.take(predecessor_ended, self._consumer)
        with suppress(RedisError):
            if ending:
                note_ending(self._claims, ending)
            if seat.predecessor:
                self._claims.release(seat.predecessor)
                host, pid, _ = seat.predecessor.rsplit(":", 2)
                heartbeats.forget(self._redis, "worker", host, pid)
        self._keeper.start()
        with suppress(RedisError):
            self._claims.maintain()
            self._claims.wake()

    def stop(self) -> None:
        """Withdraws the heartbeat."""
        self._keeper.stop()

    def score(self) -> None:
        """Answers one bell; without a champion nothing is claimed, and the bell is handed on."""
        self._keeper.runs += 1
        if self._shelf.champion is not None:
            self._scorer.run()
            return
        time.sleep(HAND_ON_SECONDS)  # another process may be busy at the moment, and this one the only one to answer
        self._claims.answer_bell()
        self._claims.leave(ring=True)

    def export(self, job_id: str, form: FileFormat) -> None:
        """Writes a job's rows as a file of that form; see `Exports`."""
        self._exports.export(job_id, form)

    def sweep(self) -> None:
        """Tidies the store of files; see `Sweeper`."""
        try:
            self._sweeper.sweep_if_due()
        except BlobStoreUnavailable:
            log.warning("file_store_unavailable")
