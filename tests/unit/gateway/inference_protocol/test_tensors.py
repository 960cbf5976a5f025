"""Tensors become the rows they hold, in any accepted shape and datatype; every misfit is named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.columns import ColumnValidator
from gateway.inference_protocol.requests import InferInput
from gateway.inference_protocol.tensors import DATATYPES, to_columns
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature

FEATURES = (
    Feature(name="size", dtype="float64", nullable=True, lower=-1000, upper=1000),
    Feature(name="count", dtype="int64"),
    Feature(name="colour", dtype="category", categories=("blue", "red")),
)
KIND = (Output(name="kind", classes=("cold", "warm")),)
MIXED = Signature(features=FEATURES, task="classification", outputs=KIND)
NUMBERS = Signature(features=FEATURES[:2], task="classification", outputs=KIND)
ONE = Signature(features=FEATURES[:1], task="regression", outputs=(Output(name="y"),))
INTEGERS = [datatype for datatype in DATATYPES if "INT" in datatype]
FLOATS = ["FP16", "FP32", "FP64"]


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> InferInput:
    return InferInput(name=name, datatype=datatype, shape=[len(data)] if shape is None else shape, data=data)


def rows_of(inputs: list[InferInput], signature: Signature = NUMBERS) -> list[tuple[Any, ...]]:
    """The rows that travel, once the columns have passed the features' own checks."""
    columns = to_columns(inputs, signature, max_rows=100)
    return list(ColumnValidator(signature).to_rows(columns, "inputs"))


def fields_of(inputs: list[InferInput], signature: Signature = NUMBERS) -> list[object]:
    with pytest.raises(InvalidRequest) as refusal:
        rows_of(inputs, signature)
    assert refusal.value.code == "invalid_fields"
    assert all(problem["problem"] and problem["remedy"] for problem in refusal.value.problems)
    return [problem["field"] for problem in refusal.value.problems]


@given(
    rows=st.lists(st.tuples(st.integers(-100, 100), st.integers(0, 100)), min_size=1, max_size=30),
    first=st.sampled_from([*FLOATS, "INT8", "INT16", "INT32", "INT64"]),
    second=st.sampled_from([*FLOATS, *INTEGERS]),
    is_column=st.booleans(),
    is_nested=st.booleans(),
    is_reversed=st.booleans(),
)
def test_a_tensor_a_feature_gives_the_rows_whatever_shape_and_datatype(
    rows: list[tuple[int, int]], first: str, second: str, is_column: bool, is_nested: bool, is_reversed: bool
) -> None:
    inputs = []
    for index, (name, datatype) in enumerate((("size", first), ("count", second))):
        values = [float(row[index]) if datatype in FLOATS else row[index] for row in rows]
        data = [[value] for value in values] if is_column and is_nested else values
        inputs.append(tensor(name, datatype, data, [len(rows), 1] if is_column else [len(rows)]))

    assert rows_of(inputs[::-1] if is_reversed else inputs) == rows


@given(
    rows=st.lists(st.tuples(st.integers(-100, 100), st.integers(0, 100)), min_size=1, max_size=30),
    datatype=st.sampled_from([*FLOATS, "INT8", "INT16", "INT32", "INT64"]),
    is_nested=st.booleans(),
)
def test_one_tensor_gives_the_rows_whatever_its_name_and_datatype(
    rows: list[tuple[int, int]], datatype: str, is_nested: bool
) -> None:
    kind = float if datatype in FLOATS else int
    nested = [[kind(value) for value in row] for row in rows]
    data = nested if is_nested else [value for row in nested for value in row]

    assert rows_of([tensor("anything", datatype, data, [len(rows), 2])]) == rows


def test_categories_are_bytes() -> None:
    inputs = [
        tensor("colour", "BYTES", ["red", "blue"]),
        tensor("count", "UINT8", [1, 255]),
        tensor("size", "FP64", [None, 2.5]),
    ]

    assert rows_of(inputs, MIXED) == [(None, 1, "red"), (2.5, 255, "blue")]


@pytest.mark.parametrize(("name", "shape"), [("size", [2]), ("size", [2, 1]), ("anything", [2, 1])])
def test_a_model_of_one_feature_takes_it_under_either_form(name: str, shape: list[int]) -> None:
    assert rows_of([tensor(name, "FP64", [1.5, 2.5], shape)], ONE) == [(1.5,), (2.5,)]


