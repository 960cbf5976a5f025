"""Many jobs into the queue at once: every one by the service's own submit, as many in a call as arrive at one moment.

The gateway itself submits those together that arrive together; a hundred thousand round trips would take minutes.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from redis import Redis

from benchmarks.stacks import StackError
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import DEFAULT_PRIORITY, Encoding, Lane, ScoreRequest, stream_of
from rhizome.keys import lane
from rhizome.manifest import Manifest

JOBS_AT_ONCE = 256
MOST_WAITING = 100_000_000
RESULT_TTL_SECONDS = 3600
STREAM = lane(stream_of(Lane.INTERACTIVE, DEFAULT_PRIORITY, "single"))  #: where single jobs wait


def fill(redis: Redis, manifest: Manifest, jobs: int, rows: Sequence[Sequence[float]]) -> list[str]:
    """Submits so many single jobs.

    Args:
        redis: the service's.
        manifest: of the version that the jobs are for.
        jobs: how many.
        rows: samples in the signature's order; sent in turn.

    Returns:
        Their ids.

    Raises:
        StackError: one was not accepted.
    """
    submissions = Submissions(redis, dict.fromkeys(Lane, MOST_WAITING), RESULT_TTL_SECONDS)
    requests = make_requests(manifest, rows, submissions.mint_id)
    ids: list[str] = []
    while len(ids) < jobs:
        group = [next(requests) for _ in range(min(JOBS_AT_ONCE, jobs - len(ids)))]
        submits = [submissions.prepare(Lane.INTERACTIVE, [request]) for request in group]
        words = [*submissions.submit_head(), *(word for submit in submits for word in submit.args)]
        for answer in submissions.submit_script(args=words):
            if answer[0] != b"accepted":
                raise StackError(f"a submit was answered {answer!r}")
        ids += [request.job_id for request in group]
    return ids


def make_requests(
    manifest: Manifest, rows: Sequence[Sequence[float]], mint_id: Callable[[], str]
) -> Iterator[ScoreRequest]:
    """Stream entries as the gateway builds them, from samples in turn, for ever."""
    digest, version = manifest.signature.digest, manifest.version
    for payload in cycle([struct.pack(f"<{len(row)}d", *row) for row in rows]):
        job_id = mint_id()
        yield ScoreRequest(job_id, "single", 1, Encoding.FLOAT64, payload, digest, version, request_id=job_id[:16])


def read_entries(redis: Redis, count: int) -> list[bytes]:
    """The messages of the first entries that wait, as scorers will get them."""
    entries: list[tuple[bytes, dict[bytes, bytes]]] = redis.xrange(STREAM, count=count)  # type: ignore[assignment]
    return [fields[b"m"] for _, fields in entries]
