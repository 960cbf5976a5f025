"""Both sides of the job queue, wired by hand on a real Redis, in the words of the tests."""

import json
import struct
import time
from collections.abc import Sequence
from typing import Any, cast

from redis import Redis

from rhizome import keys
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.job_queue.submission import Submissions
from rhizome.job_queue.terms import Terms
from rhizome.job_queue.views import JobView, Receipt
from rhizome.jobs import STREAMS, Encoding, Lane, ScoreRequest, State
from rhizome.settings import Settings
from tests.support.versions import SETOSA

DEADLINE_SECONDS = 10.0
PLAIN = Terms()


def pack_rows(rows: Sequence[Sequence[float]]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)


def build_request(job_id: str, **changes: Any) -> ScoreRequest:
    """A single job of one iris row, unless `changes` say otherwise."""
    facts: dict[str, Any] = {
        "job_id": job_id,
        "kind": "single",
        "rows": 1,
        "encoding": Encoding.FLOAT64,
        "payload": pack_rows([SETOSA]),
        "signature": "",
        "version": "v1",
        "request_id": "r1",
    }
    return ScoreRequest(**(facts | changes))


def build_chunks(job_id: str, sizes: Sequence[int], **changes: Any) -> list[ScoreRequest]:
    """The chunks of one batch job."""
    return [
        build_request(job_id, kind="batch", chunk=chunk, rows=rows, payload=pack_rows([SETOSA] * rows), **changes)
        for chunk, rows in enumerate(sizes)
    ]


def succeed(claimed: Claimed, body: bytes | None = None, **changes: Any) -> Finished:
    """What a scorer hands in for an entry that it could score."""
    if body is None:
        rows: Any = [{"label": "setosa"}] * claimed.request.rows
        is_single = claimed.request.kind == "single"
        body = json.dumps({"id": claimed.request.job_id, "status": "succeeded"} if is_single else rows).encode()
    return Finished(claimed, **({"state": State.SUCCEEDED, "body": body, "compute_ms": 1.5} | changes))


class Queue:
    """One gateway and as many scorers as a test asks for."""

    def __init__(self, redis: Redis, **settings: Any) -> None:
        self.redis = redis
        self.settings = Settings(**({"linger_seconds": 0.05, "lease_seconds": 60.0} | settings))
        self.submissions = Submissions(redis, self.settings.max_waiting, self.settings.result_ttl_seconds)

    def scorer(self, name: str = "scorer-1", lane: Lane = Lane.INTERACTIVE) -> Claims:
        return Claims(self.redis, self.settings, name, lane)

    def batch_scorer(self, name: str = "batch-scorer-1") -> Claims:
        return self.scorer(name, Lane.BATCH)

    def submit(self, terms: Terms = PLAIN, **changes: Any) -> str:
        """Submits a single job; its id."""
        return self.offer(terms, **changes).job_id

    def offer(self, terms: Terms = PLAIN, **changes: Any) -> Receipt:
        """Submits a single job; its receipt."""
        request = build_request(self.submissions.mint_id(), **changes)
        return self.submissions.submit(Lane.INTERACTIVE, [request], terms=terms)

    def submit_batch(self, *sizes: int, terms: Terms = PLAIN, **changes: Any) -> str:
        """Submits a batch job of chunks of so many rows; its id."""
        return self.offer_batch(*sizes, terms=terms, **changes).job_id

    def offer_batch(self, *sizes: int, terms: Terms = PLAIN, **changes: Any) -> Receipt:
        """Submits a batch job of chunks of so many rows; its receipt."""
        chunks = build_chunks(self.submissions.mint_id(), sizes, **changes)
        return self.submissions.submit(Lane.BATCH, chunks, terms=terms)

    def resubmit(self, request: ScoreRequest) -> Receipt:
        return self.submissions.submit(Lane.INTERACTIVE, [request])

    def read(self, job_id: str) -> JobView:
        return self.submissions.read(job_id)

    def bells(self, queue: str = keys.SCORING_QUEUE) -> int:
        """Wake-ups that lie unanswered on the Celery queue."""
        return cast(int, self.redis.llen(queue))

    def hear_bell(self, queue: str = keys.SCORING_QUEUE) -> None:
        """A worker takes the message from the queue; the run it starts has yet to answer the bell."""
        assert self.redis.rpop(queue) is not None, "no bell was rung"

    def waiting(self, lane: Lane) -> int:
        return self.submissions.depths()[lane].waiting

    def in_flight(self, lane: Lane) -> int:
        return self.submissions.depths()[lane].in_flight

    def let_lease_expire(self) -> None:
        """Waits until every delivered entry has been idle for longer than this queue's lease."""
        lease_ms, deadline = int(self.settings.lease_seconds * 1000), time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if all(entry["time_since_delivered"] > lease_ms for entry in self._pending()):
                return
            time.sleep(0.005)
        raise AssertionError("the lease did not expire")

    def _pending(self) -> list[dict[str, Any]]:
        return [entry for stream in STREAMS for entry in self.deliveries(keys.lane(stream))]

    def deliveries(self, stream: str) -> list[dict[str, Any]]:
        """Redis's own record of the delivered entries of a stream; empty where the stream was never read."""
        if not self.redis.exists(stream) or not self.redis.xinfo_groups(stream):
            return []
        return cast(list[dict[str, Any]], self.redis.xpending_range(stream, keys.GROUP, "-", "+", 1000))
