"""Validation: what is accepted arrives exactly; what is not is refused by name, with a remedy, and never a 500."""

import json
import math
import struct

import pytest

from gateway.complaints import MAX_PROBLEMS
from gateway.validation import Rows, Validator
from rhizome.jobs import Encoding
from rhizome.signature import Feature
from tests.support.validation import fields_of, number, refusal_of, signature_of


def test_numbers_travel_exactly_and_in_the_signatures_order(plain: Validator) -> None:
    rows = plain.parse_single(b'{"sepal_length": 0.1, "size": 3}')

    assert rows == Rows(Encoding.FLOAT64, [struct.pack("<2d", 3.0, 0.1)], [1], {})


def test_categories_and_nulls_travel_as_json(mixed: Validator) -> None:
    rows = mixed.parse_single(b'{"size": null, "count": 3, "colour": null, "shape": "round"}')

    assert rows.encoding is Encoding.JSON
    assert [json.loads(payload) for payload in rows.payloads] == [[[None, 3, None, "round"]]]


def test_a_null_among_numbers_travels_as_nan() -> None:
    validator = Validator(signature_of(number("size", nullable=True), number("weight")))

    (payload,) = validator.parse_single(b'{"size": null, "weight": 2}').payloads

    size, weight = struct.unpack("<2d", payload)
    assert math.isnan(size)
    assert weight == 2.0


@pytest.mark.parametrize("value", ["0", "10", "0.0", "1e1", "1E-300", "5e-324", "-0.0"])
def test_every_finite_number_in_range_is_accepted(plain: Validator, value: str) -> None:
    (payload,) = plain.parse_single(f'{{"size": {value}, "sepal_length": 1}}'.encode()).payloads

    assert struct.unpack("<2d", payload)[0] == float(value)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        '"3.5"',
        '"NaN"',
        '""',
        "true",
        "false",
        "null",
        "{}",
        '{"value": 1}',
        "[]",
        "[1]",
        "1" + "0" * 400,
        "-0.001",
        "10.001",
        "-1",
        "1e308",
    ],
)
def test_a_bad_number_is_refused_by_name(plain: Validator, value: str) -> None:
    refusal = refusal_of(plain, f'{{"size": {value}, "sepal_length": 1}}'.encode())

    assert refusal.code == "invalid_fields"
    assert fields_of(refusal) == ["size"]
    assert "from 0 to 10" in str(refusal.problems[0]["remedy"])


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN", '"x"', "true", "null", "[1]"])
def test_a_bad_number_is_refused_where_there_is_no_range(plain: Validator, value: str) -> None:
    refusal = refusal_of(plain, f'{{"size": 1, "sepal_length": {value}}}'.encode())

    assert (refusal.code, fields_of(refusal)) == ("invalid_fields", ["sepal_length"])


@pytest.mark.parametrize(
    "value", ["3.5", "true", '"3"', "null", "NaN", str(2**53), "9007199254740994.0", "1e300", "1" + "0" * 400]
)
def test_what_is_no_integer_is_refused_for_an_integer(mixed: Validator, value: str) -> None:
    refusal = refusal_of(mixed, f'{{"size": 1, "count": {value}, "colour": "red", "shape": "round"}}'.encode())

    assert (refusal.code, fields_of(refusal)) == ("invalid_fields", ["count"])


@pytest.mark.parametrize("value", ['"green"', '"RED"', '""', "1", "true", "[]", "{}", '["red"]'])
def test_what_is_no_known_category_is_refused_with_the_known_ones(mixed: Validator, value: str) -> None:
    refusal = refusal_of(mixed, f'{{"size": 1, "count": 1, "colour": {value}, "shape": "round"}}'.encode())

    assert (refusal.code, fields_of(refusal)) == ("invalid_fields", ["colour"])
    assert "blue, red" in str(refusal.problems[0]["remedy"])


def test_null_is_refused_where_it_is_not_allowed(mixed: Validator) -> None:
    refusal = refusal_of(mixed, b'{"size": 1, "count": 1, "colour": "red", "shape": null}')

    assert fields_of(refusal) == ["shape"]


def test_an_integer_feature_may_have_bounds_between_two_integers() -> None:
    validator = Validator(signature_of(Feature(name="count", dtype="int64", lower=-3.5, upper=10.5)))

    assert validator.parse_single(b'{"count": 10}').row_counts == [1]
    assert fields_of(refusal_of(validator, b'{"count": 11}')) == ["count"]
    assert fields_of(refusal_of(validator, b'{"count": -4}')) == ["count"]


