"""The OpenAPI 3.1 document: every path with its parameters, examples and errors. The schemas are next door."""

from typing import Any

from gateway.champion import Known
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
    REQUEST_ID,
    WAIT,
    limit,
)
from gateway.openapi_protocols import build_protocol_paths, build_protocol_schemas
from gateway.openapi_schemas import build_schemas
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
            _job_paths(sample, max_rows)
            | webhook_paths(operation, [ID, REQUEST_ID])
            | build_protocol_paths(known.manifest)
            | _health_paths()
            | _model_paths()
        ),
        "webhooks": webhook_messages(),
        "components": {
            "schemas": build_schemas(known, max_rows) | build_protocol_schemas() | webhook_schemas(),
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def _job_paths(sample: dict[str, Any], max_rows: int) -> dict[str, Any]:
    submit_errors = (400, 403, 404, 409, 413, 415, 422, 429, 503)
    return {
        "/predict": {
            "post": operation(
                "jobs",
                "Submit one sample",
                "predict",
                {"200": answer("The result, within the time waited.", _JOB), "202": accepted()},
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
                {"200": answer("The result, within the time waited.", _JOB), "202": accepted()},
                errors=submit_errors,
                parameters=[WAIT, PREFER, *OPTIONS, ERROR_THRESHOLD, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Batch"}, {"instances": [sample, sample]}),
                other_bodies=file_bodies(sample),
            )
        },
        "/result/{id}": {
            "get": operation(
                "jobs",
                "Read a job's status and result",
                "result",
                _with_rows(answer("The job as it stands; or all rows of a batch, in the form asked for.", _JOB)),
                errors=(400, 404, 406, 409, 410, 416, 503),
                parameters=[ID, WAIT, PREFER, OFFSET, limit(max_rows), FORMAT, REQUEST_ID],
            ),
            "delete": operation(
                "jobs",
                "Cancel a job that is queued or running",
                "cancel",
                {"200": answer("Cancelled, now or before.", _JOB)},
                errors=(404, 409, 410, 503),
                parameters=[ID, REQUEST_ID],
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
                        "content": {"text/event-stream": {"schema": _EVENT}},
                    },
                    "204": {"description": "`Last-Event-ID` was the last event there is."},
                },
                errors=(404, 410, 503),
                parameters=[ID, LAST_EVENT_ID, REQUEST_ID],
            )
        },
    }


def _health_paths() -> dict[str, Any]:
    report = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    paths = {}
    for path, summary in (
        ("/health", "Queue, latency, workers, champion, training"),
        ("/readyz", "Would a job submitted now be answered?"),
        ("/livez", "Does the gateway process run?"),
    ):
        answers = {"200": answer("Well.", report)}
        if path != "/livez":
            answers["503"] = answer("Nothing can answer now; the body says why.", report)
        paths[path] = {"get": operation("health", summary, path.strip("/"), answers)}
    return paths


def _model_paths() -> dict[str, Any]:
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    pointer = {"type": "object", "properties": {"version": {"type": "string"}}}
    admin: dict[str, Any] = {"security": [{"adminKey": []}]}
    return {
        "/models": {
            "get": operation(
                "models",
                "Every version with metrics, gate verdict and lineage",
                "models",
                {"200": answer("Newest first.", {"type": "object"})},
                errors=(503,),
            )
        },
        "/models/{version}/promote": {
            "post": operation(
                "models",
                "Make a version the champion",
                "promote",
                {"200": answer("The pointer was swung.", pointer)},
                errors=(401, 403, 404, 409, 503),
                parameters=[version],
            )
            | admin
        },
        "/models/rollback": {
            "post": operation(
                "models",
                "Put the previous champion back",
                "rollback",
                {"200": answer("The pointer was swung.", pointer)},
                errors=(401, 403, 409, 503),
            )
            | admin
        },
        "/retrain": {
            "post": operation(
                "models",
                "Start a training run",
                "retrain",
                {"202": answer("Queued, or already under way.", {"type": "object"})},
                errors=(401, 403, 503),
            )
            | admin
        },
    }


def _with_rows(document: dict[str, Any]) -> dict[str, Any]:
    """The answers that give a job: its document, and a batch's rows in other forms."""
    rows = row_answers()
    return rows | {"200": document | {"content": document["content"] | rows["200"]}}
