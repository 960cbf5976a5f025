"""The JSON documents of webhooks: how the last delivery of a job stands, and the log of all."""

import logging
from typing import Any

from redis.exceptions import RedisError

from gateway.documents import encode
from gateway.service import Service
from rhizome.job_documents import iso
from rhizome.job_queue.views import JobView
from rhizome.webhooks.ledger import Attempt, DeliveryView

log = logging.getLogger(__name__)


def with_webhook_status(here: Service, job: JobView, document: bytes) -> bytes:
    """The job's document with `webhook_status`, if the job has a webhook; null before its first event."""
    return add_webhook_status(here, job.job_id, document) if "webhook" in job.facts else document


def add_webhook_status(here: Service, job_id: str, document: bytes) -> bytes:
    """The document of a job that has a webhook with `webhook_status`; null before its first event.

    Where Redis goes away meanwhile, the document as it is: the answer is at hand, and worth more.
    """
    try:
        last = here.webhooks.last(job_id)
    except RedisError as error:
        log.warning("webhook_status_not_read", extra={"job_id": job_id, "reason": type(error).__name__})
        return document
    status = encode(delivery_status(last) if last else None)
    # The document of a single job comes ready-made from the worker: an object that is never empty.
    return document.removesuffix(b"}") + b',"webhook_status":' + status + b"}"


def delivery_status(delivery: DeliveryView) -> dict[str, Any]:
    """How one delivery stands."""
    facts = delivery.facts
    return {
        "state": facts["state"].decode(),
        "attempts": int(facts["attempts"]),
        "last_attempt_at": _moment(facts, "last_at"),
        "next_attempt_at": _moment(facts, "next_at"),
        "last_status": int(facts["last_status"]) if facts.get("last_status") else None,
        "last_error": facts.get("last_error", b"").decode() or None,
    }


def log_document(job_id: str, deliveries: list[DeliveryView], attempts: list[Attempt]) -> bytes:
    """A job's deliveries in the order of their events, and the last attempts at them."""
    return encode(
        {
            "job_id": job_id,
            "deliveries": [_delivery_document(delivery) for delivery in deliveries],
            "attempts": [_attempt_document(attempt) for attempt in attempts],
            "urls": {"redeliver": f"/result/{job_id}/webhook/redeliver"},
        }
    )


def _delivery_document(delivery: DeliveryView) -> dict[str, Any]:
    facts = delivery.facts
    return {
        "id": delivery.id,
        "event": facts["event"].decode().partition("-")[0],
        "url": facts["url"].decode(),
        "happened_at": _moment(facts, "at"),
    } | delivery_status(delivery)


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "attempt": attempt.attempt,
        "at": iso(attempt.at),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "error": attempt.error,
        "duration_ms": attempt.duration_ms,
        "next_attempt_at": iso(attempt.next_at) if attempt.next_at else None,
    }


def _moment(facts: dict[str, bytes], name: str) -> str | None:
    return iso(int(facts[name])) if name in facts else None
