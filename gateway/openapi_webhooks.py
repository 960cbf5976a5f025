"""Webhooks in the OpenAPI document: the two calls, their schemas, and the messages that receivers get."""

from collections.abc import Callable
from typing import Any

from rhizome.jobs import State

_TEXT = {"type": "string"}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": ["integer", "null"]}
_STATUS = {
    "state": {"enum": ["pending", "delivered", "failed"]},
    "attempts": {"type": "integer"},
    "last_attempt_at": _MOMENT,
    "next_attempt_at": _MOMENT,
    "last_status": _NUMBER | {"description": "HTTP status that the receiver sent."},
    "last_error": {"type": ["string", "null"], "description": "What went wrong, in one word."},
}
_HEADERS = {
    "webhook-id": "The same at every attempt: whoever has seen it may skip it.",
    "webhook-timestamp": "Seconds since 1970; refuse what is older than five minutes.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several, where secrets change.",
    "traceparent": "W3C Trace Context: the trace of the request that submitted the job.",
}
_JOB_ID = "agravu6wnzcqvd4rp3et76ntex3a7lpx"
_REDELIVERY = {"id": f"{_JOB_ID}_completed", "urls": {"webhook": f"/result/{_JOB_ID}/webhook"}}
_LOG = {
    "job_id": _JOB_ID,
    "deliveries": [
        {
            "id": f"{_JOB_ID}_completed",
            "event": "completed",
            "url": "https://example.com/hook",
            "happened_at": "2026-11-23T23:53:04.960+00:00",
            "state": "delivered",
            "attempts": 1,
            "last_attempt_at": "2026-11-23T23:53:05.190+00:00",
            "next_attempt_at": None,
            "last_status": 204,
            "last_error": None,
        }
    ],
    "attempts": [
        {
            "id": f"{_JOB_ID}_completed",
            "attempt": 1,
            "at": "2026-11-23T23:53:05.190+00:00",
            "outcome": "delivered",
            "status": 204,
            "error": None,
            "duration_ms": 8.8,
            "next_attempt_at": None,
        }
    ],
    "urls": {"redeliver": f"/result/{_JOB_ID}/webhook/redeliver"},
}


def webhook_paths(operation: Callable[..., dict[str, Any]], parameters: list[Any]) -> dict[str, Any]:
    """The paths.

    Args:
        operation: as all paths are written.
        parameters: of calls that concern one job.
    """
    return {
        "/result/{id}/webhook": {
            "get": operation(
                "webhooks",
                "Read what became of a job's webhook",
                "webhook",
                {"200": _answer("Every delivery, and the last attempts.", "WebhookLog", _LOG)},
                errors=(404, 410, 503),
                parameters=parameters,
            )
        },
        "/result/{id}/webhook/redeliver": {
            "post": operation(
                "webhooks",
                "Have a job's last event sent again, under the same webhook-id",
                "redeliver",
                {"202": _answer("It will be sent, or is being tried already.", "WebhookRedelivery", _REDELIVERY)},
                errors=(404, 410, 503),
                parameters=parameters,
            )
        },
    }


def webhook_schemas() -> dict[str, Any]:
    """The component schemas."""
    delivery = {"id": _TEXT, "event": {"enum": ["started", "progress", "completed"]}, "url": _TEXT}
    attempt = {
        "id": _TEXT,
        "attempt": {"type": "integer"},
        "at": _MOMENT,
        "outcome": {"enum": ["delivered", "retry", "failed"]},
        "status": _NUMBER,
        "error": {"type": ["string", "null"]},
        "duration_ms": {"type": "number"},
        "next_attempt_at": _MOMENT,
    }
    return {
        "WebhookStatus": _object(_STATUS),
        "WebhookLog": _object(
            {
                "job_id": _TEXT,
                "deliveries": _list(_object(delivery | {"happened_at": _MOMENT} | _STATUS)),
                "attempts": _list(_object(attempt)),
                "urls": {"type": "object", "properties": {"redeliver": _TEXT}},
            }
        ),
        "WebhookRedelivery": _object({"id": _TEXT, "urls": {"type": "object", "properties": {"webhook": _TEXT}}}),
        "WebhookMessage": _object(
            {
                "type": {"enum": ["job.started", "job.progress", *(f"job.{s}" for s in State if s.is_final)]},
                "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
                "data": {"$ref": "#/components/schemas/Job"},
            }
        ),
    }


def webhook_messages() -> dict[str, Any]:
    """What receivers get: the `webhooks` of the document."""
    parameters = [
        {"name": name, "in": "header", "required": True, "description": described, "schema": _TEXT}
        for name, described in _HEADERS.items()
    ]
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/WebhookMessage"}}}
    post = {
        "summary": "An event of a job (Standard Webhooks)",
        "operationId": "receiveEvent",
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "2XX": {"description": "Taken; it is not sent again."},
            "410": {
                "description": "Nobody listens here any more; like every other 3xx or 4xx, it is the last attempt."
            },
            "429": {"description": "Later: 408, 425, 429 and 5xx are tried again; `Retry-After` is honoured."},
        },
    }
    return {"jobEvent": {"post": post}}


def _answer(description: str, schema: str, example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}
    return {"description": description, "content": content}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
