"""The body of a message: its type, when it happened, and the job as it stood then, as `GET /result/<id>` shows it."""

import hashlib
from typing import Any

import msgspec

from rhizome.job_documents import batch_urls, head_of, iso, job_urls, progress_of
from rhizome.job_queue.views import JobView
from rhizome.jobs import State
from rhizome.webhooks.outbox import Delivery

_encode = msgspec.json.Encoder().encode


def build_body(delivery: Delivery) -> bytes:
    """The JSON body: the same bytes at every attempt."""
    return _encode(
        {
            "type": message_type(delivery),
            "timestamp": iso(int(delivery.facts["at"])),
            "data": _data(delivery),
        }
    )


def message_type(delivery: Delivery) -> str:
    """`job.started`, `job.progress`, or `job.` and the final state."""
    name = delivery.text("event").partition("-")[0]
    return f"job.{delivery.text('status') if name == 'completed' else name}"


def trace_id(delivery: Delivery) -> str:
    """32 hexadecimal digits: those of the request that submitted the job, or the job's own."""
    own = hashlib.blake2b(delivery.job_id.encode(), digest_size=16).hexdigest()
    return delivery.text("webhook_trace") or own


def _data(delivery: Delivery) -> Any:
    if "outcome" in delivery.facts:
        return msgspec.Raw(delivery.facts["outcome"])
    job = JobView(delivery.job_id, State(delivery.text("status")), None, delivery.facts)
    document = head_of(job)
    if delivery.text("kind") != "single":
        return document | progress_of(job, int(delivery.facts["at"])) | {"urls": batch_urls(job.job_id)}
    return document | {"urls": job_urls(job.job_id)}
