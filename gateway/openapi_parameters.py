"""The parameters of the OpenAPI document: what may stand in a query string or a header of a job's calls."""

from typing import Any

from gateway.options import (
    MAX_DEADLINE_MS,
    MAX_NAME_CHARACTERS,
    MAX_TOP_K,
    PRIORITY_HEADER,
)
from rhizome.jobs import DEFAULT_PRIORITY, PRIORITIES, Returns
from rhizome.webhooks.events import DEFAULT_EVENTS, Event
from rhizome.webhooks.targets import MAX_URL_CHARACTERS, USUAL_URL

_PRIORITY = {"type": "integer", "enum": list(PRIORITIES), "default": DEFAULT_PRIORITY}


def _query(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema} | more


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The job's id, from the 202.",
    "schema": {"type": "string", "pattern": "^[a-z2-7]{32}$"},
}
WAIT = _query(
    "wait",
    "Seconds to wait for the result before answering with what is known.",
    {"type": "number", "minimum": 0},
    example=5,
)
PURGE = _query(
    "purge",
    "Remove the job for good, whatever its state, with its rows, files, Idempotency-Key and webhook's log; events that "
    "were not delivered never are.",
    {"type": "boolean", "default": False},
)
PREFER = _header("Prefer", "`wait=N`: as the parameter `wait` (RFC 7240).", {"type": "string"})
IDEMPOTENCY_KEY = _header(
    "Idempotency-Key",
    "The same key and request again: the first job, for as long as its result is kept.",
    {"type": "string", "pattern": "^[!-~][ -~]{0,254}$"},
)
LAST_EVENT_ID = _header(
    "Last-Event-ID", "The last event that was seen; sent by browsers when they come back.", {"type": "string"}
)
FORCE = _query(
    "force",
    "Train though dataset, settings and libraries are those of a version that stands. The gate judges all the same.",
    {"type": "boolean", "default": False},
)
REQUEST_ID = _header(
    "X-Request-ID",
    "Follows the job through every log: 1 to 64 letters, digits, `.`, `_` or `-`. Made here where it is anything else.",
    {"type": "string"},
)

#: What a submit may ask for; the same names may stand in a JSON body.
OPTIONS = [
    _query(
        "version",
        "Score with this version instead of the champion.",
        {"type": "string", "maxLength": MAX_NAME_CHARACTERS},
    ),
    _query("priority", "0 goes first, 2 last, among single samples; of no effect on a batch.", _PRIORITY),
    _header(PRIORITY_HEADER, "As the parameter `priority`.", _PRIORITY),
    _query(
        "deadline_ms",
        "Milliseconds from now. A job that cannot be done by then is refused with 429; one that no worker has taken by "
        "then becomes `expired`.",
        {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MS},
    ),
    _query("return", "The part of each answer that is wanted.", {"enum": [*Returns], "default": Returns.BOTH.value}),
    _query("top_k", "Only the k most probable classes.", {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K}),
    _query(
        "webhook",
        "Where the job's events are sent.",
        {"type": "string", "format": "uri", "pattern": USUAL_URL, "maxLength": MAX_URL_CHARACTERS},
        example="https://example.com/hooks",
    ),
    _query(
        "webhook_events",
        "Which events are sent, separated by commas.",
        {"type": "array", "items": {"enum": list(Event)}, "minItems": 1, "maxItems": len(Event)},
        style="form",
        explode=False,
        example=list(DEFAULT_EVENTS),
    ),
]
ERROR_THRESHOLD = _query(
    "error_threshold",
    "More failed rows than this fail the job, and the rest is not scored; -1 for any number. Of a file, no more than "
    "RHIZOME_MAX_FAILED_ROWS (100,000) may fail.",
    {"type": "integer", "minimum": -1, "maximum": 2**31, "default": -1},
)


OFFSET = _query(
    "offset", "First row of a batch to show.", {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0}
)


def limit(max_rows: int) -> dict[str, Any]:
    """How many rows of a batch an answer shows."""
    schema = {"type": "integer", "minimum": 1, "maximum": max_rows, "default": max_rows}
    return _query("limit", "How many rows of a batch to show.", schema)
