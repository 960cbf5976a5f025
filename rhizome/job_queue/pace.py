"""How fast the queue drains, as the workers measure it: the ground of every estimate and of admission by deadline.

Each worker process says in its heartbeat what a micro-batch and a chunk cost it; the gateway looks once a second.
"""

import threading
import time
from typing import NamedTuple

from redis import Redis

from rhizome import heartbeats

REFRESH_SECONDS = 1.0


class Pace(NamedTuple):
    """What all scorers together need.

    Attributes:
        single_ms: from the claim to the result of a job that nothing waits before.
        entry_ms: for each interactive entry of a backlog, in full micro-batches.
        chunk_ms: for a batch chunk with nothing before it; its share of a backlog is this by `scorers`.
        scorers: worker processes that serve.
    """

    single_ms: float
    entry_ms: float
    chunk_ms: float
    scorers: int


class PaceReader:
    """The pace as one gateway process knows it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pace: Pace | None = None
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def pace(self) -> Pace | None:
        """None while no serving worker has measured anything: then there is no estimate.

        Raises:
            redis.RedisError: Redis did not answer.
        """
        if time.monotonic() - self._read_at > REFRESH_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._read_at = time.monotonic()
                self._pace = read_pace(self._redis)
            finally:
                self._lock.release()
        return self._pace


def read_pace(redis: Redis) -> Pace | None:
    """The mean of what the serving workers have measured, by how many they are."""
    workers = [beat for beat in heartbeats.living(redis) if beat.role == "worker" and beat.version]
    singles = [beat for beat in workers if beat.single_ms]
    if not singles:
        return None
    chunks = [beat.chunk_ms for beat in workers if beat.chunk_ms]
    single_ms = sum(beat.single_ms for beat in singles) / len(singles)
    entry_ms = sum(beat.entry_ms for beat in singles) / len(singles)
    chunk_ms = sum(chunks) / len(chunks) if chunks else single_ms
    return Pace(single_ms, entry_ms / len(workers), chunk_ms, len(workers))
