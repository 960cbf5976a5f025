"""Group commit: what concurrent requests ask of Redis at the same moment goes there in one round trip.

Under load a round trip serves all that came while the last one was under way: one script call for all submits, one
fsync of Redis, one answer to wait for. Alone, a request pays for nothing but itself. No thread of its own: whoever
comes while nothing is under way goes, and takes those along who come meanwhile.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from rhizome import keys
from rhizome.errors import QueueUnavailable
from rhizome.job_queue.prepared import PreparedSubmit
from rhizome.job_queue.submission import Submissions
from rhizome.lua_scripts import Call, call_together

log = logging.getLogger(__name__)

Answered = Callable[[Any, Exception | None], None]


class Look(NamedTuple):
    """One job's fields to read, and who is told; as `RoundTrips.read` takes them."""

    job_id: str
    fields: Sequence[str]
    answered: Answered


class _Ask(NamedTuple):
    """One job to submit, or the arguments of one read; and who is told."""

    submit: PreparedSubmit | None
    read: tuple[str, Sequence[Any]]
    answered: Answered


class RoundTrips:
    """Takes the questions of one gateway process to Redis."""

    def __init__(self, submissions: Submissions) -> None:
        self._submissions = submissions
        self._pending: list[_Ask] = []
        self._is_under_way = False
        self._lock = threading.Lock()

    def submit(self, prepared: PreparedSubmit, answered: Answered) -> None:
        """Submits a job.

        Args:
            prepared: the job.
            answered: told what the script said of the job, or why there is no answer (`QueueUnavailable` where Redis
                gave none); in any thread, and perhaps before this returns.
        """
        self._ask(_Ask(prepared, ("", ()), answered))

    def read(self, job_id: str, fields: Sequence[str], answered: Answered) -> None:
        """Reads fields of a job's record, as `Submissions.view_of` takes them; the rest as for `submit`."""
        self._ask(self._ask_of(Look(job_id, fields, answered)))

    def read_together(self, looks: Sequence[Look]) -> None:
        """Reads them all at once, in this thread, which takes nobody along: for one that has others to look after."""
        self._go([self._ask_of(look) for look in looks])

    def _ask_of(self, look: Look) -> _Ask:
        read = (keys.job(look.job_id), self._submissions.read_args(look.job_id, look.fields))
        return _Ask(None, read, look.answered)

    def _ask(self, ask: _Ask) -> None:
        with self._lock:
            self._pending.append(ask)
            if self._is_under_way:
                return
            self._is_under_way = True
        while batch := self._take():
            self._go(batch)

    def _take(self) -> list[_Ask]:
        with self._lock:
            batch, self._pending = self._pending, []
            self._is_under_way = bool(batch)
        return batch

    def _go(self, batch: Sequence[_Ask]) -> None:
        submits = [ask for ask in batch if ask.submit]
        reads = [ask for ask in batch if not ask.submit]
        try:
            answers = self._exchange(submits, reads)
        except (RedisError, QueueUnavailable) as error:
            log.warning("redis_unreachable", extra={"reason": type(error).__name__})
            self._fail(batch, QueueUnavailable())
            return
        except Exception as error:
            self._fail(batch, error)  # whatever it is: those who came along must be told
            return
        for ask, answer in zip((*submits, *reads), answers, strict=True):
            _tell(ask, answer, None)

    def _fail(self, batch: Sequence[_Ask], error: Exception) -> None:
        for ask in batch:
            _tell(ask, None, error)

    def _exchange(self, submits: Sequence[_Ask], reads: Sequence[_Ask]) -> list[Any]:
        calls = [Call(self._submissions.read_script, (ask.read[0],), ask.read[1]) for ask in reads]
        if not submits:
            return call_together(calls)
        args = self._submissions.submit_head()
        for ask in submits:
            args += ask.submit.args if ask.submit else ()
        of_submits, *of_reads = call_together([Call(self._submissions.submit_script, (), args), *calls])
        return [*of_submits, *of_reads]


def _tell(ask: _Ask, answer: Any, error: Exception | None) -> None:
    try:
        ask.answered(answer, error)
    except Exception:
        log.exception("answer_not_told")  # the others must be told all the same
