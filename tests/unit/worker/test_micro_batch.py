"""Scoring many rows with one call: a bad row fails alone, the others are answered in order."""

import math

import msgspec
import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sklearn.linear_model import RidgeClassifier

from rhizome.jobs import Encoding, ScoreRequest
from rhizome.signature import Feature, Output, Signature
from tests.support.estimators import Reciprocal, Silent, Undecided, refusing, watched
from tests.support.queue import build_request, pack_rows
from tests.support.versions import (
    IRIS_ROWS,
    iris_data,
    iris_estimator,
    iris_signature,
    line_estimator,
    line_signature,
    mixed_signature,
)
from worker.micro_batch import OutputAnswer, RowAnswer, RowFailure, UnreadablePayload, decode_rows, score_rows

MARKER = -99.0


def numbers(values: list[tuple[float, ...]], **changes: object) -> ScoreRequest:
    return build_request("j", **({"rows": len(values), "payload": pack_rows(values)} | changes))


def objects(rows: object, count: int) -> ScoreRequest:
    return build_request("j", rows=count, encoding=Encoding.JSON, payload=msgspec.json.encode(rows))


def iris_rows(count: int, bad: set[int] = frozenset()) -> np.ndarray:
    rows = np.tile(iris_data()[0], (count // 150 + 1, 1))[:count].copy()
    for index in bad:
        rows[index, 0] = MARKER
    return rows


def failed_of(answers: list[RowAnswer | RowFailure]) -> set[int]:
    return {index for index, answer in enumerate(answers) if isinstance(answer, RowFailure)}


def test_the_rows_of_several_requests_are_read_in_order() -> None:
    requests = [numbers([(1.0, 2.0, 3.0, 4.0)]), numbers([(5.0, 6.0, 7.0, 8.0), (9.0, 10.0, 11.0, 12.0)])]

    array = decode_rows(requests, iris_signature())

    assert array.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]


def test_rows_of_categories_are_read_in_order() -> None:
    requests = [objects([[1.0, "blue"]], 1), objects([[2, None], [3.5, "red"]], 2)]

    array = decode_rows(requests, mixed_signature())

    assert array.tolist() == [[1.0, "blue"], [2, None], [3.5, "red"]]


def test_nan_stands_for_a_missing_number() -> None:
    array = decode_rows([numbers([(math.nan, 2.0, 3.0, 4.0)])], iris_signature())

    assert np.isnan(array[0, 0])


@pytest.mark.parametrize(
    "request_",
    [
        numbers([(1.0, 2.0, 3.0)]),
        numbers([(1.0, 2.0, 3.0, 4.0)], rows=2),
        numbers([(1.0, 2.0, 3.0, 4.0)], payload=b""),
        numbers([(1.0, 2.0, 3.0, 4.0)], payload=b"x" * 31),
        numbers([(1.0, 2.0, 3.0, 4.0)], encoding="f4"),
    ],
    ids=["too narrow", "too few rows", "empty", "not whole numbers", "unknown encoding"],
)
def test_a_payload_that_does_not_hold_the_promised_numbers_is_unreadable(request_: ScoreRequest) -> None:
    with pytest.raises(UnreadablePayload):
        decode_rows([request_], iris_signature())


@pytest.mark.parametrize(
    "request_",
    [
        objects([[1.0]], 1),
        objects([[1.0, "blue", 2]], 1),
        objects([[1.0, "blue"]], 2),
        objects([], 1),
        objects({"size": 1.0}, 1),
        objects([1.0, "blue"], 1),
        objects(None, 1),
        build_request("j", encoding=Encoding.JSON, payload=b"{"),
        build_request("j", encoding=Encoding.JSON, payload=b"\xff"),
        numbers([(1.0, 2.0)]),
    ],
    ids=["narrow", "wide", "few", "none", "object", "flat", "null", "broken", "not utf-8", "numbers for categories"],
)
def test_a_payload_that_does_not_hold_the_promised_objects_is_unreadable(request_: ScoreRequest) -> None:
    with pytest.raises(UnreadablePayload):
        decode_rows([request_], mixed_signature())


def test_one_call_answers_all_rows() -> None:
    sizes: list[int] = []
    estimator = watched(lambda rows: sizes.append(len(rows)))

    answers = score_rows(estimator, iris_rows(100), iris_signature())

    assert len(answers) == 100
    assert sizes == [104]  # filled up to a multiple of eight, and once: the labels follow from the probabilities


def test_batched_answers_equal_answers_one_by_one_in_order() -> None:
    estimator, rows = iris_estimator(), np.random.default_rng(42).permutation(iris_data()[0])

    batched = score_rows(estimator, rows, iris_signature())
    single = [score_rows(estimator, rows[index : index + 1], iris_signature())[0] for index in range(len(rows))]

    assert [answer[0].label for answer in batched] == [answer[0].label for answer in single]
    assert [answer[0].probabilities for answer in batched] == [answer[0].probabilities for answer in single]
    assert len({answer[0].label for answer in batched}) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 64, 255, 256])
