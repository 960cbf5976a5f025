"""Reading an inference request: its tensors, the outputs it wants, and its parameters as job options.

Parameters follow Triton where it has them: `priority` (0: the default, 1: the most urgent, larger: less so) and
`timeout` in microseconds [1]. What this server cannot do is refused rather than passed over.

[1] https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_schedule_policy.md
"""

from collections.abc import Mapping
from typing import Annotated, Any

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from gateway.complaints import MAX_EXAMINED, MAX_PROBLEMS, Complaints, Problem, refusal
from gateway.options import MAX_DEADLINE_MS, REMEDIES, accepts_option
from rhizome.csv_cells import BOM
from rhizome.errors import InvalidRequest
from rhizome.jobs import PRIORITIES
from rhizome.wording import shorten, show_value

BINARY_HEADER = "Inference-Header-Content-Length"
_NO_BINARY = "binary tensor data is not spoken here; send and ask for data as JSON (binary_data false)"
#: Hints of clients for other servers that change nothing here.
_PASSED_OVER = frozenset({"content_type", "headers", "binary_data_output"})
_OPTIONS = ("version", "deadline_ms", "webhook", "webhook_events", "error_threshold")
_PARAMETERS = ("priority", "timeout", *_OPTIONS)
_DECIDED = ("return", "top_k")
_CHOOSE = "choose by 'outputs', or send it to /predict"
_BINARY_PARAMETERS = ("binary_data_size", "binary_data")
_SHARED_MEMORY = "shared_memory_region"
_MICROSECONDS = 1000

#: Of one request: a tensor a feature, as many features as a sample of the largest size has.
MAX_TENSORS = 10_000


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


_FIELDS = {*InferInput.model_fields, *InferOutput.model_fields, "id", "inputs", "outputs"}


class InferRequest(_Part):
    """The body of an inference request."""

    id: Annotated[str, Field(max_length=256)] | None = None
    inputs: Annotated[list[InferInput], Field(min_length=1, max_length=MAX_TENSORS)]
    outputs: Annotated[list[InferOutput], Field(max_length=MAX_TENSORS)] | None = None
    parameters: dict[str, Any] | None = None


def parse_infer_request(body: bytes) -> InferRequest:
    """The request in a JSON body, its tensors not yet looked at.

    Raises:
        InvalidRequest: it is not JSON, not a request, or asks for an extension that is not spoken here.
    """
    if BINARY_HEADER in request.headers:
        raise InvalidRequest(f"{BINARY_HEADER} is set: {_NO_BINARY}", code="bad_parameter")
    try:
        document = from_json(body.removeprefix(BOM))
    except ValueError:
        raise InvalidRequest("the body is not valid JSON; send one JSON object", code="malformed_json") from None
    _check_fields(document)
    try:
        # Of what is decoded already Pydantic's errors hold no copies.
        parsed = InferRequest.model_validate(document)
    except ValidationError as error:
        examined = error.errors(include_url=False) if error.error_count() <= MAX_EXAMINED else []
        raise refusal(map(_describe, examined[:MAX_PROBLEMS]), error.error_count()) from None
    complaints = Complaints()
    _check_inputs(parsed.inputs, complaints)
    _check_outputs(parsed.outputs or [], complaints)
    complaints.settle()
    return parsed


def _check_fields(document: Any) -> None:
    """Far too many fields are counted only: each would become an error before the first could be named."""
    found = document if isinstance(document, dict) else {}
    parts: list[Any] = [found]
    for name in ("inputs", "outputs"):
        tensors = found.get(name)
        parts += tensors if isinstance(tensors, list) and len(tensors) <= MAX_TENSORS else ()
    unknown = sum(len(part.keys() - _FIELDS) for part in parts if isinstance(part, dict))
    if unknown > MAX_EXAMINED:
        raise refusal((), unknown)


