"""The OpenAPI 3.1 document: every path with its parameters, examples and errors. The schemas are next door."""

from typing import Any

from gateway.champion import Known
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
from gateway.openapi_schemas import build_schemas
from gateway.openapi_webhooks import webhook_messages, webhook_paths, webhook_schemas
from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE
from rhizome import __version__

JSON = "application/json"
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
_ID_OF_BODY = {"id": "$response.body#/id"}
#: What can be done with an accepted job, for tools that follow links.
_LINKS = {
    "Result": {"operationId": "result", "parameters": _ID_OF_BODY},
    "Cancel": {"operationId": "cancel", "parameters": _ID_OF_BODY},
    "Stream": {"operationId": "stream", "parameters": _ID_OF_BODY},
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
            "description": f"Predicts `{known.manifest.signature.target}`. Champion: `{known.manifest.version}`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": (
            _job_paths(sample, max_rows)
            | webhook_paths(_operation, [ID, REQUEST_ID])
            | _health_paths()
            | _model_paths()
        ),
        "webhooks": webhook_messages(),
        "components": {
            "schemas": build_schemas(known, max_rows) | webhook_schemas(),
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def _job_paths(sample: dict[str, Any], max_rows: int) -> dict[str, Any]:
    submit_errors = (400, 403, 404, 409, 413, 415, 422, 429, 503)
    return {
        "/predict": {
            "post": _operation(
                "jobs",
                "Submit one sample",
                "predict",
                {"200": _answer("The result, within the time waited.", _JOB), "202": _accepted()},
                errors=submit_errors,
                parameters=[WAIT, PREFER, *OPTIONS, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Sample"}, sample),
            )
        },
        "/predict/batch": {
            "post": _operation(
                "jobs",
                "Submit many samples under one id",
                "predictBatch",
                {"200": _answer("The result, within the time waited.", _JOB), "202": _accepted()},
                errors=submit_errors,
                parameters=[WAIT, PREFER, *OPTIONS, ERROR_THRESHOLD, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Batch"}, {"instances": [sample, sample]}),
            )
        },
        "/result/{id}": {
            "get": _operation(
                "jobs",
                "Read a job's status and result",
                "result",
                {"200": _answer("The job as it stands.", _JOB)},
                errors=(400, 404, 410, 503),
                parameters=[ID, WAIT, PREFER, OFFSET, limit(max_rows), REQUEST_ID],
            ),
            "delete": _operation(
                "jobs",
                "Cancel a job that is queued or running",
                "cancel",
                {"200": _answer("Cancelled, now or before.", _JOB)},
                errors=(404, 409, 410, 503),
                parameters=[ID, REQUEST_ID],
            ),
        },
        "/result/{id}/stream": {
            "get": _operation(
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
        answers = {"200": _answer("Well.", report)}
        if path != "/livez":
            answers["503"] = _answer("Nothing can answer now; the body says why.", report)
        paths[path] = {"get": _operation("health", summary, path.strip("/"), answers)}
    return paths


def _model_paths() -> dict[str, Any]:
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    pointer = {"type": "object", "properties": {"version": {"type": "string"}}}
    admin: dict[str, Any] = {"security": [{"adminKey": []}]}
    return {
        "/models": {
            "get": _operation(
                "models",
                "Every version with metrics, gate verdict and lineage",
                "models",
                {"200": _answer("Newest first.", {"type": "object"})},
                errors=(503,),
            )
        },
        "/models/{version}/promote": {
            "post": _operation(
                "models",
                "Make a version the champion",
                "promote",
                {"200": _answer("The pointer was swung.", pointer)},
                errors=(401, 403, 404, 409, 503),
                parameters=[version],
            )
            | admin
        },
        "/models/rollback": {
            "post": _operation(
                "models",
                "Put the previous champion back",
                "rollback",
                {"200": _answer("The pointer was swung.", pointer)},
                errors=(401, 403, 409, 503),
            )
            | admin
        },
        "/retrain": {
            "post": _operation(
                "models",
                "Start a training run",
                "retrain",
                {"202": _answer("Queued, or already under way.", {"type": "object"})},
                errors=(401, 403, 503),
            )
            | admin
        },
    }


def _operation(
    tag: str,
    summary: str,
    name: str,
    responses: dict[str, Any],
    *,
    errors: tuple[int, ...] = (),
    parameters: list[Any] | None = None,
    body: tuple[Any, Any] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"tags": [tag], "summary": summary, "operationId": name}
    if parameters:
        operation["parameters"] = parameters
    if body:
        schema, example = body
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schema, "example": example}},
        }
    operation["responses"] = responses | {str(status): _problem(status) for status in errors}
    return operation


def _answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _accepted() -> dict[str, Any]:
    location = {"description": "Where the result will be.", "schema": {"type": "string"}}
    accepted = _answer("Accepted; it will not be lost.", {"$ref": "#/components/schemas/Receipt"})
    return accepted | {"headers": {"Location": location}, "links": _LINKS}


def _problem(status: int) -> dict[str, Any]:
    codes = sorted(code for code, its_status in STATUS_OF_CODE.items() if its_status == status)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": f"`code`: {', '.join(codes)}", "content": {CONTENT_TYPE: {"schema": schema}}}
