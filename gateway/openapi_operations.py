"""The building blocks of the OpenAPI document: operations, answers, problems."""

from typing import Any

from gateway.openapi_examples import receipt_example
from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE, Problem, problem_document

JSON = "application/json"
_ID_OF_BODY = {"id": "$response.body#/id"}
#: What can be done with an accepted job, for tools that follow links.
_LINKS = {
    "Result": {"operationId": "result", "parameters": _ID_OF_BODY},
    "Cancel": {"operationId": "cancel", "parameters": _ID_OF_BODY},
    "Stream": {"operationId": "stream", "parameters": _ID_OF_BODY},
}
#: One problem of each status, as the service words it.
EXAMPLE_OF_STATUS = {
    400: ("malformed_json", "the body is not valid JSON"),
    401: ("admin_key_required", "send the admin key as Authorization: Bearer <key>"),
    403: (
        "admin_switched_off",
        "this deployment has no admin key, so nothing can be changed over HTTP; set RHIZOME_ADMIN_KEY",
    ),
    404: ("job_not_found", "no job has this id"),
    406: ("not_acceptable", "a single job has no rows; ask for application/json"),
    409: ("idempotency_conflict", "this Idempotency-Key was used for another request; send a new key"),
    410: ("job_expired", "this job's result has expired; submit it again"),
    413: (
        "body_too_large",
        "the body is larger than the 8388608 bytes accepted (RHIZOME_MAX_BODY_BYTES); send fewer rows, or a file to "
        "POST /predict/batch",
    ),
    415: ("unsupported_media_type", "the content type is 'text/html'; send Content-Type: application/json"),
    416: ("range_not_satisfiable", "the range begins beyond the last of 1024 bytes; ask for less, or without Range"),
    422: ("invalid_fields", "1 problem(s) with the request's fields"),
    429: ("lane_full", "the interactive lane already holds 20000 waiting jobs; try again shortly"),
    503: ("queue_unavailable", "the queue does not answer; try again shortly"),
    504: ("answer_overdue", "the deadline passed while the job waited; send a later one or a more urgent priority"),
}
_NAMED: dict[str, tuple[dict[str, object], ...]] = {
    "malformed_json": (
        {
            "field": "body",
            "problem": "is not JSON: EOF while parsing an object at line 1 column 17",
            "remedy": "send one valid JSON document in UTF-8",
        },
    ),
    "invalid_fields": (
        {"field": "priority", "problem": "is 7, not an accepted value", "remedy": "send 0 (most urgent), 1 or 2"},
    ),
}


def operation(
    tag: str,
    summary: str,
    name: str,
    responses: dict[str, Any],
    *,
    errors: tuple[int, ...] = (),
    parameters: list[Any] | None = None,
    body: tuple[Any, Any] | None = None,
    many_examples: bool = False,
    other_bodies: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One operation.

    Args:
        tag, summary, name: as shown.
        responses: by status.
        errors: further statuses, of problems.
        parameters: in the query, the path or a header.
        body: the schema of a JSON body with an example, or with several by name (`{"<name>": {"value": …}}`).
        many_examples: `body` has several.
        other_bodies: those of other content types.
    """
    described: dict[str, Any] = {"tags": [tag], "summary": summary, "operationId": name}
    if parameters:
        described["parameters"] = parameters
    if body:
        schema, example = body
        key = "examples" if many_examples else "example"
        described["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schema, key: example}} | (other_bodies or {}),
        }
    described["responses"] = responses | {str(status): problem(status) for status in errors}
    return described


def answer(description: str, schema: Any, example: Any) -> dict[str, Any]:
    """A JSON answer."""
    return {"description": description, "content": {JSON: {"schema": schema, "example": example}}}


def accepted(kind: str) -> dict[str, Any]:
    """The 202 of a submit."""
    location = {"description": "Where the result will be.", "schema": {"type": "string"}}
    receipt = {"$ref": "#/components/schemas/Receipt"}
    accepted = answer("Accepted; it will not be lost.", receipt, receipt_example(kind))
    return accepted | {"headers": {"Location": location}, "links": _LINKS}


def problem(status: int) -> dict[str, Any]:
    """A problem document, with the codes of its status."""
    codes = sorted(code for code, its_status in STATUS_OF_CODE.items() if its_status == status)
    schema = {"$ref": "#/components/schemas/Problem"}
    code, detail = EXAMPLE_OF_STATUS[status]
    example = problem_document(Problem(status, code, detail, _NAMED.get(code, ())), "263fc786cffdfbaa")
    return {
        "description": f"`code`: {', '.join(codes)}",
        "content": {CONTENT_TYPE: {"schema": schema, "example": example}},
    }
