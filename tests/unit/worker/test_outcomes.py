"""The answers of a chunk say what each row's own answer says."""

import json
from typing import Any

import pytest

from rhizome.jobs import Returns
from rhizome.signature import Output, Signature
from tests.support.queue import build_request
from worker.micro_batch import OutputAnswer, RowAnswer, RowFailure
from worker.outcomes import answer_of, chunk_answers

FAILED = RowFailure("ValueError")


def signature_of(*classes: tuple[Any, ...], task: Any = "classification") -> Signature:
    outputs = tuple(Output(name=f"y{index}", classes=its) for index, its in enumerate(classes))
    return Signature(features=(), task=task, outputs=outputs, has_probabilities=True)


ONE, NAMES = signature_of(('a "b"', "c", "é")), ('a "b"', "c", "é")
MANY = signature_of(tuple(range(150)))
CASES: dict[str, tuple[Signature, list[RowAnswer | RowFailure]]] = {
    "probabilities": (ONE, [(OutputAnswer(NAMES[index], [0.25, 1e-300, 0.75]),) for index in range(3)]),
    "failures between": (ONE, [FAILED, (OutputAnswer("c", [0.0, 1.0, 0.0]),), FAILED]),
    "failures alone": (ONE, [FAILED, FAILED]),
    "no probabilities": (ONE, [(OutputAnswer("c", None),), FAILED]),
    "numbers as classes": (signature_of((1, 2)), [(OutputAnswer(2, [0.5, 0.5]),)]),
    "many classes": (MANY, [(OutputAnswer(3, [1 / 150] * 150),)]),
    "two outputs": (signature_of(("x", "y"), (1, 2)), [(OutputAnswer("x", [0.1, 0.9]), OutputAnswer(2, [0.3, 0.7]))]),
    "a value": (signature_of((), task="regression"), [(OutputAnswer(0.1, None),), FAILED]),
    "nothing": (ONE, []),
}


@pytest.mark.parametrize("top_k", [0, 2])
@pytest.mark.parametrize("returns", Returns)
@pytest.mark.parametrize("case", CASES)
def test_a_chunk_holds_each_rows_answer_in_order(case: str, returns: Returns, top_k: int) -> None:
    signature, rows = CASES[case]
    request = build_request("job", returns=returns.value, top_k=top_k)

    body = chunk_answers(rows, signature, request)

    expected = [answer_of(row, signature, request) for row in rows]
    assert list(map(repr, json.loads(body))) == list(map(repr, expected))
