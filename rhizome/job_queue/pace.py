"""How fast the queue drains, as the workers measure it: the ground of every estimate and of admission by deadline.

Each worker process says in its heartbeat what a micro-batch and a chunk cost it; the gateway looks once a second.
"""

import threading
import time
from typing import NamedTuple

from redis import Redis

from rhizome import heartbeats
from rhizome.jobs import Lane

REFRESH_SECONDS = 1.0
#: Without a micro-batch for so long, the next job is let in to measure anew. Longer than heartbeats take to tell.
FRESH_SECONDS = 5.0
UNKNOWN_COSTS = (-1.0, 0.0, False)  #: from which `submit.lua` estimates nothing


class Pace(NamedTuple):
    """What the scorers need, on average, and how many they are.

    Attributes:
        single_ms: from the claim to the result of a job that nothing waits before.
        entry_ms: for each interactive entry of a backlog, in full micro-batches.
        chunk_ms: for a batch chunk as they come; 0 while none was scored.
        chunk_call_ms, row_ms: for a chunk whatever it holds, and for each of its rows.
        scorers: worker processes that serve the interactive lane.
        batch_scorers: those that serve the batch lane.
        fresh_lanes: measured lately. Only there are jobs refused by it: a refused job measures nothing, so one bad
            measurement would otherwise stand for ever, or for as long as the other lane is busy.
    """

    single_ms: float
    entry_ms: float
    chunk_ms: float
    chunk_call_ms: float
    row_ms: float
    scorers: int
    batch_scorers: int
    fresh_lanes: frozenset[Lane]

    def costs_of(self, lane: Lane, entries: int, rows: int) -> tuple[float, float, bool]:
        """For `submit.lua`: the job by itself and each entry before it (ms); whether a deadline is refused by them."""
        is_fresh = lane in self.fresh_lanes
        if lane is Lane.INTERACTIVE:
            return (self.single_ms, self.entry_ms / self.scorers, is_fresh) if self.single_ms else UNKNOWN_COSTS
        if not self.chunk_ms:
            return UNKNOWN_COSTS
        own_ms = entries * self.chunk_call_ms + rows * self.row_ms
        return own_ms / min(entries, self.batch_scorers), self.chunk_ms / self.batch_scorers, is_fresh


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
    """The mean of what the serving workers have measured."""
    workers = [beat for beat in heartbeats.living(redis) if beat.role == "worker" and beat.version]
    singles = [beat for beat in workers if beat.single_ms and beat.lane == Lane.INTERACTIVE]
    chunks = [beat for beat in workers if beat.chunk_ms and beat.lane == Lane.BATCH]
    if not singles and not chunks:
        return None
    return Pace(
        single_ms=_mean([beat.single_ms for beat in singles]),
        entry_ms=_mean([beat.entry_ms for beat in singles]),
        chunk_ms=_mean([beat.chunk_ms for beat in chunks]),
        chunk_call_ms=_mean([beat.chunk_call_ms for beat in chunks]),
        row_ms=_mean([beat.row_ms for beat in chunks]),
        scorers=sum(beat.lane == Lane.INTERACTIVE for beat in workers),
        batch_scorers=sum(beat.lane == Lane.BATCH for beat in workers),
        fresh_lanes=frozenset(
            Lane(beat.lane) for beat in singles + chunks if beat.seconds_since(beat.measured_at) < FRESH_SECONDS
        ),
    )


def _mean(figures: list[float]) -> float:
    return sum(figures) / len(figures) if figures else 0.0
