"""A table of CSV holds the rows that the other forms hold, and is refused for the same cells in the same words."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.validation import Rows, Validator
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature
from tests.unit.gateway.test_tabular_forms import GOOD_ROWS, MIXED, NAMES, NUMBERS, ORDERS

BOUNDS = {"max_rows": 50, "chunk_rows": 7}
HEADER = b"size,sepal_length\n"


def parse(body: bytes, validator: Validator = NUMBERS) -> Rows:
    return validator.parse_csv(body, **BOUNDS)


def refusal_of(body: bytes, validator: Validator = NUMBERS) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        parse(body, validator)
    assert all(problem["problem"] and problem["remedy"] for problem in refusal.value.problems)
    return refusal.value


def split_of(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": names, "data": rows}}).encode()


@given(rows=GOOD_ROWS, order=ORDERS, ending=st.sampled_from(["\n", "\r\n"]))
def test_a_good_table_gives_the_rows_of_the_other_forms(
    rows: list[tuple[Any, ...]], order: list[int], ending: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ending)
    writer.writerow([NAMES[index] for index in order])
    writer.writerows([[row[index] for index in order] for row in rows])

    parsed = parse(out.getvalue().encode(), MIXED)

    assert parsed == MIXED.parse_batch(split_of(rows, NAMES), **BOUNDS)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("0,1", (0, 1)),
        ("-0.0,+1", (-0.0, 1)),
        (" 1 ,\t2", (1, 2)),
        ("1.,.5", (1, 0.5)),
        ("1e1,1E-300", (10, 1e-300)),
        ('"3","4"', (3, 4)),
        ("00.5,0012", (0.5, 12)),
    ],
)
def test_numbers_may_be_written_as_tables_have_them(cells: str, values: tuple[float, float]) -> None:
    assert parse(HEADER + cells.encode()) == NUMBERS.parse_batch(split_of([values], ("size", "sepal_length")), **BOUNDS)


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        ("thirty,1", "thirty"),
        ("0x10,1", "0x10"),
        ("1_0,1", "1_0"),
        ('"1,5",1', "1,5"),
        ("true,1", "true"),
        ("NaN,1", "NaN"),
        ("inf,1", "inf"),
        ("10.5,1", 10.5),
        ("-1,1", -1),
        (",1", None),
        (" ,1", None),
    ],
)
def test_a_bad_cell_is_refused_in_the_words_of_the_other_forms(cells: str, value: Any) -> None:
    refusal = refusal_of(HEADER + b"1,1\n" + cells.encode())

    with pytest.raises(InvalidRequest) as other:
        NUMBERS.parse_batch(split_of([(1, 1), (value, 1)], ("size", "sepal_length")), **BOUNDS)
    (problem,), (expected,) = refusal.problems, other.value.problems
    assert problem == expected | {"field": "csv.1.size"}
    assert (refusal.code, str(refusal)) == (other.value.code, str(other.value))


def test_a_number_that_no_float_holds_is_not_finite() -> None:
    (problem,) = refusal_of(HEADER + b"1,1e999").problems

    assert (problem["field"], problem["problem"]) == ("csv.0.sepal_length", "is not a finite number")


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("3", True),
        ("3.0", True),
        ("3e2", True),
        (str(2**53 - 1), True),
        (str(2**53), False),
        (str(2**53 + 1), False),
        ("1" + "0" * 399, False),
        ("1" + "0" * 6000, False),
        ("3.5", False),
        ("three", False),
        ("", False),
    ],
)
def test_a_whole_number_is_an_integer_however_it_is_written(text: str, accepted: bool) -> None:
    features = (Feature(name="count", dtype="int64"),)
    outputs = (Output(name="y"),)
    validator = Validator(Signature(features=features, task="regression", outputs=outputs))

    if accepted:
        assert parse(f"count\n{text}\n".encode(), validator).row_counts == [1]
    else:
        refusal = refusal_of(f'count\n"{text}"\n'.encode(), validator)
        assert [problem["field"] for problem in refusal.problems] == ["csv.0.count"]


def test_an_empty_cell_is_null_where_that_is_allowed() -> None:
    body = b"size,count,colour,shape\n,1,,round\n"

    (payload,) = parse(body, MIXED).payloads

    assert json.loads(payload) == [[None, 1, None, "round"]]


@pytest.mark.parametrize(
    ("row", "field"),
    [("1,1,green,round", "csv.0.colour"), ("1,1,red,", "csv.0.shape"), ("1,1,5,round", "csv.0.colour")],
)
def test_a_category_is_text_that_must_be_known(row: str, field: str) -> None:
    refusal = refusal_of(f"size,count,colour,shape\n{row}\n".encode(), MIXED)

    assert [problem["field"] for problem in refusal.problems] == [field]
    assert "one of" in str(refusal.problems[0]["remedy"])


def test_every_bad_cell_is_named_by_row() -> None:
    refusal = refusal_of(HEADER + b"x,1\n1,1\n\n99,y\n")

    assert [(problem["row"], problem["field"]) for problem in refusal.problems] == [
        (0, "csv.0.size"),
        (2, "csv.2.size"),
        (2, "csv.2.sepal_length"),
    ]


def test_rows_of_another_width_are_named() -> None:
    refusal = refusal_of(HEADER + b"1,1\n1\n1,1,1\n")

    assert [(problem["row"], problem["field"]) for problem in refusal.problems] == [(1, "csv.1"), (2, "csv.2")]
    assert "send 2 values" in str(refusal.problems[0]["remedy"])


def test_quoted_names_blank_lines_and_a_mark_of_the_byte_order_are_no_trouble() -> None:
    body = b'\xef\xbb\xbf"sepal_length","size"\r\n2,1\r\n\r\n4,3\r\n'

    assert parse(body) == NUMBERS.parse_batch(split_of([(1, 2), (3, 4)], ("size", "sepal_length")), **BOUNDS)


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (b"size", ["sepal_length"]),
        (b"size,sepal_length,sepal_length", ["sepal_length"]),
        (b"size,sepal_lenght", ["sepal_length", "sepal_lenght"]),
        (b"1,2", ["size", "sepal_length", "1", "2"]),
    ],
)
def test_a_first_row_that_does_not_name_the_features_is_refused(header: bytes, fields: list[str]) -> None:
    refusal = refusal_of(header + b"\n1,1\n")

    assert (refusal.code, [problem["field"] for problem in refusal.problems]) == ("invalid_fields", fields)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "empty_body", "naming the features"),
        (b" \r\n ", "empty_body", "naming the features"),
        (b"size;sepal_length\n1;1\n", "invalid_file", "semicolons"),
        (HEADER + b'1,"1\n', "invalid_file", "line 2 is not CSV"),
        (HEADER + b'1,1\n1,1\n"1"2,1\n', "invalid_file", "line 4 is not CSV"),
        (HEADER + b'"' + b"1" * 200_000 + b'",1\n', "invalid_fields", "1 problem(s)"),
        (HEADER + b"1,\xff\n", "invalid_file", "UTF-8"),
        ("size,sepal_length\n1,1\n".encode("utf-16"), "invalid_file", "UTF-8"),
        (b'{"instances": [[1, 2]]}', "invalid_fields", "problem(s) with the file's columns"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_csv_is_refused_with_the_remedy(body: bytes, code: str, words: str) -> None:
    refusal = refusal_of(body)

    assert refusal.code == code
    assert words in str(refusal)
    assert len(str(refusal)) < 200


@pytest.mark.parametrize("body", [HEADER, HEADER.strip(), HEADER + b"\n\n"])
def test_a_table_without_rows_is_refused(body: bytes) -> None:
    (problem,) = refusal_of(body).problems

    assert (problem["field"], problem["problem"]) == ("csv", "holds 0 rows")


def test_too_many_rows_are_refused_with_the_bound_and_another_way() -> None:
    assert parse(HEADER + b"1,1\n" * 50).row_counts == [7] * 7 + [1]

    (problem,) = refusal_of(HEADER + b"1,1\n" * 51).problems

    assert (problem["field"], problem["problem"]) == ("csv", "holds more than 50 rows")
    assert problem["remedy"] == (
        "send at most 50 rows (RHIZOME_MAX_BATCH_ROWS), or a file of any number to POST /predict/batch"
    )