@pytest.mark.parametrize(
    ("datatype", "low", "high"),
    [
        (f"{sign}INT{bits}", *bounds)
        for bits in (8, 16, 32)
        for sign, bounds in (
            ("", (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)),
            ("U", (0, 2**bits - 1)),
        )
    ],
)
def test_an_integer_tensor_holds_what_its_datatype_can(datatype: str, low: int, high: int) -> None:
    def both(value: int) -> list[InferInput]:
        return [tensor("size", "FP64", [1.0]), tensor("count", datatype, [value])]

    assert rows_of(both(low)) == [(1, low)]
    assert rows_of(both(high)) == [(1, high)]
    assert fields_of(both(low - 1)) == ["inputs.0.count"]
    assert fields_of(both(high + 1)) == ["inputs.0.count"]


SIZE, COUNT = tensor("size", "FP64", [1.0, 2.0]), tensor("count", "INT64", [1, 2])


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ([SIZE], ["inputs.count"]),
        ([SIZE, COUNT, SIZE], ["inputs.size"]),
        ([SIZE, COUNT, tensor("colour", "BYTES", ["red", "red"])], ["inputs.colour"]),
        ([SIZE, tensor("cuont", "INT64", [1, 2])], ["inputs.cuont", "inputs.count"]),
        ([SIZE, tensor("count", "BYTES", ["1", "2"])], ["inputs.count.datatype"]),
        ([SIZE, tensor("count", "BOOL", [True, False])], ["inputs.count.datatype"]),
        ([SIZE, tensor("count", "BF16", [1, 2])], ["inputs.count.datatype"]),
        ([SIZE, tensor("count", "int64", [1, 2])], ["inputs.count.datatype"]),
        ([SIZE, tensor("count", "INT64", [1])], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [1], [2])], ["inputs.count.data"]),
        ([SIZE, tensor("count", "INT64", [1, 2, 3], [2])], ["inputs.count.data"]),
        ([SIZE, tensor("count", "INT64", [], [0])], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [1] * 101)], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [1, 2], [1, 2])], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [1, 2], [])], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [1, 2], [2, 1, 1])], ["inputs.count.shape"]),
        ([SIZE, tensor("count", "INT64", [[1], [2]], [2])], ["inputs.count.data"]),
        ([SIZE, tensor("count", "INT64", [[1], 2], [2, 1])], ["inputs.count.data"]),
        ([SIZE, tensor("count", "INT64", [1, [2]], [2, 1])], ["inputs.1.count"]),
        ([SIZE, tensor("count", "INT64", [1, 2.5])], ["inputs.1.count"]),
        ([SIZE, tensor("count", "INT64", [None, True])], ["inputs.1.count"]),
        ([SIZE, tensor("count", "FP64", [1.5, 2.0])], ["inputs.0.count"]),
        ([SIZE, tensor("count", "FP64", [1e300, float("nan")])], ["inputs.0.count", "inputs.1.count"]),
        ([tensor("size", "FP64", [1.0, 1001.0]), COUNT], ["inputs.1.size"]),
        ([tensor("size", "FP64", ["1", {}]), COUNT], ["inputs.0.size", "inputs.1.size"]),
        ([tensor("x", "FP64", [1.0, 2.0], [2])], ["inputs.x", "inputs.size", "inputs.count"]),
        ([tensor("x", "FP64", [1.0] * 6, [2, 3])], ["inputs.x.shape"]),
        ([tensor("x", "FP64", [1.0] * 3, [2, 2])], ["inputs.x.data"]),
        ([tensor("x", "FP64", [[1.0, 1.0], [1.0]], [2, 2])], ["inputs.x.data"]),
        ([tensor("x", "BYTES", ["a"] * 4, [2, 2])], ["inputs.x.datatype"]),
        ([tensor("x", "FP64", [1.0, 1.0, 5000.0, 1.5], [2, 2])], ["inputs.1.size", "inputs.1.count"]),
    ],
    ids=lambda value: (
        str([(i.name, i.datatype, i.shape, i.data[:4]) for i in value])[:90] if isinstance(value[0], InferInput) else ""
    ),
)
def test_a_tensor_that_does_not_fit_is_refused_by_name(inputs: list[InferInput], fields: list[str]) -> None:
    assert fields_of(inputs) == fields


def test_categories_do_not_fit_into_one_tensor_of_numbers() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        rows_of([tensor("x", "FP64", [1.0, 2.0, 3.0], [1, 3])], MIXED)

    (problem,) = refusal.value.problems
    assert "colour" in str(problem["problem"])
    assert "one tensor a feature" in str(problem["remedy"])
