"""Handing results in and taking what comes next; under a backlog while the scorer is at work already.

Apart from the scorer, because what is under way between the two is a matter of its own.
"""

import time
from collections.abc import Callable, Sequence

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome.connection import says_cannot_write
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Encoding, Lane
from rhizome.settings import Settings
from worker.pace import WorkPace

RETRY_SECONDS = 0.2
#: What is claimed ahead waits until what was claimed before is scored. A micro-batch may take so long: another scorer
#: might be free sooner. A chunk less: single jobs may be among what is claimed meanwhile, and wait for its end.
MICRO_BATCH_AHEAD_MS, CHUNK_AHEAD_MS = 50.0, 20.0


class Finishing:
    """Writes results and claims, one call for both.

    Where a full micro-batch or the chunk of a batch was claimed, more is likely to wait. Then the next claim is sent
    before the scoring begins, and each call after it is answered while the next entries are scored, so that Redis and
    its disk work at the same time as the estimator. What comes back empty, or small, ends that.

    Args:
        claims: this process's hold on the queue.
        record: is told what was written.
        settings: bounds and times.
        is_stopping: tells that the worker shuts down.
        pace: what scoring costs.
    """

    def __init__(
        self,
        claims: Claims,
        record: Callable[[Sequence[Finished]], None],
        settings: Settings,
        is_stopping: Callable[[], bool],
        pace: WorkPace,
    ) -> None:
        self._claims = claims
        self._record = record
        self._settings = settings
        self._is_stopping = is_stopping
        self._pace = pace
        self._sent: Sequence[Finished] | None = None  #: with the call that is under way; None where none is
        self.waited_seconds = 0.0  #: for a Redis that was away, since this process began

    def expect_more(self, claimed: Sequence[Claimed]) -> None:
        """Claims ahead, where `claimed` is what is scored next and more is likely to wait behind it."""
        if self._sent is None and self._is_backlog(claimed):
            try:
                self._claims.send_claim()
            except (RedisConnectionError, RedisTimeoutError):
                return  # whoever calls next learns of it
            self._sent = ()

    def finish(self, finished: Sequence[Finished], *, claim_next: bool) -> list[Claimed]:
        """Writes results; returns what is to be scored next, which may have been claimed by the call before."""
        if not claim_next or self._sent is None:
            return self.finish_now(finished, claim_next=claim_next)
        following = self.collect()
        if self._is_backlog(following) and self._send(finished):
            return following
        return following + self.finish_now(finished, claim_next=not following)

    def collect(self) -> list[Claimed]:
        """What the call under way has claimed, once its results are written; nothing where none is."""
        sent, self._sent = self._sent, None
        if sent is None:
            return []
        try:
            following = self._claims.receive(sent)
        except (RedisConnectionError, RedisTimeoutError, ResponseError):
            return self.finish_now(sent, claim_next=False) if sent else []
        if sent:
            self._record(sent)
        return following

    def drop(self) -> None:
        """Of a run that is broken off: what is under way comes back after its lease."""
        self._sent = None
        self._claims.drop()

    def finish_now(self, finished: Sequence[Finished], *, claim_next: bool) -> list[Claimed]:
        """Writes results, across a short absence of Redis: they are computed, and writing twice changes nothing."""
        deadline = time.monotonic() + self._settings.lease_seconds
        while True:
            tried = time.monotonic()
            try:
                following = self._claims.finish(finished, claim_next=claim_next)
                break
            except (RedisConnectionError, RedisTimeoutError):
                if time.monotonic() > deadline:
                    raise
            except ResponseError as error:
                # A Redis that is full or may not write: the lease is renewed meanwhile, and no delivery is counted.
                if not says_cannot_write(error) or self._is_stopping():
                    raise
            time.sleep(RETRY_SECONDS)
            self.waited_seconds += time.monotonic() - tried
        self._record(finished)
        return following

    def _send(self, finished: Sequence[Finished]) -> bool:
        try:
            self._claims.send_finish(finished)
        except (RedisConnectionError, RedisTimeoutError):
            return False
        self._sent = finished
        return True

    def _is_backlog(self, claimed: Sequence[Claimed]) -> bool:
        """Whether more is likely to wait behind `claimed`, and it is scored soon enough for that to be claimed now."""
        if len(claimed) >= self._settings.micro_batch_rows:
            return 0 < self._pace.entry_ms * self._settings.micro_batch_rows < MICRO_BATCH_AHEAD_MS
        is_chunk = any(entry.lane is Lane.BATCH and entry.request.encoding != Encoding.BLOB for entry in claimed)
        return is_chunk and 0 < self._pace.chunk_ms < CHUNK_AHEAD_MS
