"""A job's life as server-sent events (WHATWG HTML, section 9.2): `status`, `progress` and, at last, `done`.

Each event holds the job as it stands, and its id says how far the job was; so a client that comes back with
`Last-Event-ID` gets what has changed since, without anything being kept for it.
"""

import time
from collections.abc import Callable, Iterator

from gateway.notices import Waiter
from rhizome.errors import RhizomeError
from rhizome.job_queue.views import JobView

#: A comment now and then tells proxies, and us, whether anybody still listens.
KEEP_ALIVE_SECONDS = 10.0
#: Then the stream ends, and the client comes back by itself.
MAX_STREAM_SECONDS = 300.0
_RETRY = b"retry: 1000\n\n"
_KEEP_ALIVE = b": still here\n\n"


def stream_job(
    waiter: Waiter, read: Callable[[], JobView], show: Callable[[JobView], bytes], last_event_id: str
) -> Iterator[bytes]:
    """Yields events until the job is final, `MAX_STREAM_SECONDS` are over, or nobody listens any more.

    Args:
        waiter: wakes the stream; given up at its end.
        read: looks at the job.
        show: the job's document, one line of JSON.
        last_event_id: of the last event that the client has seen; empty for none.
    """
    until, sent_at, seen = time.monotonic() + MAX_STREAM_SECONDS, time.monotonic(), last_event_id
    with waiter:
        yield _RETRY
        while waiter.has_time(until):
            try:
                job = read()
            except RhizomeError:
                return  # Redis is away: the client comes back, and is told so
            if (mark := event_id(job)) != seen:
                yield _event(job, mark, show(job))
                seen, sent_at = mark, time.monotonic()
            if job.is_final:
                return
            if time.monotonic() - sent_at > KEEP_ALIVE_SECONDS:
                yield _KEEP_ALIVE
                sent_at = time.monotonic()
            waiter.sleep(until)


def event_id(job: JobView) -> str:
    """How far a job is: its state, and how many of its rows are done."""
    return f"{job.state}-{job.facts.get('done', b'0').decode()}"


def _event(job: JobView, mark: str, document: bytes) -> bytes:
    under_way = "progress" if "done" in job.facts else "status"
    name = "done" if job.is_final else under_way
    return f"event: {name}\nid: {mark}\ndata: ".encode() + document + b"\n\n"
