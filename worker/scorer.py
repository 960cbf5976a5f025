"""The scorer: what one `worker.score` does between the bell and its return."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from rhizome.errors import BlobStoreUnavailable
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Next
from rhizome.settings import Settings
from worker.failures import run_out_of_memory
from worker.finishing import Finishing
from worker.pace import WorkPace
from worker.scoring import GivenBack, Scoring

RECLAIM_EVERY_SECONDS = 1.0
TURN_SECONDS = 1.0  #: a busy run makes way for other tasks of its process after this
REDIS_PAUSE_SECONDS = 0.2  #: between two looks whether Redis is back
STORE_PAUSE_SECONDS = 0.2  #: before the next entry is claimed
STORE_RETRY_SECONDS = 2.0  #: how soon a chunk is tried again whose file could not be read

log = logging.getLogger(__name__)


class Scorer:
    """Claims, scores and finishes, and listens between, for as long as a run may last.

    Args:
        claims: this process's hold on the queue.
        scoring: turns claimed entries into finished ones.
        settings: bounds and times.
        is_stopping: tells that the worker shuts down.
        pace: is told how long each micro-batch and chunk took.
    """

    def __init__(
        self,
        claims: Claims,
        scoring: Scoring,
        settings: Settings,
        is_stopping: Callable[[], bool],
        pace: WorkPace,
    ) -> None:
        self._claims = claims
        self._scoring = scoring
        self._settings = settings
        self._is_stopping = is_stopping
        self._pace = pace
        self._finishing = Finishing(claims, scoring.record, scoring.rest, settings, is_stopping, pace)
        self._reclaimed_at = 0.0
        self._claimed_at: float | None = None  #: when the present micro-batch or chunk began; None between them
        self._begun_at = 0.0  #: when the run began
        self._dry_since: float | None = None  #: since when nothing is heard; None while something is

    @property
    def busy_since(self) -> float | None:
        """Since when this process holds entries (monotonic seconds); None while it holds none."""
        held = (self._finishing.held_since, self._claimed_at)
        return min((since for since in held if since is not None), default=None)

    def run(self) -> None:
        """Works and listens until its process is wanted for another task, `run_seconds` are over, or the worker stops.

        It rings before it ends, so that the next run takes over without a gap; a worker that stops rings only for what
        still waits, and a run that has heard nothing for `linger_seconds` for nothing.

        It outlives an absence of Redis: results that are under way are written, and what is not scored yet comes back
        after its lease. Celery finds Redis again later, so a next run would begin later.

        Raises:
            redis.RedisError: Redis is away, and the run's time is over.
        """
        self._begun_at, is_lost = time.monotonic(), False
        deadline = self._begun_at + self._settings.run_seconds
        while True:
            try:
                self._claims.answer_bell()
                self._dry_since, is_lost = None, False
                self._run(deadline)
                return
            except Exception as error:
                goes_on = isinstance(error, RedisError) and not self._is_over(deadline)
                with suppress(RedisError):
                    self._finishing.settle()
                    if not goes_on:
                        self._claims.leave(ring=True)
                if not goes_on:
                    raise
                if not is_lost:
                    log.warning("scorer_lost_redis", extra={"reason": type(error).__name__})
                is_lost = True
            finally:
                self._finishing.drop()
                self._scoring.rest()
            time.sleep(REDIS_PAUSE_SECONDS)

    def _run(self, deadline: float) -> None:
        claimed = self._claims.claim()  # first what somebody has just rung for; taking over costs a call a stream
        while not self._is_over(deadline):
            if not claimed:  # and nothing is left in hand, before what may have ended others is taken over
                claimed = self._finishing.collect()
            if not claimed and self._is_take_over_due():
                claimed = self._take_over()
                if not claimed and self._makes_way():
                    break
                claimed = claimed or self._claims.claim()
            if claimed := claimed or self._listen():
                claimed = self._work_off(claimed, deadline)
            else:
                following = self._rest()
                if following is Next.LEAVE:
                    break
                if following is Next.CLAIM:
                    claimed = self._claims.claim()
        while claimed := claimed or self._finishing.collect():
            claimed = self._work_off(claimed, deadline)
        self._claims.leave(ring=not self._is_stopping() and not self._is_dry())

    def _makes_way(self) -> bool:
        """Whether its process is wanted for another task, and the run has had its turn."""
        return time.monotonic() - self._begun_at >= TURN_SECONDS and self._claims.is_wanted_elsewhere()

    def _listen(self) -> list[Claimed]:
        begun = time.monotonic()
        claimed = self._claims.listen()
        if not claimed:
            self._dry_since = self._dry_since or begun
        return claimed

    def _rest(self) -> Next:
        """What to do after nothing was heard for one blocking read."""
        self._scoring.rest()
        following = self._claims.stay()
        return Next.LEAVE if following is Next.LISTEN and self._is_dry() else following

    def _is_dry(self) -> bool:
        return self._dry_since is not None and time.monotonic() - self._dry_since >= self._settings.linger_seconds

    def _is_over(self, deadline: float) -> bool:
        return self._is_stopping() or time.monotonic() >= deadline

    def _may_claim(self, deadline: float) -> bool:
        """Not at the end, and not where it is time to look after the jobs of silent scorers, with empty hands."""
        return not self._is_over(deadline) and not self._is_take_over_due()

    def _work_off(self, claimed: Sequence[Claimed], deadline: float) -> list[Claimed]:
        """Scores and finishes `claimed`; returns what was claimed in the same round trip, or ahead of it."""
        singles = [entry for entry in claimed if entry.request.kind == "single"]
        chunks = [entry for entry in claimed if entry.request.kind != "single"]
        self._claimed_at, self._dry_since = time.monotonic(), None
        if self._may_claim(deadline):
            self._finishing.expect_more(claimed)
        try:
            following: list[Claimed] = []
            if singles:
                begun = self._seconds_at_work()
                finished = self._scoring.score_singles(singles)
                following = self._finishing.finish(finished, claim_next=not chunks and self._may_claim(deadline))
                if finished:  # what was left to others cost nothing
                    self._pace.add_singles(len(finished), (self._seconds_at_work() - begun) * 1000)
            for entry in chunks:
                is_last = entry is chunks[-1]
                following += self._work_off_chunk(entry, claim_next=is_last and self._may_claim(deadline))
            return following
        finally:
            self._claimed_at = None

    def _work_off_chunk(self, entry: Claimed, *, claim_next: bool) -> list[Claimed]:
        begun = self._seconds_at_work()
        try:
            chunk = self._scoring.score_chunk(entry)
        except BlobStoreUnavailable:
            return self._give_back(entry, claim_next=claim_next)
        except GivenBack:
            return self._claims.claim() if claim_next else []
        except MemoryError:
            if entry.deliveries == 1:  # it may have been this moment's
                raise
            chunk = run_out_of_memory(entry)
        following = self._finishing.finish([chunk], claim_next=claim_next)
        rows = entry.request.rows if chunk.rows is None else chunk.rows
        self._pace.add_chunk(rows, (self._seconds_at_work() - begun) * 1000)
        return following

    def _give_back(self, entry: Claimed, *, claim_next: bool) -> list[Claimed]:
        """The store's absence is no fault of the job's, and the other chunks of files fare no better now."""
        log.warning("scorer_lost_file_store", extra={"job_id": entry.request.job_id})
        self._claims.give_back([entry], STORE_RETRY_SECONDS)
        time.sleep(STORE_PAUSE_SECONDS)
        return self._claims.claim() if claim_next else []

    def _seconds_at_work(self) -> float:
        """A clock that stands still while waiting for Redis to come back."""
        return time.monotonic() - self._finishing.waited_seconds

    def _is_take_over_due(self) -> bool:
        return time.monotonic() - self._reclaimed_at >= RECLAIM_EVERY_SECONDS

    def _take_over(self) -> list[Claimed]:
        """Entries of scorers that fell silent; those that are not tried again end here."""
        reclaimed = self._claims.reclaim()
        if not reclaimed:
            self._reclaimed_at = time.monotonic()  # as long as there is something, it stays due
        else:
            log.warning("jobs_taken_over", extra={"jobs": [entry.request.job_id for entry in reclaimed]})
        hopeless, reclaimed = self._scoring.judge(reclaimed, self._settings.max_deliveries)
        if hopeless:
            self._finishing.finish_now(hopeless, claim_next=False)
        return reclaimed
