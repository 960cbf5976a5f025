"""A process's own latency histogram, handed to Redis once a second instead of once a job."""

import time
from collections import Counter
from collections.abc import Sequence

from redis import Redis

from rhizome import latency
from rhizome.job_queue.entries import Finished
from rhizome.jobs import Lane

_INTERACTIVE = Lane.INTERACTIVE  # an enum's members are looked up anew each time


class Latencies:
    """Counts submit-to-result times of interactive jobs.

    The scorer adds, the keeper thread flushes. A flushed histogram rests for one flush before it is read, so that the
    scorer, who may still hold it, has let go.
    """

    def __init__(self) -> None:
        self._current: Counter[int] = Counter()
        self._resting: Counter[int] = Counter()

    def add(self, finished: Sequence[Finished]) -> None:
        """Counts every interactive job in `finished`.

        Called when the scorer knows that they are written: under a backlog, one micro-batch later.
        """
        now_ms = time.time() * 1000
        current = self._current
        for item in finished:
            if item.claimed.lane is _INTERACTIVE:
                current[latency.bin_of(now_ms - item.claimed.submitted_ms)] += 1

    def flush(self, redis: Redis) -> None:
        """Sends what has rested since the last flush."""
        ready, self._resting, self._current = self._resting, self._current, Counter()
        if ready:
            latency.record(redis, ready)
