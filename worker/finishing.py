"""Handing results in and taking what comes next; under a backlog while the scorer is at work already.

Apart from the scorer, because what is under way between the two is a matter of its own.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

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
#: What is claimed ahead waits until what was claimed before is scored, which may take so long: another scorer might be
#: free sooner.
MICRO_BATCH_AHEAD_MS, CHUNK_AHEAD_MS = 50.0, 20.0


class _UnderWay(NamedTuple):
    """A call whose answer was not read yet: the results that it writes, and when it was sent (monotonic seconds)."""

    finished: Sequence[Finished]
    sent_at: float


class Finishing:
    """Writes results and claims, one call for both.

    Where a full micro-batch or the chunk of a batch was claimed, more is likely to wait. Then the next claim is sent
    before the scoring begins, and each call after it is answered while the next entries are scored, so that Redis and
    its disk work at the same time as the estimator. What comes back empty, or small, ends that.

    Args:
        claims: this process's hold on the queue.
        record: is told what was written.
        doubt: called where an answer did not come: Redis may have lost what it was told lately.
        settings: bounds and times.
        is_stopping: tells that the worker shuts down.
        pace: what scoring costs.
    """

    def __init__(
        self,
        claims: Claims,
        record: Callable[[Sequence[Finished]], None],
        doubt: Callable[[], None],
        settings: Settings,
        is_stopping: Callable[[], bool],
        pace: WorkPace,
    ) -> None:
        self._claims = claims
        self._record = record
        self._doubt = doubt
        self._settings = settings
        self._is_stopping = is_stopping
        self._pace = pace
        self._under_way: _UnderWay | None = None
        self.waited_seconds = 0.0  #: for a Redis that was away, since this process began

    @property
    def held_since(self) -> float | None:
        """Since when a call is under way (monotonic seconds), with results that are not known to be written."""
        return self._under_way.sent_at if self._under_way else None

    def expect_more(self, claimed: Sequence[Claimed]) -> None:
        """Claims ahead, where `claimed` is what is scored next and more is likely to wait behind it."""
        if self._under_way is None and self._is_backlog(claimed):
            with suppress(RedisConnectionError, RedisTimeoutError):  # whoever calls next learns of it
                self._claims.send_claim()
                self._under_way = _UnderWay((), time.monotonic())

    def finish(self, finished: Sequence[Finished], *, claim_next: bool) -> list[Claimed]:
        """Writes results; returns what is to be scored next, which may have been claimed by the call before."""
        if not claim_next or self._under_way is None:
            return self.finish_now(finished, claim_next=claim_next)
        following = self.collect()
        if self._is_backlog(following) and self._send(finished):
            return following
        return following + self.finish_now(finished, claim_next=not following)

    def collect(self) -> list[Claimed]:
        """What was claimed ahead, once the results that were sent with it are written; nothing where nothing was."""
        return self._receive(self._under_way) if self._under_way else []

    def settle(self) -> None:
        """Of a run that is broken off: writes the results that are under way, and lets go of what was claimed ahead.

        Raises:
            redis.RedisError: Redis stayed away for a lease; what is left comes back after that.
        """
        if ahead := self.collect():
            self._claims.give_back(ahead)

    def drop(self) -> None:
        """Forgets what is under way, if anything is: it comes back after its lease."""
        self._under_way = None
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
            self._doubt()
            self.waited_seconds += time.monotonic() - tried
        self._record(finished)
        return following

    def _send(self, finished: Sequence[Finished]) -> bool:
        try:
            self._claims.send_finish(finished)
        except (RedisConnectionError, RedisTimeoutError):
            return False
        self._under_way = _UnderWay(finished, time.monotonic())
        return True

    def _receive(self, sent: _UnderWay) -> list[Claimed]:
        try:
            following = self._claims.receive(sent.finished)
        except (RedisConnectionError, RedisTimeoutError, ResponseError):
            self._doubt()
            if sent.finished:
                self.finish_now(sent.finished, claim_next=False)
            following = []
        else:
            if sent.finished:
                self._record(sent.finished)
        self._under_way = None
        if following and time.monotonic() - sent.sent_at > self._settings.lease_seconds / 3:
            self._claims.renew()  # nobody has renewed it so far
        return following

    def _is_backlog(self, claimed: Sequence[Claimed]) -> bool:
        """Whether more is likely to wait behind `claimed`, and it is scored soon enough for that to be claimed now."""
        if any(entry.lane is Lane.BATCH for entry in claimed):
            return self._are_soon_scored(claimed)
        most = self._settings.micro_batch_rows
        singles = sum(entry.request.kind == "single" for entry in claimed)
        return singles >= most and 0 < self._pace.entry_ms * most < MICRO_BATCH_AHEAD_MS

    def _are_soon_scored(self, chunks: Sequence[Claimed]) -> bool:
        """Whether chunks of batches are scored soon. Those of files are not: they are written, too."""
        if any(entry.request.encoding == Encoding.BLOB for entry in chunks):
            return False
        per_chunk, per_row = self._pace.chunk_costs
        return 0 < sum(per_chunk + per_row * entry.request.rows for entry in chunks) < CHUNK_AHEAD_MS
