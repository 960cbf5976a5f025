"""The gateway's side of the queue: accept a job, read it, tell how deep the lanes are."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys
from rhizome.errors import JobExpired, JobFinished, JobNotFound, QueueUnavailable, StorageFull
from rhizome.job_ids import SECRET_BYTES, JobIds
from rhizome.job_queue.pace import UNKNOWN_COSTS, Pace, PaceReader
from rhizome.job_queue.prepared import PreparedSubmit, record_fields
from rhizome.job_queue.scripts import PURGED, load_script
from rhizome.job_queue.terms import Idempotency, Terms
from rhizome.job_queue.views import JobView, LaneDepth, Receipt, add_up
from rhizome.jobs import STREAMS, Lane, ScoreRequest, State, encode_request, lane_of, stream_of
from rhizome.lua_scripts import Call, Script, call_together

SECRET_REFRESH_SECONDS = 5.0
MEMORY_REFRESH_SECONDS = 1.0
#: Of `maxmemory`. Beyond it Redis would refuse heartbeats, bells and results, too: nothing is accepted any more.
HIGH_WATER = 0.8
_FIELDS = (
    "state",
    "outcome",
    "kind",
    "lane",
    "entry",
    "request_id",
    "rows",
    "chunk_rows",
    "done",
    "failed",
    "version",
    "started_at",
    "finished_at",
    "compute_ms",
    "expires_at",
    "error",
    "chunks",
    "chunks_done",
    "source",
    "outputs",
    "webhook",
)


_PLAIN = Terms()
_pack = msgspec.msgpack.Encoder().encode
STREAM_INDEX = {stream: index for index, stream in enumerate(STREAMS, start=1)}  #: as the scripts count them


class Submissions:
    """Submits and reads jobs.

    Args:
        redis: a client; every call is one round trip.
        max_waiting: the most entries that may wait, per lane.
        result_ttl_seconds: how long a final result is kept.
    """

    def __init__(self, redis: Redis, max_waiting: dict[str, int], result_ttl_seconds: int) -> None:
        self._redis = redis
        self._max_waiting = max_waiting
        self._result_ttl_seconds = result_ttl_seconds
        self.submit_script = load_script(redis, "submit")
        self.read_script = load_script(redis, "read")
        self._depth = load_script(redis, "depth")
        self._cancel = load_script(redis, "cancel")
        self._purge = load_script(redis, "purge")
        self._pace = PaceReader(redis)
        self._ids: JobIds | None = None
        self._secret_read_at = 0.0
        self._memory_read_at = float("-inf")
        self._is_full = False

    def mint_id(self) -> str:
        """A fresh job id."""
        return self._job_ids().mint()

    def submit(
        self,
        lane: Lane,
        requests: Sequence[ScoreRequest],
        idempotency: Idempotency | None = None,
        terms: Terms = _PLAIN,
    ) -> Receipt:
        """Accepts one job: all its entries, or none.

        Repeating the call with the same requests is safe: a job that stands is not submitted again.

        Args:
            lane: where it waits.
            requests: a single job's one entry, or a batch job's chunks: same id and kind, all but the last of one
                size, in order.
            idempotency: the first job under the same key and fingerprint stands for this one, as long as its record.
            terms: priority, deadline and the like.

        Raises:
            DeadlineUnmeetable: at the measured pace it would not be done by its deadline.
            IdempotencyConflict: the key stands for another request.
            LaneFull: the lane holds too many waiting entries.
            StorageFull: Redis has little memory left; it is for the results of what was accepted before.
            QueueUnavailable: Redis did not answer; the job may or may not have been accepted.
        """
        submit = self.prepare(lane, requests, idempotency, terms)
        answers = self._call(self.submit_script, [], [*self.submit_head(), *submit.args])
        return submit.receipt_of(answers[0])

    def prepare(
        self,
        lane: Lane,
        requests: Sequence[ScoreRequest],
        idempotency: Idempotency | None = None,
        terms: Terms = _PLAIN,
    ) -> PreparedSubmit:
        """What `submit.lua` must know of one job, for those who submit several in one call; arguments as `submit`.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        refusal = terms.refusal or self._find_no_room()
        first, pace = requests[0], self._look_at_pace()
        stream = stream_of(lane, terms.priority, first.kind)
        rows = first.rows if len(requests) == 1 else sum(request.rows for request in requests)
        record = record_fields(stream, rows, first, terms)
        facts = _pack(
            (
                STREAM_INDEX[stream],
                self._max_waiting[lane],
                first.job_id,
                keys.idempotency(idempotency.key) if idempotency else "",
                idempotency.fingerprint if idempotency else "",
                terms.deadline_ms,
                *(pace.costs_of(lane, len(requests), rows) if pace else UNKNOWN_COSTS),
                refusal is not None,
                len(requests),
                record,
            )
        )
        args = [facts, *(encode_request(request) for request in requests)]
        return PreparedSubmit(args, lane, terms.deadline_ms, refusal)

    def submit_head(self) -> list[Any]:
        """The arguments of `submit.lua` that stand before those of the jobs."""
        return [self._job_ids().secret]

    def check_accepting(self) -> None:
        """Goes the way of a submit, to the last question that is not the job's own, and submits nothing.

        Raises:
            StorageFull: Redis has little memory left.
            QueueUnavailable: Redis did not answer, or cannot write.
        """
        if refusal := self._find_no_room():
            raise refusal
        self._call(self.submit_script, [], self.submit_head())

    def cancel(self, job_id: str) -> None:
        """Cancels a job that is queued or running; cancelling it again changes nothing.

        Raises:
            JobFinished: it has succeeded, failed or expired.
            JobNotFound, JobExpired, QueueUnavailable: as for `read`.
        """
        self.read(job_id)
        args = [job_id, self._result_ttl_seconds, int(time.time() * 1000)]
        state = cast(bytes | None, self._call(self._cancel, [], args))
        if state is not None and state not in (b"queued", b"cancelled"):
            raise JobFinished(f"this job has {state.decode()} already; there is nothing left to cancel")

    def purge(self, job_id: str) -> None:
        """Removes all that Redis holds of a job, whatever its state; one that is not final is cancelled first.

        Its id reads as gone from then on, and a webhook that was not delivered never is.

        Raises:
            JobNotFound, JobExpired, QueueUnavailable: as for `read`.
        """
        self.read(job_id)
        self._call(self._purge, [], [job_id, self._result_ttl_seconds, int(time.time() * 1000)])

    def read(self, job_id: str) -> JobView:
        """One job as it stands.

        Raises:
            JobNotFound: no job has this id.
            JobExpired: it was here, and its result's time is over, or it was purged.
            QueueUnavailable: Redis did not answer.
        """
        self.check_id(job_id)
        return self.view_of(job_id, self._call(self.read_script, [keys.job(job_id)], self.read_args(job_id)))

    def check_id(self, job_id: str) -> None:
        """Refuses what cannot be the id of a job.

        Raises:
            JobNotFound: it was not minted here.
            QueueUnavailable: Redis did not answer.
        """
        if self._job_ids().age_seconds(job_id) is None:
            raise JobNotFound("no job has this id")

    def read_args(self, job_id: str, fields: Sequence[str] = _FIELDS) -> list[Any]:
        """The arguments of `read.lua`; `fields` begin with the state."""
        return [job_id, self._result_ttl_seconds, *fields]

    def view_of(self, job_id: str, answer: Sequence[bytes | None] | None, fields: Sequence[str] = _FIELDS) -> JobView:
        """What `read.lua` answered for these fields.

        Raises:
            JobNotFound, JobExpired, QueueUnavailable: as for `read`.
        """
        if answer is None:
            age_seconds = self._job_ids().age_seconds(job_id)
            if age_seconds is None or age_seconds < self._result_ttl_seconds:
                raise JobNotFound("no job has this id")  # minted here, but the submit was refused
            raise JobExpired("this job's result has expired; submit it again")
        if answer[0] == PURGED.encode():
            raise JobExpired("this job was purged, with its result")
        facts = {name: value for name, value in zip(fields, answer, strict=True) if value is not None}
        return JobView(job_id, State(facts.pop("state").decode()), facts.pop("outcome", None), facts)

    def read_chunks(self, job_id: str, chunks: Sequence[int]) -> list[bytes | None]:
        """The JSON arrays of a batch job's finished chunks; None for those that are not finished."""
        if not chunks:
            return []
        try:
            return cast(list[bytes | None], self._redis.hmget(keys.rows(job_id), [str(chunk) for chunk in chunks]))
        except RedisError as error:
            raise QueueUnavailable from error

    def depths(self) -> dict[str, LaneDepth]:
        """How full each lane is."""
        rows = cast(list[list[int]], self._call(self._depth, [], []))
        streams = list(zip(STREAMS, rows, strict=True))
        return {lane.value: add_up([row for name, row in streams if lane_of(name) is lane]) for lane in Lane}

    def pace(self) -> Pace | None:
        """How fast the queue drains; None while no worker has measured it."""
        return self._look_at_pace()

    def memory_fraction(self) -> float:
        """How much of Redis's `maxmemory` is used; 0 where it has no bound."""
        try:
            memory = cast(dict[str, int], self._redis.info("memory"))
        except RedisError as error:
            raise QueueUnavailable from error
        bound = memory.get("maxmemory", 0)
        return memory["used_memory"] / bound if bound else 0.0

    def _look_at_pace(self) -> Pace | None:
        try:
            return self._pace.pace()
        except RedisError as error:
            raise QueueUnavailable from error

    def _find_no_room(self) -> StorageFull | None:
        """Why nothing new can be accepted; a repeated request is still told of its job."""
        now = time.monotonic()
        if now - self._memory_read_at > MEMORY_REFRESH_SECONDS:
            self._memory_read_at = now
            self._is_full = self.memory_fraction() > HIGH_WATER
        if not self._is_full:
            return None
        return StorageFull("Redis's memory is almost full; jobs are accepted again when results have expired")

    def find_replay(self, idempotency: Idempotency) -> str | None:
        """The id of the job that the same request under the same Idempotency-Key has become; None if none has."""
        try:
            known = self._redis.hmget(keys.idempotency(idempotency.key), ["fingerprint", "job"])
        except RedisError as error:
            raise QueueUnavailable from error
        fingerprint, job_id = cast(list[bytes | None], known)
        return job_id.decode() if job_id and fingerprint == idempotency.fingerprint.encode() else None

    def _job_ids(self) -> JobIds:
        """Looks the secret up from time to time: a Redis that lost its data has another one for all processes."""
        ids, now = self._ids, time.monotonic()
        if ids is None or now - self._secret_read_at > SECRET_REFRESH_SECONDS:
            self._secret_read_at = now  # first, so that other threads do not look as well
            try:
                self._redis.set(keys.ID_SECRET, secrets.token_bytes(SECRET_BYTES), nx=True)
                ids = self._ids = JobIds(cast(bytes, self._redis.get(keys.ID_SECRET)))
            except RedisError as error:
                if ids is None:
                    raise QueueUnavailable from error
        return ids

    def _call(self, script: Script, script_keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Calls a script that is safe to repeat."""
        try:
            return call_together([Call(script, script_keys, args)])[0]
        except RedisError as error:
            raise QueueUnavailable from error
