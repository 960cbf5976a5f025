"""Many jobs into the queue at once: every one by the service's own submit, their round trips shared.

`Submissions` makes each call as ever, and Redis runs the real script for each; only the wire is another: calls are
collected and sent together, as a hundred thousand round trips would take minutes.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis import Redis

from benchmarks.stacks import StackError
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import DEFAULT_PRIORITY, Encoding, Lane, ScoreRequest, stream_of
from rhizome.keys import lane
from rhizome.manifest import Manifest

CALLS_AT_ONCE = 500
MOST_WAITING = 100_000_000
RESULT_TTL_SECONDS = 3600
#: What a submit is told while the real answer has yet to come: accepted, first entry, nothing before it, no estimate.
ASSUMED_ANSWER = [b"accepted", b"1-0", 0, b"", -1]
STREAM = lane(stream_of(Lane.INTERACTIVE, DEFAULT_PRIORITY, "single"))  #: where single jobs wait


def fill(
    redis: Redis, manifest: Manifest, jobs: int, rows: Sequence[Sequence[float]], report: Callable[[int], Any] = int
) -> list[str]:
    """Submits so many single jobs.

    Args:
        redis: the service's.
        manifest: of the version that the jobs are for.
        jobs: how many.
        rows: samples in the signature's order; sent in turn.
        report: is told how many more jobs are submitted.

    Returns:
        Their ids.

    Raises:
        StackError: not all were accepted.
    """
    requests = make_requests(manifest, rows)
    recorder = _Recorder(redis)
    limits = {each.value: MOST_WAITING for each in Lane}
    first = Submissions(redis, limits, RESULT_TTL_SECONDS)  # sends the script to Redis
    later = Submissions(recorder, limits, RESULT_TTL_SECONDS)  # type: ignore[arg-type]
    ids: list[str] = []
    while len(ids) < jobs:
        through = later if ids else first
        for _ in range(min(CALLS_AT_ONCE, jobs - len(ids)) if ids else 1):
            job_id = through.mint_id()
            ids.append(job_id)
            through.submit(Lane.INTERACTIVE, [next(requests)(job_id)])
        report(recorder.send() if through is later else 1)
    return ids


def make_requests(manifest: Manifest, rows: Sequence[Sequence[float]]) -> Iterator[Callable[[str], ScoreRequest]]:
    """Builds stream entries as the gateway does, from samples in turn, for ever."""
    payloads = [struct.pack(f"<{len(row)}d", *row) for row in rows]
    digest, version = manifest.signature.digest, manifest.version
    turn = 0
    while True:
        payload = payloads[turn % len(payloads)]
        turn += 1
        yield (
            lambda job_id, payload=payload: ScoreRequest(  # type: ignore[misc]
                job_id, "single", 1, Encoding.FLOAT64, payload, digest, version, request_id=job_id[:16]
            )
        )


def read_entries(redis: Redis, count: int) -> list[bytes]:
    """The messages of the first entries that wait, as scorers will get them."""
    entries: list[tuple[bytes, dict[bytes, bytes]]] = redis.xrange(STREAM, count=count)  # type: ignore[assignment]
    return [fields[b"m"] for _, fields in entries]


class _Recorder:
    """A client whose scripts' calls are collected; `send` sends them. Everything else goes to the real client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._connection = redis.connection_pool.make_connection()
        self._calls: list[tuple[Any, ...]] = []
        self.connection_pool = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    def make_connection(self) -> "_Recorder":
        return self

    def send_command(self, *words: Any) -> None:
        self._calls.append(words)

    def read_response(self) -> list[Any]:
        return list(ASSUMED_ANSWER)

    def send(self) -> int:
        """Sends what was collected; how many calls that were."""
        calls, self._calls = self._calls, []
        self._connection.send_packed_command(self._connection.pack_commands(calls))
        for answer in [self._connection.read_response() for _ in calls]:
            if answer[0] != b"accepted":
                raise StackError(f"a submit was answered {answer!r}")
        return len(calls)
