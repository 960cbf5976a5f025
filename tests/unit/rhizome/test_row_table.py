"""Answers as rows of a table: columns follow from the signature, cells read back as what was answered."""

import csv
import io
from typing import Any

import pytest

from rhizome.jobs import Returns
from rhizome.row_table import build_columns, csv_line, header_line, returns_of
from rhizome.signature import Output, Signature
from tests.support.versions import line_signature

TWO = Signature(
    features=(),
    task="classification",
    outputs=(Output(name="kind", classes=("a", "b")), Output(name="size", classes=(1, 2))),
    has_probabilities=True,
)
ONE = TWO.model_copy(update={"outputs": TWO.outputs[:1]})


@pytest.mark.parametrize(
    ("signature", "returns", "names"),
    [
        (ONE, Returns.BOTH, ["label", "probability_a", "probability_b", "error"]),
        (ONE, Returns.LABEL, ["label", "error"]),
        (ONE, Returns.PROBABILITIES, ["probability_a", "probability_b", "error"]),
        (ONE.model_copy(update={"has_probabilities": False}), Returns.BOTH, ["label", "error"]),
        (TWO, Returns.LABEL, ["kind.label", "size.label", "error"]),
        (line_signature(), Returns.BOTH, ["value", "error"]),
    ],
)
def test_columns_follow_from_the_signature(signature: Signature, returns: Returns, names: list[str]) -> None:
    columns = build_columns(signature, returns)

    assert [column.name for column in columns] == names
    assert header_line(columns) == ",".join(names) + "\n"


@pytest.mark.parametrize(
    ("answer", "cells"),
    [
        ({"label": "a", "probabilities": {"a": 0.1, "b": 1e-300}}, ["a", "0.1", "1e-300", ""]),
        ({"label": 'x"\n,', "probabilities": {}}, ['x"\n,', "", "", ""]),
        (
            {"error": {"code": "invalid_row", "detail": "size is 1, not 2"}, "line": 7},
            ["", "", "", "invalid_row: line 7: size is 1, not 2"],
        ),
        ({"error": {"code": "scoring_failed", "detail": "no"}}, ["", "", "", "scoring_failed: no"]),
    ],
)
def test_an_answer_is_read_back_from_its_line(answer: dict[str, Any], cells: list[str]) -> None:
    line = csv_line(answer, build_columns(ONE, Returns.BOTH))

    assert list(csv.reader(io.StringIO(line, newline=""))) == [cells]


def test_answers_tell_which_part_was_wanted() -> None:
    assert returns_of([b'[{"label":"a"}]']) is Returns.LABEL
    assert returns_of([b'[{"error":{}}]', b'[{"probabilities":{}}]']) is Returns.PROBABILITIES
    assert returns_of([b'[{"label":"a","probabilities":{}}]']) is Returns.BOTH
    assert returns_of([b"[]"]) is Returns.BOTH
