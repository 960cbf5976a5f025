"""The building blocks of the OpenAPI document: operations, answers, problems."""

from typing import Any

from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE

JSON = "application/json"
_ID_OF_BODY = {"id": "$response.body#/id"}
#: What can be done with an accepted job, for tools that follow links.
_LINKS = {
    "Result": {"operationId": "result", "parameters": _ID_OF_BODY},
    "Cancel": {"operationId": "cancel", "parameters": _ID_OF_BODY},
    "Stream": {"operationId": "stream", "parameters": _ID_OF_BODY},
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
    other_bodies: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One operation; `errors` are statuses, `body` is a schema and an example, `other_bodies` those of other types."""
    described: dict[str, Any] = {"tags": [tag], "summary": summary, "operationId": name}
    if parameters:
        described["parameters"] = parameters
    if body:
        schema, example = body
        described["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schema, "example": example}} | (other_bodies or {}),
        }
    described["responses"] = responses | {str(status): problem(status) for status in errors}
    return described


def answer(description: str, schema: Any) -> dict[str, Any]:
    """A JSON answer."""
    return {"description": description, "content": {JSON: {"schema": schema}}}


def accepted() -> dict[str, Any]:
    """The 202 of a submit."""
    location = {"description": "Where the result will be.", "schema": {"type": "string"}}
    accepted = answer("Accepted; it will not be lost.", {"$ref": "#/components/schemas/Receipt"})
    return accepted | {"headers": {"Location": location}, "links": _LINKS}


def problem(status: int) -> dict[str, Any]:
    """A problem document, with the codes of its status."""
    codes = sorted(code for code, its_status in STATUS_OF_CODE.items() if its_status == status)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": f"`code`: {', '.join(codes)}", "content": {CONTENT_TYPE: {"schema": schema}}}
