"""Validation of batches: every bad row named by its index, every good one in its place."""

import json
import struct

import pytest

from gateway.validation import Validator
from rhizome.errors import InvalidRequest
from tests.support.validation import BOUNDS, fields_of, number, signature_of


def test_a_batch_with_a_feature_named_version_may_still_name_one() -> None:
    validator = Validator(signature_of(number("version")))

    rows = validator.parse_batch(b'{"instances": [{"version": 3}], "version": "v1"}', **BOUNDS)

    assert (rows.version, rows.payloads) == ("v1", [struct.pack("<d", 3.0)])


def test_a_batch_is_cut_into_chunks_in_order(plain: Validator) -> None:
    instances = [{"size": n, "sepal_length": -n} for n in range(5)]

    rows = plain.parse_batch(json.dumps({"instances": instances}).encode(), **BOUNDS)

    assert rows.row_counts == [2, 2, 1]
    found = struct.unpack("<10d", b"".join(rows.payloads))
    assert found == tuple(float(value) for n in range(5) for value in (n, -n))


def test_a_batch_of_categories_is_cut_into_chunks_in_order(mixed: Validator) -> None:
    instances = [{"size": n, "count": n, "colour": "red", "shape": "round"} for n in range(3)]

    rows = mixed.parse_batch(json.dumps({"instances": instances}).encode(), **BOUNDS)

    assert [json.loads(payload) for payload in rows.payloads] == [
        [[0, 0, "red", "round"], [1, 1, "red", "round"]],
        [[2, 2, "red", "round"]],
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "instances"),
        (b'{"instances": []}', "instances"),
        (b'{"instances": null}', "instances"),
        (b'{"instances": {}}', "instances"),
        (b'{"instances": "x"}', "instances"),
        (b'{"instances": [1]}', "instances.0"),
        (b'{"instances": [null]}', "instances.0"),
        (b'{"instances": [[1, 2, 3]]}', "instances.0"),
        (b'{"instances": [{"size": 1, "sepal_length": 1}], "rows": 1}', "rows"),
        (b"[]", "body"),
        (b'{"instances": [{"size": 1, "sepal_length": 1, "version": "v1"}]}', "instances.0.version"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_batch_is_refused_by_name(plain: Validator, body: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        plain.parse_batch(body, **BOUNDS)

    assert refusal.value.code == "invalid_fields"
    assert fields_of(refusal.value) == [field]


def test_too_many_instances_are_refused_with_the_bound(plain: Validator) -> None:
    body = json.dumps({"instances": [{"size": 1, "sepal_length": 1}] * 6}).encode()

    with pytest.raises(InvalidRequest) as refusal:
        plain.parse_batch(body, **BOUNDS)

    (problem,) = refusal.value.problems
    assert problem["field"] == "instances"
    assert "at most 5" in str(problem["remedy"])


def test_every_bad_row_of_a_batch_is_named_by_index(plain: Validator) -> None:
    instances = [{"size": 1, "sepal_length": 1}, {"size": 99, "sepal_length": 1}, {"size": 1}]

    with pytest.raises(InvalidRequest) as refusal:
        plain.parse_batch(json.dumps({"instances": instances}).encode(), **BOUNDS)

    assert [(problem["row"], problem["field"]) for problem in refusal.value.problems] == [
        (1, "instances.1.size"),
        (2, "instances.2.sepal_length"),
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 10_000, b"\xff"])
def test_a_batch_that_is_no_json_is_refused(plain: Validator, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        plain.parse_batch(body, **BOUNDS)

    assert refusal.value.code in ("malformed_json", "empty_body")
