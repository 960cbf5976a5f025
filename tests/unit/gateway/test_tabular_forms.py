"""Every form of a batch body holds the same rows, and is refused for the same cells, as records are."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.validation import Rows, Validator
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature

BOUNDS = {"max_rows": 50, "chunk_rows": 7}
FEATURES = (
    Feature(name="size", dtype="float64", nullable=True, lower=0, upper=10),
    Feature(name="count", dtype="int64"),
    Feature(name="colour", dtype="category", categories=("blue", "red"), nullable=True),
    Feature(name="shape", dtype="category", categories=("round",)),
)
KIND = (Output(name="kind", classes=("cold", "warm")),)
NAMES = tuple(feature.name for feature in FEATURES)
MIXED = Validator(Signature(features=FEATURES, task="classification", outputs=KIND))
NUMBERS = Validator(
    Signature(
        features=(
            Feature(name="size", dtype="float64", lower=0, upper=10),
            Feature(name="sepal_length", dtype="float64"),
        ),
        task="classification",
        outputs=KIND,
    )
)
GOOD_ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(0, 10) | st.integers(0, 10),
        st.integers(-(2**53) + 1, 2**53 - 1) | st.integers(-9, 9).map(float),
        st.sampled_from(["blue", "red", None]),
        st.just("round"),
    ),
    min_size=1,
    max_size=20,
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from(["blue", "round", "5", ""]),
    st.just([]),
    st.just({}),
)
ANY_ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=6)
ORDERS = st.permutations(range(len(NAMES)))


def forms_of(rows: list[tuple[Any, ...]], order: list[int], names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """One table in every form, with its columns in another order where the form names them."""
    records = [{names[index]: row[index] for index in order} for row in rows]
    columns = {names[index]: [row[index] for row in rows] for index in order}
    split = {"columns": [names[index] for index in order], "data": [[row[index] for index in order] for row in rows]}
    return {
        "instances of records": {"instances": records},
        "instances of lists": {"instances": [list(row) for row in rows]},
        "instances of columns": {"instances": columns},
        "inputs of records": {"inputs": records},
        "inputs of lists": {"inputs": [list(row) for row in rows]},
        "inputs of columns": {"inputs": columns},
        "dataframe_records": {"dataframe_records": records},
        "dataframe_split": {"dataframe_split": split},
        "dataframe_split with an index": {"dataframe_split": split | {"index": list(range(len(rows)))}},
    }


def parse(body: Any, validator: Validator = MIXED) -> Rows:
    return validator.parse_batch(json.dumps(body).encode(), **BOUNDS)


def refusal_of(body: Any, validator: Validator = MIXED) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        parse(body, validator)
    return refusal.value


def outcome_of(body: Any) -> str:
    """The rows, or the cells that are refused and why."""
    try:
        return str(parse(body))
    except InvalidRequest as error:
        return str((error.code, sorted(map(str, cells_of(error)))))


def cells_of(error: InvalidRequest) -> set[tuple[object, str, object, object]]:
    """Row, feature, problem and remedy of everything that was refused."""
    return {
        (problem["row"], str(problem["field"]).split(".", 2)[2], problem["problem"], problem["remedy"])
        for problem in error.problems
    }


@given(rows=GOOD_ROWS, order=ORDERS)
def test_every_form_of_a_good_table_gives_the_same_rows(rows: list[tuple[Any, ...]], order: list[int]) -> None:
    parsed = {form: parse(body) for form, body in forms_of(rows, order).items()}

    assert len(set(map(str, parsed.values()))) == 1, parsed
    assert sum(parsed["dataframe_split"].row_counts) == len(rows)


@settings(max_examples=200)
@given(rows=ANY_ROWS, order=ORDERS)
def test_every_form_refuses_the_same_cells_in_the_same_words(rows: list[tuple[Any, ...]], order: list[int]) -> None:
    outcomes = {form: outcome_of(body) for form, body in forms_of(rows, order).items()}

    assert len(set(outcomes.values())) == 1, outcomes


@given(rows=st.lists(st.tuples(st.floats(0, 10), st.floats(-1e300, 1e300)), min_size=1, max_size=20))
def test_numbers_travel_bit_for_bit_in_every_form(rows: list[tuple[float, float]]) -> None:
    names = NUMBERS.signature.names

    payloads = {tuple(parse(body, NUMBERS).payloads) for body in forms_of(list(rows), [1, 0], names).values()}

    assert len(payloads) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"inputs": None}, ["inputs"]),
        ({"inputs": 3}, ["inputs"]),
        ({"inputs": []}, ["inputs"]),
        ({"inputs": {}}, ["inputs"]),
        ({"inputs": [3]}, ["inputs.0"]),
        ({"inputs": [[1, 2], 3, [1, 2, 3], [1]]}, ["inputs.1", "inputs.2", "inputs.3"]),
        ({"inputs": [[1, 2], {"size": 1, "sepal_length": 1}]}, ["inputs.1"]),
        ({"inputs": [{"size": 1, "sepal_length": 1}, [1, 2]]}, ["inputs.1"]),
        ({"inputs": {"size": [1]}}, ["inputs.sepal_length"]),
        ({"inputs": {"size": [1], "sepal_length": 1}}, ["inputs.sepal_length"]),
        ({"inputs": {"size": [1], "sepal_lenght": [1]}}, ["inputs.sepal_lenght", "inputs.sepal_length"]),
        ({"inputs": {"size": [1, 2], "sepal_length": [1]}}, ["inputs.sepal_length"]),
        ({"inputs": {"size": [], "sepal_length": []}}, ["inputs"]),
        ({"dataframe_records": {"size": [1], "sepal_length": [1]}}, ["dataframe_records"]),
        ({"dataframe_records": [[1, 2]]}, ["dataframe_records.0"]),
        ({"dataframe_records": []}, ["dataframe_records"]),
        ({"dataframe_split": [1]}, ["dataframe_split"]),
        ({"dataframe_split": {}}, ["dataframe_split.columns", "dataframe_split.data"]),
        ({"dataframe_split": {"columns": 3, "data": {}}}, ["dataframe_split.columns", "dataframe_split.data"]),
        ({"dataframe_split": {"columns": ["size"], "data": [[1]]}}, ["dataframe_split.columns.sepal_length"]),
        (
            {"dataframe_split": {"columns": ["size", "size", 3], "data": [[1, 1, 1]]}},
            ["dataframe_split.columns.size", "dataframe_split.columns", "dataframe_split.columns.sepal_length"],
        ),
        ({"dataframe_split": {"columns": ["size", "sepal_length"], "data": []}}, ["dataframe_split.data"]),
        ({"dataframe_split": {"columns": ["size", "sepal_length"], "data": [[1]]}}, ["dataframe_split.0"]),
        (
            {"dataframe_split": {"columns": ["size", "sepal_length"], "data": [[1, 2]], "index": [1, 2]}},
            ["dataframe_split.index"],
        ),
        ({"dataframe_split": {"columns": ["size", "sepal_length"], "data": [[1, 2]], "x": 1}}, ["dataframe_split.x"]),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, ["inputs"]),
        ({"instances": [[1, 2]], "rows": 1}, ["rows"]),
        ({"instances": [[1, 2]], "priority": 7}, ["priority"]),
        ({"instances": [[1, 2]], "params": {"priority": 7}}, ["params.priority"]),
        ({"instances": [[1, 2]], "params": {"temperature": 1}}, ["params.temperature"]),
        ({"instances": [[1, 2]], "params": 3}, ["params"]),
        ({"instances": [{"size": 1, "sepal_length": 1}], "params": {"priority": 7}}, ["params.priority"]),
        ({"rows": [[1, 2]]}, ["instances"]),
        (7, ["body"]),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_bad_table_is_refused_by_name(body: Any, fields: list[str]) -> None:
    error = refusal_of(body, NUMBERS)

    assert error.code == "invalid_fields"
    assert [problem["field"] for problem in error.problems] == fields
    assert all(problem["problem"] and problem["remedy"] for problem in error.problems)


@pytest.mark.parametrize("form", forms_of([(1, 1)], [0, 1], NUMBERS.signature.names))
def test_too_many_rows_are_refused_with_the_bound_in_every_form(form: str) -> None:
    body = forms_of([(1, 1)] * 51, [0, 1], NUMBERS.signature.names)[form]

    (problem,) = refusal_of(body, NUMBERS).problems

    assert "51 rows" in str(problem["problem"])
    assert "at most 50" in str(problem["remedy"])


@pytest.mark.parametrize("body", [b'{"inputs": [[1, NaN]]}', b'{"inputs": {"size": [1], "sepal_length": [-Infinity]}}'])
def test_numbers_that_are_none_are_named(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        NUMBERS.parse_batch(body, **BOUNDS)

    (problem,) = refusal.value.problems
    assert (problem["field"], problem["row"]) == ("inputs.0.sepal_length", 0)
    assert problem["problem"] == "is not a finite number"


def test_a_thousand_bad_cells_are_counted_and_a_hundred_named_by_row() -> None:
    validator = Validator(NUMBERS.signature)
    body = json.dumps({"instances": [["x", "y"]] * 500}).encode()

    with pytest.raises(InvalidRequest) as refusal:
        validator.parse_batch(body, max_rows=500, chunk_rows=100)

    assert str(refusal.value).startswith("1000 problem(s)")
    assert [problem["row"] for problem in refusal.value.problems] == [row for row in range(50) for _ in range(2)]


@pytest.mark.parametrize("table", [{"instances": [[1, 2]]}, {"instances": [{"size": 1, "sepal_length": 2}]}])
def test_options_stand_beside_the_table_or_in_params_and_the_former_count(table: dict[str, Any]) -> None:
    rows = parse({"priority": 2, "params": {"version": "v1", "priority": 0}} | table, NUMBERS)

    assert rows.options == {"version": "v1", "priority": 2}


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b'{"inputs": ' + b"[" * 10_000, b'{"inputs": "\xff"}', b'{"a": "\\ud800"}']
)
def test_what_is_no_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        NUMBERS.parse_batch(body, **BOUNDS)

    assert refusal.value.code in ("malformed_json", "empty_body")
