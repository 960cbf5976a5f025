"""The worker's side of the queue: claim entries, finish them, take over those of silent scorers."""

import time
from collections.abc import Sequence
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from rhizome import keys
from rhizome.job_queue.entries import (
    MOST_TOGETHER,
    Claimed,
    Finished,
    Next,
    chunk_args,
    dead_letter_args,
    group_singles,
    parse_claim,
    parse_entry,
    singles_args,
)
from rhizome.job_queue.scripts import LANE_BELLS, STREAM_KEYS, lane_number, load_script
from rhizome.jobs import STREAMS, Lane, ScoreRequest, encode_request, lane_of
from rhizome.lua_scripts import Call, Flight, call
from rhizome.settings import Settings

CHUNK_STREAMS = 2  #: the last of the streams hold chunks
RECLAIM_COUNT = 256  #: entries taken over by one call
MOST_RELEASED = 10_000  #: of each stream; the rest comes back after its lease
MAX_DEAD_LETTERS = 10_000
#: A blocking read ends after this; its scorer then looks whether its process is wanted for another task.
LISTEN_SECONDS = 0.25
#: What is written of a listener holds for so many blocking reads, and a margin for the way back to Redis.
NOTED_READS, LISTENING_MARGIN_MS = 4, 100
FORGET_CONSUMER_MS = 10 * 60 * 1000
UPKEEP_SECONDS = 2  #: one worker process heals the queue, this often
FORGOTTEN_MS = 500  #: an entry that waits for so long may wait for nobody
#: What a scorer cannot score here, and others may, comes back after this, to the one that refused it some time later.
REFUSED_SECONDS, REFUSER_WAITS_SECONDS = 0.5, 2.0
#: So long is a scorer that has refused something not noted as listening: others would rely on it.
REFUSER_UNHEARD_SECONDS = 10.0
#: So long is looked for a scorer that can: then the job fails.
REFUSALS_END_SECONDS = 60.0