def read_parameters(parameters: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """A request's parameters as validated job options, by name.

    Args:
        parameters: of the request's body.
        query: of its address, which may hold every option but those that `outputs` decides.

    Raises:
        InvalidRequest: naming every parameter that is unknown or unusable.
    """
    options: dict[str, Any] = {}
    complaints = Complaints()
    for name in _DECIDED:
        if name in query:
            complaints.add(name, "is not for this call", _CHOOSE)
    for name, value in parameters.items():
        place = f"parameters.{shorten(name)}"
        if name in ("priority", "timeout"):
            if type(value) is not int or not 0 <= value < 2**63:
                complaints.add(place, f"is {show_value(value)}, not a whole number from 0 on", _TIMES[name])
            elif value:
                options |= _scheduled(name, value)
        elif name in _OPTIONS:
            if not accepts_option(name, value):
                complaints.add(place, f"is {show_value(value)}, not an accepted value", REMEDIES[name])
            else:
                options[name] = value
        elif name not in _PASSED_OVER:
            remedy = _CHOOSE if name in _DECIDED else f"remove it; the parameters are {', '.join(_PARAMETERS)}"
            complaints.add(place, "is not a parameter of this server", remedy)
    complaints.settle()
    return options


_TIMES = {
    "priority": "send 1 (most urgent), 2 or 3, or 0 for the default",
    "timeout": "send microseconds, or 0 for none",
}


def _scheduled(name: str, value: int) -> dict[str, Any]:
    if name == "priority":
        return {"priority": min(value - 1 + PRIORITIES[0], PRIORITIES[-1])}
    return {"deadline_ms": min(-(-value // _MICROSECONDS), MAX_DEADLINE_MS)}


def _check_inputs(inputs: list[InferInput], complaints: Complaints) -> None:
    for tensor in inputs:
        place, parameters = f"inputs.{shorten(tensor.name)}", tensor.parameters or {}
        if any(name in parameters for name in _BINARY_PARAMETERS):
            complaints.add(place, "is binary", _NO_BINARY)
        elif _SHARED_MEMORY in parameters:
            complaints.add(place, "is in shared memory", "send its data as JSON")


def _check_outputs(outputs: list[InferOutput], complaints: Complaints) -> None:
    for wanted in outputs:
        place, parameters = f"outputs.{shorten(wanted.name)}", wanted.parameters or {}
        if parameters.get("binary_data"):
            complaints.add(place, "is wanted as binary", _NO_BINARY)
        if parameters.get("classification"):
            remedy = "ask for 'probabilities', in the order of the metadata's classes; POST /predict has top_k"
            complaints.add(place, "is wanted as a classification", remedy)
        if _SHARED_MEMORY in parameters:
            complaints.add(place, "is wanted in shared memory", "take it as JSON")


def names_timeout(parameters: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """True where the job's deadline is what Triton calls `timeout`: whoever sent it knows no other name."""
    return bool(parameters.get("timeout")) and "deadline_ms" not in parameters and "deadline_ms" not in query


def _describe(problem: Mapping[str, Any]) -> Problem:
    field = ".".join(shorten(part) for part in problem["loc"]) or "body"
    kind, sent = problem["type"], problem["input"]
    if kind == "missing":
        return {"field": field, "problem": "is missing", "remedy": "add it"}
    if kind == "extra_forbidden":
        return {"field": field, "problem": "is not a field of an inference request", "remedy": "remove it"}
    if kind == "too_long":
        return {"field": field, "problem": "holds too many", "remedy": f"send at most {problem['ctx']['max_length']}"}
    if kind == "too_short":
        return {"field": field, "problem": "is empty", "remedy": "send at least one"}
    wanted = _WANTED.get(kind)
    remedy = f"send {wanted}" if wanted else "see /docs for what is accepted"
    return {"field": field, "problem": f"is {show_value(sent)}", "remedy": remedy}


_WANTED = {
    "string_type": "a string",
    "string_too_long": "a shorter string",
    "list_type": "an array",
    "dict_type": "an object",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number from 0 on",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
