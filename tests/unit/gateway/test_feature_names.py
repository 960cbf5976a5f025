"""Features and versions may have any name: none of them may be taken for another."""

import json
import struct

import pytest

from gateway.validation import Validator
from tests.support.validation import BOUNDS, fields_of, number, refusal_of, signature_of


@pytest.mark.parametrize(
    "name",
    [
        "petal length (cm)",
        "version",
        "class",
        "f0",
        "f1",
        "model_config",
        "schema",
        "instances",
        "",
        "größe",
        "__init__",
    ],
)
def test_a_feature_may_have_any_name(name: str) -> None:
    validator = Validator(signature_of(number(name), number("size")))

    (payload,) = validator.parse_single(json.dumps({name: 1.5, "size": 2}).encode()).payloads

    assert struct.unpack("<2d", payload) == (1.5, 2.0)


@pytest.mark.parametrize("name", ["petal length (cm)", "version", "f1", "instances"])
def test_a_bad_value_of_a_feature_with_an_odd_name_is_named_as_sent(name: str) -> None:
    validator = Validator(signature_of(number("size"), number(name)))

    refusal = refusal_of(validator, json.dumps({"size": 1, name: "x"}).encode())

    assert fields_of(refusal) == [name]


@pytest.mark.parametrize("attribute", ["f0", "f1"])
def test_the_models_own_attribute_names_are_no_fields(plain: Validator, attribute: str) -> None:
    refusal = refusal_of(plain, json.dumps({"size": 1, "sepal_length": 1, attribute: 1}).encode())

    assert fields_of(refusal) == [attribute]


def test_a_single_feature_is_enough() -> None:
    validator = Validator(signature_of(number("x")))

    assert validator.parse_single(b'{"x": 2.5}').payloads == [struct.pack("<d", 2.5)]
    assert validator.parse_batch(b'{"instances": [{"x": 1}, {"x": 2}]}', **BOUNDS).payloads == [
        struct.pack("<2d", 1.0, 2.0)
    ]


def test_a_sample_may_name_a_version(plain: Validator) -> None:
    assert plain.parse_single(b'{"size": 1, "sepal_length": 1, "version": "v1"}').version == "v1"


@pytest.mark.parametrize("version", [b"1", b"true", b"[]", b'"' + b"v" * 65 + b'"'])
def test_a_version_that_can_be_none_is_refused(plain: Validator, version: bytes) -> None:
    refusal = refusal_of(plain, b'{"size": 1, "sepal_length": 1, "version": ' + version + b"}")

    assert fields_of(refusal) == ["version"]


def test_a_feature_named_version_is_a_feature_and_no_pin() -> None:
    validator = Validator(signature_of(number("version")))

    rows = validator.parse_single(b'{"version": 3}')

    assert rows.version is None
    assert rows.payloads == [struct.pack("<d", 3.0)]
