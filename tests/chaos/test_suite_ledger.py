"""What the ledger of the chaos suite takes for a fault: a ledger that finds nothing would prove nothing."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.chaos.suite.ledger import Job, Ledger
from tests.chaos.suite.oracle import Oracle
from tests.support.versions import IRIS_CLASSES, IRIS_ROWS, iris_estimator, write_iris

ROWS = np.array(IRIS_ROWS)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def version(models: Path) -> str:
    return write_iris(models).version


def right_answers() -> list[dict[str, Any]]:
    probabilities = iris_estimator().predict_proba(ROWS)
    return [
        {"label": label, "probabilities": dict(zip(IRIS_CLASSES, row, strict=True))}
        for label, row in zip(IRIS_CLASSES, probabilities.tolist(), strict=True)
    ]


def test_right_answers_are_none(models: Path, version: str) -> None:
    assert Oracle(models).find_mistakes(version, ROWS, right_answers()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "virginica"},
        {"probabilities": {"setosa": 1.0, "versicolor": 0.0, "virginica": 0.0}},
        {"probabilities": {}},
        {"label": None, "error": {"code": "gave_up"}},
    ],
)
def test_a_wrong_answer_is_a_mistake(models: Path, version: str, wrong: dict[str, Any]) -> None:
    answers = right_answers()
    answers[1] |= wrong

    assert Oracle(models).find_mistakes(version, ROWS, answers) == [1]


def test_answers_in_another_order_are_mistakes(models: Path, version: str) -> None:
    assert Oracle(models).find_mistakes(version, ROWS, right_answers()[::-1]) == [0, 2]


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"code": code})


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (refusal(503, "queue_unavailable", **{"Retry-After": "1"}), ""),
        (refusal(429, "lane_full", **{"Retry-After": "1"}), "unfair"),
        (refusal(503, "queue_unavailable"), "errors"),
        (refusal(500, "internal_error"), "errors"),
        (refusal(422, "invalid_fields"), "unfair"),
    ],
)
def test_a_refusal_is_a_fault_unless_the_phase_gives_reason(response: httpx.Response, fault: str) -> None:
    ledger = Ledger(["queue_unavailable"])

    ledger.refuse("single", response)

    assert {name for name, found in ledger.faults.items() if found} == ({fault} if fault else set())


def test_an_id_that_is_handed_out_twice_is_a_fault() -> None:
    ledger = Ledger()

    for kind in ("single", "batch"):
        ledger.accept(Job("an-id", kind, ROWS))

    assert ledger.faults["doubled"]


@pytest.mark.parametrize("may_cut", [False, True])
def test_a_broken_connection_is_a_fault_where_nobody_cut_it(may_cut: bool) -> None:
    ledger = Ledger(may_cut=may_cut)

    ledger.break_off("single", httpx.ReadError("reset"))

    assert bool(ledger.faults["broken"]) is not may_cut
