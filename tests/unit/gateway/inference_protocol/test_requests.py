"""What an inference request may hold, and how its parameters become options of a job."""

import json
from typing import Any

import pytest
from flask import Flask

from gateway.inference_protocol.requests import (
    BINARY_HEADER,
    MAX_TENSORS,
    InferRequest,
    parse_infer_request,
    read_parameters,
)
from gateway.options import MAX_DEADLINE_MS
from rhizome.errors import InvalidRequest

TENSOR = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}


def parse(body: Any, **headers: str) -> InferRequest:
    with Flask(__name__).test_request_context("/", headers=headers):
        return parse_infer_request(body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [3]}, "inputs.0"),
        ({"inputs": [TENSOR | {"name": 3}]}, "inputs.0.name"),
        ({"inputs": [TENSOR | {"shape": [-1]}]}, "inputs.0.shape.0"),
        ({"inputs": [TENSOR | {"shape": [1.0]}]}, "inputs.0.shape.0"),
        ({"inputs": [TENSOR | {"shape": 1}]}, "inputs.0.shape"),
        ({"inputs": [TENSOR | {"shape": [1] * 9}]}, "inputs.0.shape"),
        ({"inputs": [TENSOR | {"data": 1.0}]}, "inputs.0.data"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64"}]}, "inputs.0.data"),
        ({"inputs": [TENSOR | {"extra": 1}]}, "inputs.0.extra"),
        ({"inputs": [TENSOR], "instances": []}, "instances"),
        ({"inputs": [TENSOR], "id": 3}, "id"),
        ({"inputs": [TENSOR], "id": "x" * 257}, "id"),
        ({"inputs": [TENSOR] * (MAX_TENSORS + 1)}, "inputs"),
        ({"inputs": [TENSOR], "outputs": [{"name": "label"}] * (MAX_TENSORS + 1)}, "outputs"),
        ({"inputs": [TENSOR], "outputs": ["label"]}, "outputs.0"),
        ({"inputs": [TENSOR], "parameters": []}, "parameters"),
        ({"inputs": [TENSOR | {"parameters": {"shared_memory_region": "a"}}]}, "inputs.x"),
        ({"inputs": [TENSOR | {"parameters": {"binary_data_size": 8}}]}, "inputs.x"),
        ({"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}, "outputs.y"),
        ({"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"classification": 2}}]}, "outputs.y"),
        ({"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "a"}}]}, "outputs.y"),
    ],
    ids=lambda value: str(value)[:90],
)
def test_what_is_no_request_is_refused_by_name(body: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse(body)

    assert refusal.value.code == "invalid_fields"
    assert [problem["field"] for problem in refusal.value.problems] == [field]
    assert all(problem["problem"] and problem["remedy"] for problem in refusal.value.problems)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
def test_what_is_no_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse(body)

    assert refusal.value.code == "malformed_json"


def test_a_body_with_binary_data_behind_its_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="binary_data false"):
        parse({"inputs": [TENSOR]}, **{BINARY_HEADER: "80"})


def test_hints_for_other_servers_are_passed_over() -> None:
    tensor = TENSOR | {"parameters": {"content_type": "np"}}
    outputs = [{"name": "y", "parameters": {"binary_data": False}}]

    parsed = parse({"id": "7", "inputs": [tensor], "outputs": outputs, "parameters": {"binary_data_output": True}})

    assert (parsed.id, parsed.inputs[0].data) == ("7", [1.0])
    assert read_parameters(parsed.parameters or {}, {}) == {}


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({"priority": 0}, {}),
        ({"priority": 1}, {"priority": 0}),
        ({"priority": 2}, {"priority": 1}),
        ({"priority": 3}, {"priority": 2}),
        ({"priority": 900}, {"priority": 2}),
        ({"timeout": 0}, {}),
        ({"timeout": 1}, {"deadline_ms": 1}),
        ({"timeout": 1000}, {"deadline_ms": 1}),
        ({"timeout": 1001}, {"deadline_ms": 2}),
        ({"timeout": 10**18}, {"deadline_ms": MAX_DEADLINE_MS}),
        ({"deadline_ms": 5, "version": "v1"}, {"deadline_ms": 5, "version": "v1"}),
        (
            {"webhook": "https://example.com/", "error_threshold": 3},
            {"webhook": "https://example.com/", "error_threshold": 3},
        ),
    ],
)
def test_parameters_become_options(parameters: dict[str, Any], options: dict[str, Any]) -> None:
    assert read_parameters(parameters, {}) == options


@pytest.mark.parametrize(
    "parameters",
    [
        {"priority": -1},
        {"priority": 1.0},
        {"priority": "1"},
        {"priority": True},
        {"timeout": 2**63},
        {"deadline_ms": 0},
        {"version": 3},
        {"temperature": 1},
        {"return": "label"},
        {"top_k": 2},
    ],
)
def test_an_unusable_parameter_is_refused_by_name(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_parameters(parameters, {})

    assert [problem["field"] for problem in refusal.value.problems] == [f"parameters.{next(iter(parameters))}"]


def test_what_outputs_decide_is_refused_in_the_query() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_parameters({}, {"return": "label", "wait": "5"})

    assert [problem["field"] for problem in refusal.value.problems] == ["return"]
