"""The answer to a row is bit for bit the same, whatever rows share its call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rhizome.inference import predict, to_array
from rhizome.signature import Signature
from tests.support.signatures import numbers_signature
from tests.support.versions import MIXED_ROWS, mixed_estimator, mixed_signature
from trainer import estimators

#: Up to here BLAS kernels of all supported processors add up a row alike in small and large calls.
COLUMNS = (1, 4, 13, 30)
ROWS_FITTED = 200
ALONE = 64
POSITIONS = st.lists(st.integers(0, 999), min_size=1, max_size=20)
Fitted = tuple[Any, Signature, NDArray[Any], list[Any]]


@pytest.fixture(scope="module")
def fitted() -> Callable[..., Fitted]:
    """A fitted estimator, its signature, rows, and its answers to each row alone."""
    known: dict[tuple[Any, ...], Fitted] = {}

    def fit(factory: Any, columns: int, classes: int) -> Fitted:
        if (factory, columns, classes) not in known:
            known[factory, columns, classes] = _fit(factory, columns, classes)
        return known[factory, columns, classes]

    return fit


def _fit(factory: Any, columns: int, classes: int) -> Fitted:
    rows = np.random.default_rng(columns).normal(size=(ROWS_FITTED, columns))
    score = rows.sum(axis=1)
    labels = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])) if classes else score
    signature = numbers_signature(columns, range(classes)) if classes else numbers_signature(columns)
    estimator = factory(signature, 42).fit(rows, labels)
    alone = [predict(estimator, rows[index : index + 1], signature) for index in range(ALONE)]
    return estimator, signature, rows, alone


def check(fitted: Fitted, count: int, positions: list[int]) -> None:
    """The rows at `positions` of a call of `count` rows get the answers they get alone."""
    estimator, signature, rows, alone = fitted
    chosen = np.random.default_rng(count).integers(len(alone), size=count)
    positions = [position % count for position in positions]

    (answers,) = predict(estimator, rows[chosen], signature)

    for position in positions:
        (expected,) = alone[chosen[position]]
        assert answers.labels[position] == expected.labels[0]
        if answers.probabilities is not None:
            assert answers.probabilities[position] == expected.probabilities[0]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize(
    ("factory", "classes"),
    [
        (estimators.logistic_regression, 2),
        (estimators.logistic_regression, 3),
        (estimators.logistic_regression, 10),
        (estimators.ridge, 0),
    ],
)
@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 1_000), positions=POSITIONS)
def test_a_linear_answer_does_not_depend_on_its_company(
    fitted: Any, factory: Any, classes: int, columns: int, count: int, positions: list[int]
) -> None:
    check(fitted(factory, columns, classes), count, positions)


@pytest.mark.parametrize("factory", [estimators.random_forest, estimators.gradient_boosting])
@pytest.mark.parametrize("classes", [0, 3])
@settings(max_examples=5, deadline=None)
@given(count=st.integers(1, 300), positions=POSITIONS)
def test_an_answer_of_trees_does_not_depend_on_its_company(
    fitted: Any, factory: Any, classes: int, count: int, positions: list[int]
) -> None:
    check(fitted(factory, 4, classes), count, positions)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300))
def test_beside_categories_an_answer_does_not_depend_on_its_company(count: int) -> None:
    estimator, signature = mixed_estimator(), mixed_signature()
    alone = [predict(estimator, to_array([row], signature), signature)[0].probabilities for row in MIXED_ROWS]
    rows = [MIXED_ROWS[index % len(MIXED_ROWS)] for index in range(count)]

    (answers,) = predict(estimator, to_array(rows, signature), signature)

    assert answers.probabilities == [alone[index % len(MIXED_ROWS)][0] for index in range(count)]
