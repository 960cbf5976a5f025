"""The body of a message: its type, when it happened, and the job as it stood then, as `GET /result/<id>` shows it."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from rhizome.webhooks.outbox import Delivery

_encode = msgspec.json.Encoder().encode


def build_body(delivery: Delivery) -> bytes:
    """The JSON body: the same bytes at every attempt."""
    return _encode(
        {
            "type": message_type(delivery),
            "timestamp": _iso(int(delivery.facts["at"])),
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
    document: dict[str, Any] = {
        "id": delivery.job_id,
        "status": delivery.text("status"),
        "kind": delivery.text("kind"),
        "lane": delivery.text("lane").partition(":")[0],
        "request_id": delivery.text("request_id"),
        "submitted_at": _iso(_submitted_ms(delivery)),
        "finished_at": _iso(_number(delivery, "finished_at")) if "finished_at" in delivery.facts else None,
    }
    if delivery.text("kind") != "single":
        document |= _batch_facts(delivery)
    if "error" in delivery.facts:
        document["error"] = msgspec.Raw(delivery.facts["error"])
    result = f"/result/{delivery.job_id}"
    return document | {"urls": {"result": result, "cancel": result, "stream": f"{result}/stream"}}


def _batch_facts(delivery: Delivery) -> dict[str, Any]:
    submitted = _submitted_ms(delivery)
    started, finished = _number(delivery, "started_at"), _number(delivery, "finished_at")
    return {
        "version": delivery.text("version") or None,
        "rows": {
            "total": _number(delivery, "rows"),
            "done": _number(delivery, "done"),
            "failed": _number(delivery, "failed"),
        },
        "timings": {
            "queued_ms": max(0, started - submitted) if started else None,
            "compute_ms": round(float(delivery.facts.get("compute_ms", b"0")), 3),
            "total_ms": max(0, finished - submitted) if finished else None,
        },
    }


def _submitted_ms(delivery: Delivery) -> int:
    """The id of the job's first entry begins with it."""
    return int(delivery.facts["entry"].split(b"-")[0])


def _number(delivery: Delivery, name: str) -> int:
    return int(delivery.facts.get(name, b"0"))


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
