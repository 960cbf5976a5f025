"""Errors as RFC 9457 `application/problem+json`: the one place that maps codes to HTTP statuses.

Below `/v2` they have the form of the Open Inference Protocol.

A problem names what is wrong and what to do; no traceback, path or class name leaves the gateway.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from flask import Flask, Response, g, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from gateway.inference_protocol.documents import PROTOCOL_STATUSES, error_document, is_protocol_path
from rhizome.errors import (
    DeadlineUnmeetable,
    ExportNotReady,
    InvalidRequest,
    QueueUnavailable,
    RangeNotSatisfiable,
    RhizomeError,
)

CONTENT_TYPE = "application/problem+json"
JSON = "application/json"
RETRY_AFTER_SECONDS = 1
HIDDEN = "something went wrong here; the request id helps to find it in the logs"

STATUS_OF_CODE = {
    "bad_request": 400,  # and whatever else the framework refuses by itself, with its own status
    "malformed_json": 400,
    "empty_body": 400,
    "bad_parameter": 400,
    "admin_key_required": 401,
    "admin_switched_off": 403,
    "webhooks_switched_off": 403,
    "job_not_found": 404,
    "model_not_found": 404,
    "version_not_found": 404,
    "webhook_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "champion_moved": 409,
    "idempotency_conflict": 409,
    "job_cancelled": 409,
    "job_finished": 409,
    "rows_incomplete": 409,
    "export_not_ready": 409,
    "promotion_refused": 409,
    "job_expired": 410,
    "rows_gone": 410,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "invalid_fields": 422,
    "invalid_file": 422,
    "invalid_request": 422,
    "rows_failed": 422,
    "lane_full": 429,
    "deadline_unmeetable": 429,
    "webhooks_full": 429,
    "answer_unavailable": 503,
    "no_champion": 503,
    "queue_unavailable": 503,
    "too_many_waiters": 503,
    "storage_full": 503,
    "file_store_full": 503,
    "file_store_unavailable": 503,
    "answer_overdue": 504,
    "internal_error": 500,
}
_CODE_OF_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_TITLES = {
    400: "The request cannot be read",
    401: "An admin key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    413: "The body is too large",
    415: "Unsupported content type",
    416: "Range not satisfiable",
    422: "The request's content is not acceptable",
    429: "Too much to do",
    500: "Internal error",
    503: "Temporarily unavailable",
    504: "Not answered in time",
}

log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """A refusal as it is sent: status, the document without what is the request's own, further headers."""

    status: int
    code: str
    detail: str
    problems: tuple[dict[str, object], ...] = ()
    headers: Mapping[str, str] = MappingProxyType({})


def problem_of(error: RhizomeError) -> Problem:
    """What is told of an error; of one that has no status, nothing."""
    status = STATUS_OF_CODE.get(error.code, 500)
    if status == 500:
        return Problem(status, "internal_error", HIDDEN)
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    return Problem(status, error.code, str(error), problems, _headers_of(error, status))


def _headers_of(error: RhizomeError, status: int) -> dict[str, str]:
    if isinstance(error, DeadlineUnmeetable):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size}"}
    if status in (429, 503) or isinstance(error, ExportNotReady):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}


def _say_too_large(most: int | None, most_of_bodies: int) -> str:
    """A bound of the setting's is named with it; a single sample has another, which is none."""
    setting = " (RHIZOME_MAX_BODY_BYTES)" if most == most_of_bodies else ""
    return (
        f"the body is larger than the {most} bytes accepted{setting}; send fewer rows, or a file to POST /predict/batch"
    )


def problem(code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem document; its status follows from `code`."""
    status = STATUS_OF_CODE.get(code, 500)
    usual = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
    return _respond(Problem(status, code, detail, headers={**usual, **(headers or {})}))


def _respond(told: Problem) -> Response:
    status, request_id = told.status, g.get("request_id", "")
    log_refusal(told, request_id)
    if is_protocol_path(request.path):
        status = PROTOCOL_STATUSES.get(status, status)
        response = Response(msgspec.json.encode(error_document(told.detail, told.problems)), status, content_type=JSON)
    else:
        document = msgspec.json.encode(problem_document(told, request_id))
        response = Response(document, status, content_type=CONTENT_TYPE)
    response.headers.update(dict(told.headers))
    return response


def log_refusal(told: Problem, request_id: str) -> None:
    """One line for each refused request."""
    log.info("request_refused", extra={"status": told.status, "code": told.code, "request_id": request_id})


def problem_document(told: Problem, request_id: str) -> dict[str, object]:
    """The body of a problem (RFC 9457)."""
    body: dict[str, object] = {
        "type": f"urn:rhizome:problem:{told.code}",
        "title": _TITLES.get(told.status, "Error"),
        "status": told.status,
        "code": told.code,
        "detail": told.detail,
        "request_id": request_id,
    }
    if told.problems:
        body["errors"] = told.problems
    return body


def handle_errors(app: Flask) -> None:
    """Turns every exception a route lets pass into a problem."""

    @app.errorhandler(RhizomeError)
    def explain(error: RhizomeError) -> Response:
        told = problem_of(error)
        return hide(error) if told.status == 500 else _respond(told)

    @app.errorhandler(RedisError)
    def apologise(error: RedisError) -> Response:
        log.warning("redis_unreachable", extra={"reason": type(error).__name__, "request_id": g.get("request_id", "")})
        return _respond(problem_of(QueueUnavailable()))

    @app.errorhandler(HTTPException)
    def translate(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return Response(status=status, headers=[(k, v) for k, v in error.get_headers() if k != "Content-Type"])
        details = {
            404: "there is nothing at this address; /docs lists what there is",
            405: "this address does not take that method; /docs lists what it takes",
            413: _say_too_large(request.max_content_length, app.config["MAX_CONTENT_LENGTH"]),
        }
        code = _CODE_OF_STATUS.get(status, "bad_request")
        headers = {"Allow": ", ".join(error.valid_methods or ())} if hasattr(error, "valid_methods") else {}
        detail = details.get(status, "the request cannot be handled as it is")
        return _respond(Problem(status, code, detail, headers=headers))

    @app.errorhandler(Exception)
    def hide(error: Exception) -> Response:
        log.error("request_failed", exc_info=error, extra={"request_id": g.get("request_id", "")})
        return problem("internal_error", HIDDEN)
