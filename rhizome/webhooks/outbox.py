"""The deliverer's side of the outbox: take what is due, note how it went."""

import time
from typing import Any, NamedTuple, cast

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.webhooks.scripts import STANDINGS, load_script

MAX_LOG_LINES = 50  #: kept per job
QUICK_MS = 2000.0  #: an attempt that takes as long has kept a thread from others
STANDING_SECONDS = 86_400  #: how long it is remembered of a receiver whether it is quick
QUICK, _, SLOW = STANDINGS


class Delivery(NamedTuple):
    """One event in the hands of one thread.

    Attributes:
        id: the same for all attempts, so that a receiver knows what it has seen: job id and event.
        attempt: counted from 1 over the delivery's life.
        facts: what the outbox holds of it: `job`, `event`, `status`, `url`, `at` (ms), and what was copied of the job.
        is_quick: whether the last attempt at its receiver did not take long; False where there was none lately.
    """

    id: str
    attempt: int
    facts: dict[str, bytes]
    is_quick: bool = False

    @property
    def job_id(self) -> str:
        return self.text("job")

    @property
    def cycle_attempt(self) -> int:
        """Counted from 1 since the event, or since somebody asked to have it delivered again."""
        return int(self.facts["cycle_attempts"])

    @property
    def age_seconds(self) -> float:
        """Since the event, or since somebody asked to have it delivered again."""
        return max(0.0, time.time() - int(self.facts["cycle_at"]) / 1000)

    def text(self, name: str, default: str = "") -> str:
        """A fact as text."""
        value = self.facts.get(name)
        return default if value is None else value.decode()


class Verdict(NamedTuple):
    """How an attempt went, and what follows.

    Attributes:
        outcome: `delivered`, `failed` (for good), or `retry`.
        status: the receiver's HTTP status, if it sent one.
        error: what went wrong, in one stable word; empty if nothing did.
        delay_seconds: before the next attempt.
    """

    outcome: str
    status: int | None = None
    error: str = ""
    delay_seconds: float = 0.0


class Outbox:
    """Hands deliveries out; safe to use from many threads.

    Args:
        redis: a client.
        lease_seconds: after which a delivery whose sender fell silent is given to another.
        keep_seconds: how long a settled delivery and its log can be looked at.
    """

    def __init__(self, redis: Redis, *, lease_seconds: float, keep_seconds: int) -> None:
        self._redis = redis
        self._lease_ms = int(lease_seconds * 1000)
        self._keep_seconds = keep_seconds
        self._claim = load_script(redis, "claim")
        self._settle = load_script(redis, "settle")
        self._wake = load_script(redis, "wake")

    def answer_bell(self) -> None:
        """Deletes the bell, before the first look at the outbox: an event after this rings again."""
        self._redis.delete(keys.WEBHOOKS_BELL)

    def claim(self, *, only_quick: bool = False) -> Delivery | None:
        """A delivery that is due, of a receiver that is not sent enough already.

        Receivers whose last attempt was quick come first, then those of whom nothing is known, at last those that took
        long; among equals the one that is due for longest.

        Args:
            only_quick: of the first alone.
        """
        answer = cast(list[Any] | None, self._claim(args=[self._lease_ms, 1 if only_quick else len(STANDINGS)]))
        if answer is None:
            return None
        delivery_id, attempt, standing, *flat = answer
        facts = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
        return Delivery(delivery_id.decode(), attempt, facts, standing == QUICK.encode())

    def settle(self, delivery: Delivery, verdict: Verdict, duration_ms: float) -> None:
        """Notes an attempt; repeating it adds a line to the log and changes nothing else."""
        now_ms = int(time.time() * 1000)
        delay_ms = int(verdict.delay_seconds * 1000)
        is_quick = duration_ms < QUICK_MS and verdict.error != "timeout"
        line = {
            "id": delivery.id,
            "attempt": delivery.attempt,
            "at": now_ms,
            "outcome": verdict.outcome,
            "status": verdict.status,
            "error": verdict.error or None,
            "duration_ms": round(duration_ms, 1),
            "next_at": now_ms + delay_ms if verdict.outcome == "retry" else None,
        }
        self._settle(
            args=[
                delivery.id,
                delivery.attempt,
                verdict.outcome,
                delay_ms,
                msgspec.json.encode(line),
                MAX_LOG_LINES,
                verdict.status or "",
                verdict.error,
                self._keep_seconds,
                now_ms,
                delivery.text("cycle"),
                QUICK if is_quick else SLOW,
                STANDING_SECONDS,
            ]
        )

    def wake(self) -> None:
        """Rings if something is due."""
        self._wake(args=[int(time.time() * 1000)])