class Claims:
    """One scorer's hold on the queue.

    Args:
        redis: a client whose socket timeout exceeds `LISTEN_SECONDS`.
        settings: bounds and times.
        consumer: this scorer's name, unique among all processes that ever lived.
        lane: which lane it serves.
    """

    def __init__(self, redis: Redis, settings: Settings, consumer: str, lane: Lane) -> None:
        self._redis = redis
        self._settings = settings
        self._consumer = consumer
        self.lane = lane
        self._lane_number = lane_number(lane)
        self._bell = LANE_BELLS[self._lane_number - 1]
        self._streams = [index for index, stream in enumerate(STREAMS) if lane_of(stream) is lane]
        #: Entries of each stream handed out and not yet finished: only their leases are renewed.
        self._held: tuple[set[bytes], ...] = tuple(set() for _ in STREAMS)
        self._listen_ms = max(1, int(min(settings.linger_seconds, LISTEN_SECONDS) * 1000))  # 0 would be for ever
        self._unheard_until = float("-inf")
        #: One entry a stream: the first to come wakes the reader anyway, and the chunks of a batch, which come
        #: together, are for all scorers.
        self._listen = ("XREADGROUP", "GROUP", keys.GROUP, consumer, "COUNT", 1, "BLOCK", self._listen_ms, "STREAMS")
        self._listen += (*(STREAM_KEYS[index] for index in self._streams), *(">" * len(self._streams)))
        self._claim = load_script(redis, "claim")
        self._finish = load_script(redis, "finish")
        self._leave = load_script(redis, "leave")
        self._reclaim = load_script(redis, "reclaim")
        self._renew = load_script(redis, "renew")
        self._stay = load_script(redis, "stay")
        self._upkeep = load_script(redis, "upkeep")
        self._bind = load_script(redis, "bind")
        self._give_back = load_script(redis, "give_back")
        self._refuse = load_script(redis, "refuse")
        self._strike = load_script(redis, "strike")
        self._release = load_script(redis, "release")
        self._plan = load_script(redis, "plan")
        self._flight = Flight(redis)

    @property
    def _note_ms(self) -> int:
        """For how long it is noted as listening; 0 for not at all."""
        is_unheard = time.monotonic() < self._unheard_until
        return 0 if is_unheard else NOTED_READS * self._listen_ms + LISTENING_MARGIN_MS

    def answer_bell(self) -> None:
        """Deletes the bell, before the first look at the streams: a submit after this rings again.

        A run begins with empty hands: what an earlier one left, its lease gives to others.
        """
        for held in self._held:
            held.clear()
        self._redis.delete(self._bell)

    def claim(self) -> list[Claimed]:
        """What waits now: up to `micro_batch_rows` single jobs, else one chunk, else nothing."""
        return self._hold(parse_claim(self._claim(args=self._claim_args(self._note_ms))))

    def listen(self) -> list[Claimed]:
        """Blocks until something is submitted, for `LISTEN_SECONDS` at most; empty if nothing was."""
        try:
            answer = cast(list[list[Any]] | None, call(self._redis, *self._listen))
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return self.claim()  # Redis lost its data: the script makes the groups anew
        claimed = []
        for stream, entries in answer or ():
            index = STREAM_KEYS.index(stream.decode())
            claimed += [parse_entry(index, entry_id, fields[1]) for entry_id, fields in entries]
        return self._hold(claimed)

    def finish(self, finished: Sequence[Finished], *, claim_next: bool) -> list[Claimed]:
        """Writes results where none stand, notifies waiters, and takes the next micro-batch in the same round trip."""
        args = self._finish_args(finished, claim_next=claim_next, note_ms=self._note_ms)
        return self._let_go(finished, self._finish(args=args))

    def send_claim(self) -> None:
        """Asks for what waits, as `claim`; `receive` gives it. The scorer is at work, so it is not said to listen.

        Raises:
            redis.RedisError: it could not be sent.
        """
        self._flight.send(Call(self._claim, (), self._claim_args(0)))

    def send_finish(self, finished: Sequence[Finished]) -> None:
        """As `finish`, and asks for the next micro-batch; `receive` gives it, and tells whether they are written.

        As with `send_claim`, the scorer is at work meanwhile.

        Raises:
            redis.RedisError: it could not be sent, or in part.
        """
        self._flight.send(Call(self._finish, (), self._finish_args(finished, claim_next=True, note_ms=0)))

    def receive(self, finished: Sequence[Finished]) -> list[Claimed]:
        """What was claimed by the last of `send_claim` and `send_finish`; `finished` is what that one was given.

        Raises:
            redis.RedisError: it is not known to have been done, and may have been.
        """
        return self._let_go(finished, self._flight.receive())

    def drop(self) -> None:
        """Forgets what was sent; what it claimed comes back after its lease."""
        self._flight.drop()

    def _claim_args(self, note_ms: int) -> list[Any]:
        settings = self._settings
        return [self._consumer, settings.micro_batch_rows, settings.result_ttl_seconds, note_ms, self._lane_number]

    def _finish_args(self, finished: Sequence[Finished], *, claim_next: bool, note_ms: int) -> list[Any]:
        settings = self._settings
        args: list[Any] = [
            self._consumer,
            settings.micro_batch_rows if claim_next else 0,
            settings.result_ttl_seconds,
            int(time.time() * 1000),
            MAX_DEAD_LETTERS,
            note_ms,
            self._lane_number,
        ]
        groups, others = group_singles(finished)
        for (index, has_failed, is_waited), group in groups.items():
            for start in range(0, len(group), MOST_TOGETHER):
                args += singles_args(index, has_failed, is_waited, group[start : start + MOST_TOGETHER])
        for item in others:
            args += chunk_args(item)
        return args + [part for item in finished if item.dead_reason for part in dead_letter_args(item)]

    def _let_go(self, finished: Sequence[Finished], answer: Sequence[Sequence[bytes]]) -> list[Claimed]:
        """`finished` is written, and `answer` is what was claimed by the same call."""
        for item in finished:
            self._held[item.claimed.stream_index - 1].discard(item.claimed.entry_id)
        return self._hold(parse_claim(answer))

    def give_back(self, entries: Sequence[Claimed], after_seconds: float = 0.0) -> None:
        """Lets go of entries that could not be scored for no fault of their own: they come back, to whoever is first,
        and this delivery does not count.
        """
        args: list[Any] = [self._consumer, max(0, int((self._settings.lease_seconds - after_seconds) * 1000))]
        for entry in entries:
            args += [entry.stream_index, entry.entry_id, entry.deliveries - 1]
            self._held[entry.stream_index - 1].discard(entry.entry_id)
        self._give_back(args=args)

    def refuse(self, entries: Sequence[Claimed]) -> list[Claimed]:
        """Lets go of entries that cannot be scored here, and may be elsewhere; those refused for too long are returned.

        As with `give_back`, this delivery does not count. Others are given time to take them first.
        """
        idle_ms = max(0, int((self._settings.lease_seconds - REFUSED_SECONDS) * 1000))
        args: list[Any] = [self._consumer, idle_ms, int(REFUSALS_END_SECONDS * 1000), self._lane_number]
        self._unheard_until = time.monotonic() + REFUSER_UNHEARD_SECONDS
        for entry in entries:
            args += [entry.stream_index, entry.entry_id, entry.deliveries - 1, entry.name]
        kept = set(cast(list[bytes], self._refuse(args=args)))
        for entry in entries:
            if entry.entry_id not in kept:
                self._held[entry.stream_index - 1].discard(entry.entry_id)
        return [entry for entry in entries if entry.entry_id in kept]

    def note_strike(self, consumer: str, stream_index: int, entry_id: str, name: str, strike: bytes) -> None:
        """A scorer's process ended while it scored an entry alone; see `strike.lua`."""
        self._strike(args=[consumer, stream_index, entry_id, name, strike, self._settings.result_ttl_seconds])

    def release(self, consumer: str) -> None:
        """What a scorer held whose process has ended is taken over at once, by whoever is first."""
        self._release(args=[consumer, int(self._settings.lease_seconds * 1000), MOST_RELEASED, self._lane_number])

    def strikes(self, entries: Sequence[Claimed]) -> list[list[bytes]]:
        """Of each entry, the strikes that were noted, oldest first."""
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            pipeline.lrange(keys.strikes(entry.name), 0, -1)
        return cast(list[list[bytes]], pipeline.execute())

    def stay(self) -> Next:
        """What to do after `listen` heard nothing; see `Next`."""
        args = [self._consumer, self._listen_ms, self._note_ms, self._lane_number]
        return Next(cast(bytes, self._stay(args=args)).decode())

    def leave(self, *, ring: bool) -> None:
        """Listens no more, so submits ring; another is woken for what waits, and with `ring` where nobody listens."""
        self._leave(args=[self._consumer, "unheard" if ring else "waiting", self._lane_number])

    def wake(self) -> None:
        """Wakes a scorer: who listened may have died a moment ago."""
        self._leave(args=[self._consumer, "always", self._lane_number])

    def is_wanted_elsewhere(self) -> bool:
        """Whether a task other than scoring waits for a process: those of the batch lane have others, too."""
        if self.lane is not Lane.BATCH:
            return False
        return any(call(self._redis, "LLEN", queue) for queue in (keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE))

    def reclaim(self) -> list[Claimed]:
        """Takes over entries whose lease has run out: interactive ones first."""
        lease_ms = int(self._settings.lease_seconds * 1000)
        for index in self._streams:
            count = RECLAIM_COUNT if index < len(STREAMS) - CHUNK_STREAMS else 1
            args: list[Any] = [index + 1, self._consumer, lease_ms, count, self._settings.result_ttl_seconds]
            args.append(int(REFUSER_WAITS_SECONDS * 1000))
            if answer := cast(list[list[Any]], self._reclaim(args=args)):
                return self._hold([parse_entry(index, entry, message, seen + 1) for entry, message, seen in answer])
        return []

    def renew(self) -> None:
        """Renews the leases of what this scorer holds.

        Not of all that Redis believes it holds: a claim whose reply was lost must come to somebody else.
        """
        entries = [(index, entry) for index, held in enumerate(self._held, start=1) for entry in tuple(held)]
        if held := [part for index_and_entry in entries for part in index_and_entry]:
            self._renew(args=[self._consumer, *held])

    def _hold(self, claimed: list[Claimed]) -> list[Claimed]:
        for entry in claimed:
            self._held[entry.stream_index - 1].add(entry.entry_id)
        return claimed

    def bind_version(self, job_id: str, version: str) -> str | None:
        """The one version that answers this batch job: the first that was offered. None if the job is over."""
        args: list[Any] = [version, int(time.time() * 1000), job_id]
        bound = cast(bytes | None, self._bind(keys=[keys.job(job_id)], args=args))
        return bound.decode() if bound else None

    def add_chunks(self, entry: Claimed, chunks: Sequence[ScoreRequest]) -> None:
        """Adds to a batch job the chunks that its first one turned out to stand for; only the first call adds any."""
        rows = sum(chunk.rows for chunk in chunks)
        self._plan(args=[entry.request.job_id, rows, *(encode_request(chunk) for chunk in chunks)])

    def maintain_if_due(self) -> tuple[int, int] | None:
        """As `maintain`; None where another process did so lately."""
        is_due = self._redis.set(keys.UPKEEP, "1", nx=True, ex=UPKEEP_SECONDS)
        return self.maintain() if is_due else None

    def maintain(self) -> tuple[int, int]:
        """Heals both lanes: rings for forgotten work and where nobody listens, forgets consumers that are long gone.

        Returns:
            How many bells it rang, and how many consumers it forgot.
        """
        lease_ms = int(self._settings.lease_seconds * 1000)
        rung, forgotten = cast(list[int], self._upkeep(args=[lease_ms, FORGET_CONSUMER_MS, FORGOTTEN_MS]))
        return rung, forgotten
