"""The answers of a chunk say what each row's own answer says."""

import json
from typing import Any

import numpy as np
import pytest

from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns
from rhizome.signature import Output, Signature
from tests.support.queue import build_request
from worker.micro_batch import row_by_row
from worker.outcomes import answer_of, answers_of_arrays, encode_answers

NAMES = ("a b", "c", "é")


def signature_of(*classes: tuple[Any, ...], task: Any = "classification") -> Signature:
    outputs = tuple(Output(name=f"y{index}", classes=its) for index, its in enumerate(classes))
    return Signature(features=(), task=task, outputs=outputs, has_probabilities=True)


def arrays(labels: list[Any], probabilities: list[list[float]] | None) -> AnswerArrays:
    return AnswerArrays(np.array(labels), None if probabilities is None else np.array(probabilities))


CHANCES = [[0.25, 1e-300, 0.75], [0.0, 1.0, 0.0]]
CASES: dict[str, tuple[Signature, list[AnswerArrays]]] = {
    "probabilities": (signature_of(NAMES), [arrays(["é", "c"], CHANCES)]),
    "one row": (signature_of(NAMES), [arrays(["é"], CHANCES[:1])]),
    "names that are escaped": (signature_of(('a "b"', "c", "d")), [arrays(["c", "d"], CHANCES)]),
    "no probabilities": (signature_of(NAMES), [arrays(["c", "é"], None)]),
    "numbers as classes": (signature_of((1, 2)), [arrays([2, 1], [[0.5, 0.5], [0.1, 0.9]])]),
    "many classes": (signature_of(tuple(range(150))), [arrays([3], [[1 / 150] * 150])]),
    "two outputs": (
        signature_of(("x", "y"), (1, 2)),
        [arrays(["x", "y"], [[0.1, 0.9], [0.2, 0.8]]), arrays([2, 1], [[0.3, 0.7], [0.4, 0.6]])],
    ),
    "a value": (signature_of((), task="regression"), [arrays([0.1, -0.0], None)]),
}


@pytest.mark.parametrize("top_k", [0, 2])
@pytest.mark.parametrize("returns", Returns)
@pytest.mark.parametrize("case", CASES)
def test_a_chunk_holds_each_rows_answer_in_order(case: str, returns: Returns, top_k: int) -> None:
    signature, outputs = CASES[case]
    request = build_request("job", returns=returns.value, top_k=top_k)

    body = encode_answers(answers_of_arrays(outputs, signature, request))

    expected = [answer_of(row, signature, request) for row in zip(*map(row_by_row, outputs), strict=True)]
    assert list(map(repr, json.loads(body))) == list(map(repr, expected))


def test_probabilities_alone_need_no_labels() -> None:
    request = build_request("job", returns=Returns.PROBABILITIES.value)

    answers = answers_of_arrays([AnswerArrays(None, np.array(CHANCES))], signature_of(NAMES), request)

    assert json.loads(encode_answers(answers))[1] == {"probabilities": {"a b": 0.0, "c": 1.0, "é": 0.0}}