@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_one_bad_row_fails_alone(count: int, position: str) -> None:
    bad = {"first": 0, "middle": count // 2, "last": count - 1}[position]
    estimator, _ = refusing(MARKER)
    rows = iris_rows(count, {bad})

    answers = score_rows(estimator, rows, iris_signature())

    assert failed_of(answers) == {bad}
    good = [index for index in range(count) if index != bad]
    expected = [str(label) for label in estimator.predict(rows[good])] if good else []
    assert [answers[index][0].label for index in good] == expected


@pytest.mark.parametrize("bad", [{0}, {7, 8}, {3, 100, 200}, set(range(0, 256, 32))])
def test_bad_rows_cost_a_bounded_number_of_calls(bad: set[int]) -> None:
    estimator, sizes = refusing(MARKER)

    answers = score_rows(estimator, iris_rows(256, bad), iris_signature())

    assert failed_of(answers) == bad
    halvings = int(np.log2(256))
    assert len(sizes) <= 1 + 2 * len(bad) * halvings


def test_when_every_row_is_bad_each_has_its_own_failure() -> None:
    estimator, sizes = refusing(MARKER)

    answers = score_rows(estimator, iris_rows(16, set(range(16))), iris_signature())

    assert failed_of(answers) == set(range(16))
    assert len(sizes) == 2 * 16 - 1


def test_a_failure_names_its_cause() -> None:
    estimator, _ = refusing(MARKER, KeyError("secret"))

    assert score_rows(estimator, iris_rows(1, {0}), iris_signature()) == [RowFailure("KeyError")]


def test_running_out_of_memory_is_an_error_like_any_other() -> None:
    estimator, _ = refusing(MARKER, MemoryError())

    answers = score_rows(estimator, iris_rows(8, {5}), iris_signature())

    assert failed_of(answers) == {5}
    assert answers[5] == RowFailure("MemoryError")


def test_a_batch_that_needs_too_much_memory_is_scored_in_parts() -> None:
    def look(rows: np.ndarray) -> None:
        if len(rows) > 10:
            raise MemoryError

    answers = score_rows(watched(look), iris_rows(64), iris_signature())

    assert failed_of(answers) == set()
    assert len(answers) == 64


def test_the_clocks_verdict_is_not_taken_for_a_bad_row() -> None:
    estimator, sizes = refusing(MARKER, SoftTimeLimitExceeded())

    with pytest.raises(SoftTimeLimitExceeded):
        score_rows(estimator, iris_rows(8, {5}), iris_signature())

    assert len(sizes) == 1


def test_a_value_that_is_not_finite_fails_its_row_alone() -> None:
    answers = score_rows(Reciprocal(), np.array([[1.0], [0.0], [np.nan], [4.0]]), line_signature())

    assert answers == [
        (OutputAnswer(1.0, None),),
        RowFailure("NonFiniteValue"),
        RowFailure("NonFiniteValue"),
        (OutputAnswer(0.25, None),),
    ]


def test_a_probability_that_is_not_finite_fails_its_row_alone() -> None:
    answers = score_rows(Undecided(), iris_rows(8, {2, 6}), iris_signature())

    assert failed_of(answers) == {2, 6}
    assert answers[0] == (OutputAnswer("setosa", [1.0, 0.0, 0.0]),)


def test_an_estimator_that_answers_too_few_rows_mixes_nothing_up() -> None:
    answers = score_rows(Silent(), iris_rows(8), iris_signature())

    assert answers == [(OutputAnswer("setosa", None),)] * 8


def test_a_classifier_without_probabilities_answers_labels() -> None:
    answers = score_rows(RidgeClassifier().fit(*iris_data()), np.array(IRIS_ROWS), iris_signature())

    assert answers == [(OutputAnswer(label, None),) for label in ("setosa", "versicolor", "virginica")]


def test_a_regression_answers_values() -> None:
    answers = score_rows(line_estimator(), np.array([[0.0], [10.0]]), line_signature())

    assert [answer[0].label for answer in answers] == pytest.approx([1.0, 21.0])


def test_numeric_features_beside_categories_are_read_back_as_they_were_sent() -> None:
    signature = Signature(
        features=(Feature(name="n", dtype="int64"), Feature(name="c", dtype="category", categories=("a",))),
        task="regression",
        outputs=(Output(name="t"),),
    )

    array = decode_rows([objects([[3, "a"]], 1)], signature)

    assert array.dtype == object
    assert array.tolist() == [[3, "a"]]
