"""The worker's side of the queue: claim entries, finish them, take over those of silent scorers."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.exceptions import ResponseError

from rhizome import keys
from rhizome.job_queue.scripts import BELL_TTL_SECONDS, QUEUE_KEYS, bell_template, load_script
from rhizome.jobs import Lane, ScoreRequest, State, decode_request
from rhizome.settings import Settings

RECLAIM_COUNT = 256  #: entries taken over by one call
MAX_DEAD_LETTERS = 10_000
#: A listener's note outlives its blocking read by this, for the way back to Redis.
LISTENING_MARGIN_MS = 100
FORGET_CONSUMER_MS = 10 * 60 * 1000
_STREAMS = {Lane.INTERACTIVE: "1", Lane.BATCH: "2"}


class Claimed(NamedTuple):
    """One stream entry in the hands of this scorer; `deliveries` counts how often it was given to any."""

    lane: Lane
    entry_id: bytes
    request: ScoreRequest
    deliveries: int = 1

    @property
    def submitted_ms(self) -> int:
        """When Redis accepted it, in ms since 1970: the entry id begins with it."""
        return int(self.entry_id.split(b"-")[0])


class Finished(NamedTuple):
    """What became of a claimed entry.

    Attributes:
        claimed: the entry.
        state: the job's final state (single jobs; a batch job's follows from its rows).
        body: a single job's final document, or the JSON array of a chunk's answers.
        failed_rows: how many of the entry's rows failed.
        compute_ms: time spent in the estimator.
        dead_reason: why it is dead-lettered; empty if it is not.
    """

    claimed: Claimed
    state: State
    body: bytes
    failed_rows: int = 0
    compute_ms: float = 0.0
    dead_reason: str = ""


class Claims:
    """One scorer's hold on the queue.

    Args:
        redis: a client whose socket timeout exceeds the linger time.
        settings: bounds and times.
        consumer: this scorer's name, unique among all processes that ever lived.
    """

    def __init__(self, redis: Redis, settings: Settings, consumer: str) -> None:
        self._redis = redis
        self._settings = settings
        self._consumer = consumer
        #: Entries handed out and not yet finished: only their leases are renewed.
        self._held: set[tuple[Lane, bytes]] = set()
        self._linger_ms = int(settings.linger_seconds * 1000)
        self._claim = load_script(redis, "claim")
        self._finish = load_script(redis, "finish")
        self._leave = load_script(redis, "leave")
        self._reclaim = load_script(redis, "reclaim")
        self._renew = load_script(redis, "renew")
        self._upkeep = load_script(redis, "upkeep")
        self._bind = load_script(redis, "bind")

    def answer_bell(self) -> None:
        """Deletes the bell, before the first look at the streams: a submit after this rings again.

        A run begins with empty hands: what an earlier one left, its lease gives to others.
        """
        self._held.clear()
        self._redis.delete(keys.BELL)

    def claim(self, *, only_interactive: bool = False) -> list[Claimed]:
        """What waits now: up to `micro_batch_rows` single jobs, else one batch chunk, else nothing."""
        args: list[Any] = [
            keys.GROUP,
            self._consumer,
            self._settings.micro_batch_rows,
            bell_template(),
            BELL_TTL_SECONDS,
            self._linger_ms + LISTENING_MARGIN_MS,
            "1" if only_interactive else "0",
        ]
        return self._hold(_parse_claim(self._claim(keys=QUEUE_KEYS, args=args)))

    def listen(self) -> list[Claimed]:
        """Blocks until something is submitted, for `linger_seconds` at most; empty if nothing was.

        One entry a lane: the first to come wakes the reader anyway, and the chunks of a batch, which come together,
        are for all scorers.
        """
        try:
            answer = cast(
                list[Any] | None,
                self._redis.xreadgroup(
                    keys.GROUP,
                    self._consumer,
                    dict.fromkeys(QUEUE_KEYS[:2], ">"),
                    count=1,
                    block=self._linger_ms,
                ),
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return self.claim()  # Redis lost its data: the script makes the groups anew
        claimed = []
        for stream, entries in answer or ():
            lane = Lane.INTERACTIVE if stream == QUEUE_KEYS[0].encode() else Lane.BATCH
            claimed += [_parse_entry(lane, entry_id, fields[b"m"]) for entry_id, fields in entries]
        return self._hold(claimed)

    def finish(self, finished: Sequence[Finished], *, claim_next: bool) -> list[Claimed]:
        """Writes results where none stand, notifies waiters, and takes the next micro-batch in the same round trip."""
        settings = self._settings
        args: list[Any] = [
            keys.GROUP,
            self._consumer,
            settings.micro_batch_rows if claim_next else 0,
            bell_template(),
            BELL_TTL_SECONDS,
            settings.result_ttl_seconds,
            int(time.time() * 1000),
            keys.job(""),
            keys.rows(""),
            keys.FINISHED,
            keys.DEAD_LETTERS,
            MAX_DEAD_LETTERS,
            self._linger_ms + LISTENING_MARGIN_MS,
        ]
        for item in finished:
            args += _finish_args(item)
        following = _parse_claim(self._finish(keys=QUEUE_KEYS, args=args))
        self._held.difference_update((item.claimed.lane, item.claimed.entry_id) for item in finished)
        return self._hold(following)

    def leave(self, *, ring: bool) -> bool:
        """Stops listening; True if something waits. With `ring`, another scorer is then woken for it."""
        args: list[Any] = [keys.GROUP, self._consumer, bell_template(), BELL_TTL_SECONDS, "1" if ring else "0"]
        return bool(self._leave(keys=QUEUE_KEYS, args=args))

    def stop_listening(self) -> None:
        """Says that a submit must ring: this scorer is about to be busy for longer than a wake-up takes."""
        self._redis.zrem(keys.LISTENING, self._consumer)

    def reclaim(self) -> list[Claimed]:
        """Takes over entries whose lease has run out: interactive ones first."""
        lease_ms = int(self._settings.lease_seconds * 1000)
        for lane in (Lane.INTERACTIVE, Lane.BATCH):
            count = RECLAIM_COUNT if lane is Lane.INTERACTIVE else 1
            answer = cast(
                list[list[Any]],
                self._reclaim(keys=[keys.lane(lane)], args=[keys.GROUP, self._consumer, lease_ms, count]),
            )
            if answer:
                return self._hold([_parse_entry(lane, entry, message, seen + 1) for entry, message, seen in answer])
        return []

    def renew(self) -> None:
        """Renews the leases of what this scorer holds.

        Not of all that Redis believes it holds: a claim whose reply was lost must come to somebody else.
        """
        held = [part for lane, entry in tuple(self._held) for part in (_STREAMS[lane], entry)]
        if held:
            self._renew(keys=QUEUE_KEYS[:2], args=[keys.GROUP, self._consumer, *held])

    def _hold(self, claimed: list[Claimed]) -> list[Claimed]:
        self._held.update((entry.lane, entry.entry_id) for entry in claimed)
        return claimed

    def bind_version(self, job_id: str, version: str) -> str | None:
        """The one version that answers this batch job: the first that was offered. None if the job is over."""
        bound = cast(bytes | None, self._bind(keys=[keys.job(job_id)], args=[version, int(time.time() * 1000)]))
        return bound.decode() if bound else None

    def maintain(self) -> tuple[bool, int]:
        """Rings for forgotten work and forgets consumers that are long gone; whether it rang, and how many."""
        lease_ms = int(self._settings.lease_seconds * 1000)
        args: list[Any] = [keys.GROUP, lease_ms, bell_template(), BELL_TTL_SECONDS, FORGET_CONSUMER_MS]
        rang, forgotten = cast(list[int], self._upkeep(keys=[*QUEUE_KEYS, keys.UPKEEP_QUEUE], args=args))
        return bool(rang), forgotten


def _parse_claim(answer: Any) -> list[Claimed]:
    singles, chunks = answer
    claimed = [_parse_entry(Lane.INTERACTIVE, entry, fields[1]) for entry, fields in singles]
    return claimed or [_parse_entry(Lane.BATCH, entry, fields[1]) for entry, fields in chunks]


def _parse_entry(lane: Lane, entry_id: bytes, message: bytes, deliveries: int = 1) -> Claimed:
    return Claimed(lane, entry_id, decode_request(message), deliveries)


def _finish_args(item: Finished) -> list[Any]:
    claimed, request = item.claimed, item.claimed.request
    return [
        _STREAMS[claimed.lane],
        claimed.entry_id,
        request.job_id,
        request.kind,
        item.state.value,
        item.body,
        request.rows,
        item.failed_rows,
        request.chunk,
        "1" if request.waited else "0",
        item.dead_reason,
        item.compute_ms,
    ]
