"""A value is the same value, or is refused in the same words, in every form that it can come in."""

import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inference_protocol.requests import InferInput
from gateway.inference_protocol.tensors import to_columns
from gateway.validation import Rows, Validator
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat
from rhizome.blob_store import open_store
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature
from tests.support.queue import build_request
from worker.files.parquet import plan_file
from worker.files.parquet_rows import ParquetRows
from worker.files.text import RowBlock, parse_csv, parse_ndjson
from worker.micro_batch import decode_rows

BOUNDS = {"max_rows": 9, "chunk_rows": 9}
OUTPUTS = (Output(name="kind", classes=("cold", "warm")),)
OTHER = Feature(name="colour", dtype="category", categories=("blue", "red"))
AGES = (
    Feature(name="age", dtype="int64", lower=0, upper=120.5),
    Feature(name="age", dtype="int64"),
    Feature(name="age", dtype="int64", lower=-1e19, upper=1e19),  # of a former release: today these are float64
    Feature(name="age", dtype="float64", lower=0.1, upper=120.5),
    Feature(name="age", dtype="float64"),
)
NUMBERS = st.one_of(
    st.integers(-3, 130).map(float),
    st.integers(-3, 130),
    st.floats(-3, 130),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, float(2**53 + 2), -(2**53), 1e300, 34.5, -0.0, 10**18 + 1]),
    st.sampled_from([120.5, math.nextafter(120.5, 999), 0.1, math.nextafter(0.1, 0)]),
)
Outcome = tuple[str, str] | list[Any]


def signature_of(feature: Feature, *, is_mixed: bool) -> Signature:
    return Signature(features=(feature, OTHER)[: 1 + is_mixed], task="classification", outputs=OUTPUTS)


def outcome_of(parse: Callable[[], Rows], signature: Signature) -> Outcome:
    """The row as it reaches the estimator, or why the value is refused and what to do."""
    try:
        rows = parse()
    except InvalidRequest as error:
        (problem,) = error.problems
        return str(problem["problem"]), str(problem["remedy"])
    request = build_request("job", kind="batch", rows=1, encoding=rows.encoding, payload=rows.payloads[0])
    return decode_rows([request], signature).tolist()


def outcome_of_file(block: RowBlock) -> Outcome:
    return (block.bad[0].problem, block.bad[0].remedy) if block.bad else block.array.tolist()


def parquet_block(folder: Path, columns: dict[str, Any], signature: Signature) -> RowBlock:
    store = open_store((folder / "store").as_uri())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    with store.open_writer("job/input.parquet") as writer:
        writer.write(sink.getvalue())
        writer.commit()
    whole = BlobSlice(FileFormat.PARQUET, "job/input.parquet", 0, len(sink.getvalue()), row_group=PLAN)
    (chunk,) = plan_file(store, whole, signature, max_bytes=10**9, chunk_bytes=10**6, max_rows=10**9)
    return ParquetRows(store).read(chunk, signature)


