"""Lines written many at once say what the JSON answers say, number for number."""

import csv
import io
import json
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizome.blob_slices import FileFormat
from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns, ScoreRequest
from rhizome.row_table import answer_of_cells, build_writer, csv_line
from rhizome.signature import Output, Signature
from tests.support.queue import build_request
from worker.files.lines import LineFormat, Lines, bytes_of, merge
from worker.micro_batch import OutputAnswer
from worker.outcomes import answer_of

CLASSES = ('a"b', "c,d", "e\nf", "é")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def signature_of(*classes: tuple[Any, ...], task: Any = "classification", has_probabilities: bool = True) -> Signature:
    outputs = tuple(Output(name=f"out {index}", classes=its) for index, its in enumerate(classes))
    return Signature(features=(), task=task, outputs=outputs, has_probabilities=has_probabilities)


def request_for(returns: Returns, top_k: int) -> ScoreRequest:
    return build_request("job", returns=returns.value, top_k=top_k)


def expected(outputs: list[AnswerArrays], signature: Signature, returns: Returns, top_k: int) -> list[Any]:
    """The answers one by one, as a request's rows get them."""
    columns = []
    for output in outputs:
        labels = [None] * 9 if output.labels is None else output.labels.tolist()
        chances = [None] * 9 if output.probabilities is None else output.probabilities.tolist()
        columns.append([OutputAnswer(label, chance) for label, chance in zip(labels, chances, strict=False)])
    return [answer_of(row, signature, request_for(returns, top_k)) for row in zip(*columns, strict=True)]


def rows_of(lines: Lines) -> str:
    return bytes(bytes_of(lines.rows)).decode()


def assert_says(outputs: list[AnswerArrays], signature: Signature, returns: Returns, top_k: int) -> None:
    """Both forms say what the answers one by one say; and what CSV says can be read back as such an answer."""
    answers = expected(outputs, signature, returns, top_k)
    ndjson, table = (LineFormat(signature, returns, top_k, form) for form in (FileFormat.NDJSON, FileFormat.CSV))
    found = [json.loads(line) for line in rows_of(ndjson.format_arrays(outputs)).splitlines()]
    assert (found, list(map(orders, found))) == (answers, list(map(orders, answers)))
    cells = list(csv.reader(io.StringIO(rows_of(table.format_arrays(outputs)), newline="")))
    plain = list(csv.reader(io.StringIO("".join(csv_line(answer, table.columns) for answer in answers), newline="")))
    assert [[_value(cell) for cell in row] for row in cells] == [[_value(cell) for cell in row] for row in plain]
    read = [answer_of_cells(row, table.columns, is_ranked=top_k > 0) for row in cells]
    assert [repr(json.loads(msgspec.json.encode(answer))) for answer in read] == list(map(repr, found))
    if top_k == 0:
        assert list(map(build_writer(table.columns), cells)) == list(map(msgspec.json.encode, read))


def orders(answer: dict[str, Any]) -> list[list[str]]:
    """The classes in the order in which they are given."""
    return [list(output.get("probabilities", ())) for output in answer.get("outputs", {"": answer}).values()]


def _value(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=9),
    st.sampled_from(Returns),
    st.integers(0, 5),
)
def test_lines_of_a_classification_equal_the_answers(chances: list[list[float]], returns: Returns, top_k: int) -> None:
    signature = signature_of(CLASSES)
    probabilities = np.array(chances)
    labels = np.array([CLASSES[index % 4] for index in range(len(chances))])
    output = AnswerArrays(
        labels if returns is not Returns.PROBABILITIES else None,
        probabilities if returns is not Returns.LABEL else None,
    )

    assert_says([output], signature, returns, top_k)


@pytest.mark.parametrize("classes", [(3, 1, 2), (0.5, 1.5), (False, True), ("only",)])
def test_labels_of_any_type_are_written_as_they_are(classes: tuple[Any, ...]) -> None:
    signature = signature_of(classes, has_probabilities=False)
    output = AnswerArrays(np.array([classes[0], classes[-1]]), None)

    assert_says([output], signature, Returns.BOTH, 0)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_values_of_a_regression_are_read_back_bit_for_bit(values: list[float]) -> None:
    form = LineFormat(signature_of((), task="regression"), Returns.BOTH, 0, FileFormat.NDJSON)

    lines = form.format_arrays([AnswerArrays(np.array(values), None)])

    written = [json.loads(line)["value"] for line in rows_of(lines).splitlines()]
    assert np.array(written, dtype=float).tobytes() == np.array(values).tobytes()


def test_several_outputs_are_told_apart_by_name() -> None:
    signature = signature_of(("x", "y"), CLASSES)
    outputs = [
        AnswerArrays(np.array(["y", "x"]), np.array([[0.25, 0.75], [0.5, 0.5]])),
        AnswerArrays(np.array(["é", CLASSES[0]]), np.full((2, 4), 0.25)),
    ]
    form = LineFormat(signature, Returns.BOTH, 0, FileFormat.CSV)

    assert_says(outputs, signature, Returns.BOTH, 0)
    assert [column.name for column in form.columns][:2] == ["out 0.label", "out 0.probability_x"]


def test_a_label_that_is_no_class_is_not_written_as_another() -> None:
    form = LineFormat(signature_of(("a", "b")), Returns.LABEL, 0, FileFormat.CSV)

    with pytest.raises(ValueError, match="none of its classes"):
        form.format_arrays([AnswerArrays(np.array(["ab"]), None)])


@given(st.lists(st.booleans(), max_size=30))
def test_good_and_bad_rows_are_merged_in_input_order(is_good: list[bool]) -> None:
    def lines(wanted: bool) -> Lines:
        texts = pa.array([f"{index}\n" for index, good in enumerate(is_good) if good is wanted], pa.string())
        return Lines(texts, None if wanted else texts)

    before = [sum(is_good[:index]) for index, good in enumerate(is_good) if not good]
    merged = merge(lines(True), lines(False), np.array(before, dtype=np.int64))

    assert rows_of(merged).split() == [str(index) for index in range(len(is_good))]
    errors = [] if merged.errors is None else bytes(bytes_of(merged.errors)).decode().split()
    assert errors == [str(index) for index, good in enumerate(is_good) if not good]


@pytest.mark.parametrize(("classes", "label"), [(("a", "b"), "ab"), ((0, 1), 0.5)])
def test_a_label_that_only_begins_like_a_class_is_none(classes: tuple[Any, ...], label: Any) -> None:
    form = LineFormat(signature_of(classes, has_probabilities=False), Returns.LABEL, 0, FileFormat.CSV)

    with pytest.raises(ValueError, match="none of its classes"):
        form.format_arrays([AnswerArrays(np.array([label], dtype=object), None)])
