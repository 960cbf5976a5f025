"""What a receiver can be told of a job: the events, and how a submit asks for them.

A single job has one event, its end. A batch job may also have `started`, when its first chunk is taken, and `progress`,
once per tenth of its chunks at most. Each event is sent by itself, so one that is retried may come after a later one.
"""

from collections.abc import Sequence
from enum import StrEnum


class Event(StrEnum):
    """The names that `webhook_events` takes."""

    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"


DEFAULT_EVENTS = (Event.COMPLETED,)


def record_fields(url: str, events: Sequence[str], trace_id: str) -> dict[str, str]:
    """What a job's record holds for its webhook; `outbox.lua` reads it.

    Args:
        url: of the receiver, in its normal form.
        events: values of `Event`.
        trace_id: 32 hexadecimal digits that follow the job (W3C Trace Context).
    """
    return {"webhook": url, "webhook_events": ",".join(events), "webhook_trace": trace_id}
