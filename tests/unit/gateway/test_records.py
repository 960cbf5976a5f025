"""The short way for batches of records takes nothing that the model refuses, and makes the same rows of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.records import RecordDecoder
from gateway.tabular_forms import RECORD_FORMS
from gateway.validation import Rows, Validator
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature

BOUNDS = {"max_rows": 4, "chunk_rows": 3}
KIND = (Output(name="kind", classes=("cold", "warm")),)
MIXED = Signature(
    features=(
        Feature(name="size", dtype="float64", nullable=True, lower=0, upper=10),
        Feature(name="a count", dtype="int64", lower=-2.5, upper=7.5),
        Feature(name="colour", dtype="category", categories=("blue", "red"), nullable=True),
        Feature(name="shape", dtype="category"),
    ),
    task="classification",
    outputs=KIND,
)
NUMBERS = Signature(
    features=(
        Feature(name="size", dtype="float64", lower=0, upper=10),
        Feature(name="width", dtype="float64", nullable=True),
        Feature(name="count", dtype="int64"),
    ),
    task="classification",
    outputs=KIND,
)
WIDE = Signature(
    features=(
        Feature(name="id", dtype="int64", lower=-1e19, upper=1e19),
        Feature(name="far", dtype="int64", lower=1e19, upper=2e19),
    ),
    task="classification",
    outputs=KIND,
)
#: JSON as it may be sent, good and bad.
CELLS = st.one_of(
    st.floats(-1, 11, allow_nan=False).map(json.dumps),
    st.integers(-(2**53) - 1, 2**53 + 1).map(json.dumps),
    st.sampled_from([10**19, 15 * 10**18, 2**63, 2**63 - 1, -(2**63)]).map(json.dumps),
    st.sampled_from(
        ["null", "true", "5", "5.0", "5e0", "1e999", "-1e999", "1e308", "0.1", "0.10", "7", "8", "[]", "{}"]
    ),
    st.sampled_from(['"blue"', '"red"', '"green"', '"5"', '""', '"\\u00e9"', '"\\ud800"', "NaN", "Infinity"]),
)


class LongWay(Validator):
    """Without the short one."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self._records = _Nothing(signature)


class _Nothing(RecordDecoder):
    def decode(self, form: str, body: bytes) -> None:
        return None


def outcome_of(validator: Validator, body: bytes) -> Rows | list[Any]:
    """The rows, or what was refused."""
    try:
        return validator.parse_batch(body, **BOUNDS)
    except InvalidRequest as error:
        return [error.code, *error.problems]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), form=st.sampled_from(RECORD_FORMS), signature=st.sampled_from([MIXED, NUMBERS, WIDE]))
def test_both_ways_give_the_same_rows_and_refusals(data: st.DataObject, form: str, signature: Signature) -> None:
    rows = data.draw(st.integers(1, 6))
    names = [*signature.names, *data.draw(st.sampled_from([[], [], [], ["other"], [signature.names[0]]]))]
    records = []
    for _ in range(rows):
        fields = [f"{json.dumps(name)}: {data.draw(CELLS)}" for name in names]
        order = data.draw(st.permutations(fields)) if data.draw(st.booleans()) else fields
        records.append("{" + ", ".join(order[: data.draw(st.sampled_from([99, 99, 99, 2]))]) + "}")
    beside = data.draw(st.sampled_from(["", "", ', "priority": 1', ', "unknown": 1', ', "params": {}']))
    body = f'{{"{form}": [{", ".join(records)}]{beside}}}'.encode()

    assert outcome_of(Validator(signature), body) == outcome_of(LongWay(signature), body)


@pytest.mark.parametrize("signature", [MIXED, NUMBERS], ids=["mixed", "numbers"])
def test_what_is_in_order_goes_the_short_way(signature: Signature) -> None:
    values = {"float64": 1.5, "int64": 3, "category": "blue"}
    record = {feature.name: values[feature.dtype] for feature in signature.features}

    rows = RecordDecoder(signature).decode("instances", json.dumps({"instances": [record, record]}).encode())

    assert rows is not None
    assert [[getattr(row, f"f{index}") for index in range(len(record))] for row in rows] == [[*record.values()]] * 2


def test_names_that_it_cannot_take_go_the_long_way() -> None:
    signature = Signature(features=(Feature(name='a "b"', dtype="float64"),), task="classification", outputs=KIND)

    rows = Validator(signature).parse_batch(json.dumps({"instances": [{'a "b"': 1}]}).encode(), **BOUNDS)

    assert rows.row_counts == [1]
