"""Reading an inference request: its tensors, the outputs it wants, and its parameters as job options.

Parameters follow Triton where it has them: `priority` (0: the default, 1: the most urgent, larger: less so) and
`timeout` in microseconds [1]. What this server cannot do is refused rather than passed over.

[1] https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_schedule_policy.md
"""

from collections.abc import Mapping
from typing import Annotated, Any

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.complaints import MAX_EXAMINED, MAX_PROBLEMS, is_malformed
from gateway.options import MAX_DEADLINE_MS, REMEDIES, accepts_option
from rhizome.errors import InvalidRequest
from rhizome.jobs import PRIORITIES
from rhizome.wording import shorten, show_value

BINARY_HEADER = "Inference-Header-Content-Length"
_NO_BINARY = "binary tensor data is not spoken here; send and ask for data as JSON (binary_data false)"
#: Hints of clients for other servers that change nothing here.
_PASSED_OVER = frozenset({"content_type", "headers", "binary_data_output"})
_OPTIONS = ("version", "deadline_ms", "webhook", "webhook_events", "error_threshold")
_DECIDED = ("return", "top_k")
_CHOOSE = "choose by 'outputs', or send it to /predict"
_BINARY_PARAMETERS = ("binary_data_size", "binary_data")
_SHARED_MEMORY = "shared_memory_region"
_MICROSECONDS = 1000

Problem = dict[str, object]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class InferInput(_Part):
    """A tensor as it was sent; `data` is flat in row-major order, or nested."""

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=8)]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class InferOutput(_Part):
    """An output that is wanted."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(_Part):
    """The body of an inference request."""

    id: Annotated[str, Field(max_length=256)] | None = None
    inputs: Annotated[list[InferInput], Field(min_length=1)]
    outputs: list[InferOutput] | None = None
    parameters: dict[str, Any] | None = None


def parse_infer_request(body: bytes) -> InferRequest:
    """The request in a JSON body, its tensors not yet looked at.

    Raises:
        InvalidRequest: it is not JSON, not a request, or asks for an extension that is not spoken here.
    """
    if BINARY_HEADER in request.headers:
        raise InvalidRequest(f"{BINARY_HEADER} is set: {_NO_BINARY}", code="bad_parameter")
    try:
        parsed = InferRequest.model_validate_json(body)
    except ValidationError as error:
        if is_malformed(error):
            raise InvalidRequest("the body is not valid JSON; send one JSON object", code="malformed_json") from None
        examined = error.errors(include_url=False) if error.error_count() <= MAX_EXAMINED else []
        raise refuse([_describe(problem) for problem in examined[:MAX_PROBLEMS]]) from None
    if problems := [*_check_inputs(parsed.inputs), *_check_outputs(parsed.outputs or [])]:
        raise refuse(problems)
    return parsed


def read_parameters(parameters: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """A request's parameters as validated job options, by name.

    Args:
        parameters: of the request's body.
        query: of its address, which may hold every option but those that `outputs` decides.

    Raises:
        InvalidRequest: naming every parameter that is unknown or unusable.
    """
    options: dict[str, Any] = {}
    problems = [problem_of(name, "is not for this call", _CHOOSE) for name in _DECIDED if name in query]
    for name, value in parameters.items():
        place = f"parameters.{shorten(name)}"
        if name in ("priority", "timeout"):
            if type(value) is not int or not 0 <= value < 2**63:
                problems.append(
                    problem_of(place, f"is {show_value(value)}, not a whole number from 0 on", _TIMES[name])
                )
            elif value:
                options |= _scheduled(name, value)
        elif name in _OPTIONS:
            if not accepts_option(name, value):
                problems.append(problem_of(place, f"is {show_value(value)}, not an accepted value", REMEDIES[name]))
            else:
                options[name] = value
        elif name not in _PASSED_OVER:
            known = ", ".join(("priority", "timeout", *_OPTIONS))
            remedy = _CHOOSE if name in _DECIDED else f"remove it; the parameters are {known}"
            problems.append(problem_of(place, "is not a parameter of this server", remedy))
    if problems:
        raise refuse(problems)
    return options


_TIMES = {
    "priority": "send 1 (most urgent), 2 or 3, or 0 for the default",
    "timeout": "send microseconds, or 0 for none",
}


def _scheduled(name: str, value: int) -> dict[str, Any]:
    if name == "priority":
        return {"priority": min(value - 1 + PRIORITIES[0], PRIORITIES[-1])}
    return {"deadline_ms": min(-(-value // _MICROSECONDS), MAX_DEADLINE_MS)}


def _check_inputs(inputs: list[InferInput]) -> list[Problem]:
    problems = []
    for tensor in inputs:
        parameters = tensor.parameters or {}
        if any(name in parameters for name in _BINARY_PARAMETERS):
            problems.append(problem_of(f"inputs.{shorten(tensor.name)}", "is binary", _NO_BINARY))
        elif _SHARED_MEMORY in parameters:
            problems.append(
                problem_of(f"inputs.{shorten(tensor.name)}", "is in shared memory", "send its data as JSON")
            )
    return problems


def _check_outputs(outputs: list[InferOutput]) -> list[Problem]:
    problems = []
    for wanted in outputs:
        place, parameters = f"outputs.{shorten(wanted.name)}", wanted.parameters or {}
        if parameters.get("binary_data"):
            problems.append(problem_of(place, "is wanted as binary", _NO_BINARY))
        if parameters.get("classification"):
            remedy = "ask for 'probabilities', in the order of the metadata's classes; POST /predict has top_k"
            problems.append(problem_of(place, "is wanted as a classification", remedy))
        if _SHARED_MEMORY in parameters:
            problems.append(problem_of(place, "is wanted in shared memory", "take it as JSON"))
    return problems


def problem_of(field: str, problem: str, remedy: str) -> Problem:
    """One problem, as `InvalidRequest` carries it."""
    return {"field": field, "problem": problem, "remedy": remedy}


def refuse(problems: list[Problem]) -> InvalidRequest:
    """The refusal of a request with these problems."""
    return InvalidRequest(
        f"{len(problems)} problem(s) with the request",
        code="invalid_fields",
        problems=tuple(problems[:MAX_PROBLEMS]),
    )


def _describe(problem: Mapping[str, Any]) -> Problem:
    field = ".".join(shorten(part) for part in problem["loc"]) or "body"
    kind, sent = problem["type"], problem["input"]
    if kind == "missing":
        return problem_of(field, "is missing", "add it")
    if kind == "extra_forbidden":
        return problem_of(field, "is not a field of an inference request", "remove it")
    wanted = _WANTED.get(kind)
    return problem_of(field, f"is {show_value(sent)}", f"send {wanted}" if wanted else "see /docs for what is accepted")


_WANTED = {
    "string_type": "a string",
    "string_too_long": "a shorter string",
    "list_type": "an array",
    "dict_type": "an object",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number from 0 on",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "too_short": "at least one",
    "too_long": "fewer",
}
