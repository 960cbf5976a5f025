"""The OpenAPI 3.1 document: every path with its parameters, examples and errors. The schemas are next door."""

from typing import Any

from gateway.champion import Known
from gateway.openapi_examples import JobExamples, batch_examples
from gateway.openapi_files import FORMAT, file_bodies, row_answers
from gateway.openapi_operations import accepted, answer, operation
from gateway.openapi_parameters import (
    ERROR_THRESHOLD,
    ID,
    IDEMPOTENCY_KEY,
    LAST_EVENT_ID,
    OFFSET,
    OPTIONS,
    PREFER,
    PURGE,
    REQUEST_ID,
    WAIT,
    limit,
)
from gateway.openapi_protocols import build_protocol_paths, build_protocol_schemas
from gateway.openapi_schemas import build_schemas
from gateway.openapi_service import service_paths, service_schemas
from gateway.openapi_webhooks import webhook_messages, webhook_paths, webhook_schemas
from rhizome import __version__

_JOB = {"$ref": "#/components/schemas/Job"}
#: One server-sent event.
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {"enum": ["status", "progress", "done"]},
        "id": {"type": "string", "description": "Send it back as `Last-Event-ID` to resume."},
        "data": {"type": "string", "description": "The job as JSON."},
    },
}


def build_openapi(known: Known, *, max_rows: int) -> dict[str, Any]:
    """The whole document.

    Args:
        known: the champion, whose signature gives the request schemas and examples.
        max_rows: the most rows a JSON batch may hold.
    """
    examples = JobExamples(known.manifest)
    sample = {feature.name: feature.example for feature in known.manifest.signature.features}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Rhizome: {known.manifest.name}",
            "version": __version__,
            "description": f"Predicts `{known.manifest.signature.targets}`. Champion: `{known.manifest.version}`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": (
            _job_paths(sample, max_rows, examples)
            | webhook_paths(operation, [ID, REQUEST_ID])
            | build_protocol_paths(known.manifest, examples, max_rows=max_rows)
            | service_paths(known.manifest)
        ),
        "webhooks": webhook_messages(),
        "components": {
            "schemas": (
                build_schemas(known, max_rows) | build_protocol_schemas() | webhook_schemas() | service_schemas()
            ),
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def _job_paths(sample: dict[str, Any], max_rows: int, examples: JobExamples) -> dict[str, Any]:
    submit_errors = (400, 403, 404, 409, 410, 413, 415, 422, 429, 503)
    return {
        "/predict": {
            "post": operation(
                "jobs",
                "Submit one sample",
                "predict",
                {
                    "200": answer("The result, within the time waited.", _JOB, examples.single),
                    "202": accepted("single"),
                },
                errors=submit_errors,
                parameters=[WAIT, PREFER, *OPTIONS, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Sample"}, sample),
            )
        },
        "/predict/batch": {
            "post": operation(
                "jobs",
                "Submit many samples under one id",
                "predictBatch",
                {"200": answer("The result, within the time waited.", _JOB, examples.batch), "202": accepted("batch")},
                errors=submit_errors,
                parameters=[WAIT, PREFER, *OPTIONS, ERROR_THRESHOLD, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Batch"}, batch_examples(sample)),
                many_examples=True,
                other_bodies=file_bodies(sample),
            )
        },
        "/result/{id}": {
            "get": operation(
                "jobs",
                "Read a job's status and result",
                "result",
                _with_rows(
                    answer(
                        "The job as it stands; or all rows of a batch, in the form asked for.", _JOB, examples.batch
                    ),
                    examples,
                ),
                errors=(400, 404, 406, 409, 410, 416, 503),
                parameters=[ID, WAIT, PREFER, OFFSET, limit(max_rows), FORMAT, REQUEST_ID],
            ),
            "delete": operation(
                "jobs",
                "Cancel a job that is queued or running, or remove any for good",
                "cancel",
                {
                    "200": answer("Cancelled, now or before.", _JOB, examples.cancelled),
                    "204": {"description": "Purged: nothing of it is kept, and its id reads as gone (410)."},
                },
                errors=(400, 404, 409, 410, 503),
                parameters=[ID, PURGE, REQUEST_ID],
            ),
        },
        "/result/{id}/stream": {
            "get": operation(
                "jobs",
                "Follow a job as server-sent events",
                "stream",
                {
                    "200": {
                        "description": "Events `status`, `progress` and `done`, each with the job as it stands.",
                        "content": {"text/event-stream": {"schema": _EVENT, "example": examples.event()}},
                    },
                    "204": {"description": "`Last-Event-ID` was the last event there is."},
                },
                errors=(404, 410, 503),
                parameters=[ID, LAST_EVENT_ID, REQUEST_ID],
            )
        },
    }


def _with_rows(document: dict[str, Any], examples: JobExamples) -> dict[str, Any]:
    """The answers that give a job: its document, and a batch's rows in other forms."""
    rows = row_answers(examples)
    return rows | {"200": document | {"content": document["content"] | rows["200"]}}