@pytest.mark.parametrize("bounds", [{"lower": -3.0, "upper": 10.0}, {"lower": -3, "upper": 10}])
def test_integer_bounds_are_inclusive(bounds: dict[str, float]) -> None:
    validator = Validator(signature_of(Feature(name="count", dtype="int64", **bounds)))

    assert validator.parse_single(b'{"count": -3}').row_counts == [1]
    assert validator.parse_single(b'{"count": 10}').row_counts == [1]
    assert fields_of(refusal_of(validator, b'{"count": 11}')) == ["count"]


def test_every_offending_field_is_named_at_once(plain: Validator) -> None:
    refusal = refusal_of(plain, b'{"size": 99, "sepal_lenght": 1, "extra": 2}')

    assert fields_of(refusal) == ["size", "sepal_length", "sepal_lenght", "extra"]


def test_a_misspelt_field_is_answered_with_the_likely_one(plain: Validator) -> None:
    refusal = refusal_of(plain, b'{"size": 1, "sepal_lenght": 1}')

    remedies = {problem["field"]: problem["remedy"] for problem in refusal.problems}
    assert "sepal_length" in str(remedies["sepal_lenght"])
    assert str(remedies["sepal_length"]).startswith("add it")


def test_an_unknown_field_is_answered_with_the_features(plain: Validator) -> None:
    refusal = refusal_of(plain, b'{"size": 1, "sepal_length": 1, "zzz": 1}')

    assert "size, sepal_length" in str(refusal.problems[0]["remedy"])


@pytest.mark.parametrize("body", [b"", b" ", b"\n\t "])
def test_an_empty_body_is_refused_as_empty(plain: Validator, body: bytes) -> None:
    assert refusal_of(plain, body).code == "empty_body"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"size": 1,}',
        b"{'size': 1}",
        b'{"size": 1} {"size": 2}',
        b"size=1",
        b"\xff\xfe",
        b'{"size": "\xff"}',
        b'{"size": "\xed\xa0\x80"}',
        b'{"si\xc3',
        b'{"\\ud800": 1}',
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"size":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"size": ' + b"[" * 10_000 + b"]" * 10_000 + b', "sepal_length": 1}',
        b'{"size": 1' + b"0" * 10_000 + b', "sepal_length": 1}',
        b"\x00",
        b'{"size": 0x10, "sepal_length": 1}',
        b'{"size": 1_0, "sepal_length": 1}',
        b'{"size": +1, "sepal_length": 1}',
        b'{"size": .5, "sepal_length": 1}',
        b'{"size": 01, "sepal_length": 1}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_refused_as_malformed(plain: Validator, body: bytes) -> None:
    refusal = refusal_of(plain, body)

    assert refusal.code == "malformed_json"
    assert fields_of(refusal) == ["body"]
    assert len(str(refusal.problems[0]["problem"])) < 200


@pytest.mark.parametrize("body", [b"null", b"[]", b"[1,2]", b"3", b'"text"', b"true", b"NaN"])
def test_another_type_than_an_object_is_refused(plain: Validator, body: bytes) -> None:
    refusal = refusal_of(plain, body)

    assert (refusal.code, fields_of(refusal)) == ("invalid_fields", ["body"])
    assert "object" in str(refusal.problems[0]["problem"])


def test_an_object_a_hundred_deep_is_refused_by_name(plain: Validator) -> None:
    deep = b'{"a":' * 100 + b"1" + b"}" * 100

    assert fields_of(refusal_of(plain, b'{"size": ' + deep + b', "sepal_length": 1}')) == ["size"]


def test_what_is_echoed_is_short(plain: Validator) -> None:
    refusal = refusal_of(plain, b'{"size": 1, "sepal_length": 1, "%s": "%s"}' % (b"k" * 10_000, b"v" * 10_000))

    assert len(json.dumps(refusal.problems)) < 500


def test_a_long_unknown_category_is_not_echoed_whole(mixed: Validator) -> None:
    refusal = refusal_of(mixed, b'{"size": 1, "count": 1, "shape": "round", "colour": "%s"}' % (b"v" * 10_000))

    assert len(json.dumps(refusal.problems)) < 500


def test_no_more_than_a_bounded_number_of_problems_is_named(plain: Validator) -> None:
    body = json.dumps({"size": 1, "sepal_length": 1} | {f"extra{n}": n for n in range(5000)}).encode()

    refusal = refusal_of(plain, body)

    assert len(refusal.problems) == MAX_PROBLEMS
    assert "5000" in str(refusal)


def test_a_byte_order_mark_before_the_body_is_no_part_of_it(plain: Validator) -> None:
    sample, mark = b'{"size": 1, "sepal_length": 2}', b"\xef\xbb\xbf"
    batch = b'{"instances": [' + sample + b"]}"

    assert plain.parse_single(mark + sample) == plain.parse_single(sample)
    assert plain.parse_batch(mark + batch, max_rows=1, chunk_rows=1) == plain.parse_batch(
        batch, max_rows=1, chunk_rows=1
    )