def outcomes(value: Any, signature: Signature, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """What becomes of a value in each form that can hold it."""
    validator = Validator(signature)
    names = signature.names
    record = dict(zip(names, (value, "blue"), strict=False))
    row = list(record.values())
    bodies = {
        "records": {"instances": [record]},
        "records beside an option": {"instances": [record], "priority": 1},
        "lists": {"instances": [row]},
        "columns": {"inputs": {name: [cell] for name, cell in record.items()}},
        "dataframe_records": {"dataframe_records": [record]},
        "dataframe_split": {"dataframe_split": {"columns": names, "data": [row]}},
    }
    yield "single", outcome_of(lambda: validator.parse_single(json.dumps(record).encode()), signature)
    for form, body in bodies.items():
        yield form, outcome_of(lambda: validator.parse_batch(json.dumps(body).encode(), **BOUNDS), signature)  # noqa: B023
    datatype = "BOOL" if isinstance(value, bool) else "BYTES" if isinstance(value, str) else "FP64"
    if datatype == "BYTES" or signature.features[0].dtype != "category" or signature.features[0].texts_of_booleans:
        tensors = [InferInput(name=names[0], datatype=datatype, shape=[1], data=[value])]
        tensors += [InferInput(name=name, datatype="BYTES", shape=[1], data=["blue"]) for name in names[1:]]
        yield (
            "tensors",
            outcome_of(
                lambda: validator.cut(
                    list(validator.columns.to_rows(to_columns(tensors, signature, max_rows=9), "inputs")), 9, {}
                ),
                signature,
            ),
        )
    text = json.dumps(value) if not isinstance(value, str) else value
    line = ",".join([text, "blue"][: len(names)])
    yield "CSV", outcome_of(lambda: validator.parse_csv(f"{','.join(names)}\n{line}\n".encode(), **BOUNDS), signature)
    yield "CSV file", outcome_of_file(parse_csv(f"{line}\n".encode(), names, 2, signature))
    yield "NDJSON file", outcome_of_file(parse_ndjson(f"{json.dumps(record)}\n".encode(), 1, signature))
    if not isinstance(value, int) or abs(value) < 2**63:
        block = parquet_block(folder, {name: [cell] for name, cell in record.items()}, signature)
        yield "Parquet file", outcome_of_file(block)


@settings(max_examples=150, deadline=None)
@given(value=NUMBERS, feature=st.sampled_from(AGES), is_mixed=st.booleans())
def test_a_number_is_answered_alike_in_every_form(
    tmp_path_factory: pytest.TempPathFactory, value: float, feature: Feature, is_mixed: bool
) -> None:
    found = dict(outcomes(value, signature_of(feature, is_mixed=is_mixed), tmp_path_factory.getbasetemp()))

    expected = found["single"]
    # CSV and NDJSON write what was sent, Parquet and tensors as float64: an integer too long for it is shown as that.
    shown = {form: expected if _is_rounded(value, outcome, expected) else outcome for form, outcome in found.items()}
    assert shown == dict.fromkeys(found, expected)


def _is_rounded(value: float, outcome: Outcome, expected: Outcome) -> bool:
    return abs(value) >= 2**53 and isinstance(outcome, tuple) and isinstance(expected, tuple)


@pytest.mark.parametrize(("value", "is_accepted"), [(34.0, True), (34, True), (34.5, False), (1e300, False)])
def test_a_whole_number_is_an_integer_however_it_is_written(tmp_path: Path, value: float, is_accepted: bool) -> None:
    for is_mixed in (False, True):
        signature = signature_of(AGES[0], is_mixed=is_mixed)
        for form, outcome in outcomes(value, signature, tmp_path):
            assert isinstance(outcome, list) == is_accepted, form
            if not is_accepted:
                assert outcome[1] == "send an integer from 0 to 120", form
            elif is_mixed:
                assert type(outcome[0][0]) is int, form


@pytest.mark.parametrize("categories", [("False", "True"), ("false", "true"), ("TRUE",)])
def test_a_boolean_column_takes_booleans_in_every_form(tmp_path: Path, categories: tuple[str, ...]) -> None:
    signature = signature_of(Feature(name="member", dtype="category", categories=categories), is_mixed=True)

    for form, outcome in outcomes(True, signature, tmp_path):
        assert outcome == [[categories[-1], "blue"]], form


@pytest.mark.parametrize("value", [True, 5, "green"])
def test_what_is_no_category_is_refused_alike_in_every_form(tmp_path: Path, value: Any) -> None:
    signature = signature_of(Feature(name="plan", dtype="category", categories=("basic", "plus")), is_mixed=False)
    forms = ("single", "records", "lists", "columns", "dataframe_records", "dataframe_split", "NDJSON file")
    if value == "green":
        forms += ("tensors", "CSV", "CSV file", "Parquet file")

    found = {form: outcome for form, outcome in _outcomes_of_text(value, signature, tmp_path) if form in forms}

    assert found == dict.fromkeys(forms, found["single"])
    assert isinstance(found["single"], tuple)


def _outcomes_of_text(value: Any, signature: Signature, folder: Path) -> Iterator[tuple[str, Outcome]]:
    found = outcomes(value, signature, folder)
    if isinstance(value, str):
        yield from found
        return
    for form, outcome in found:  # a file of another type is refused as a whole
        yield form, outcome
        if form == "NDJSON file":
            return
