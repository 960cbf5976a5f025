"""Real scikit-learn estimators that misbehave in one way each."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.support.versions import IRIS_CLASSES, iris_data

Look = Callable[[NDArray[Any]], None]


def watched(look: Look) -> Pipeline:
    """An iris classifier that shows every array it is given to `look`, which may raise."""

    def pass_on(rows: NDArray[Any]) -> NDArray[Any]:
        look(rows)
        return rows

    return Pipeline([("look", FunctionTransformer(pass_on)), ("estimate", _fitted_iris())])


@cache
def _fitted_iris() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(*iris_data())


def refusing(marker: float, error: Exception | None = None) -> tuple[Pipeline, list[int]]:
    """An iris classifier that raises where a first feature is `marker`, and the sizes of the arrays it was given."""
    sizes: list[int] = []

    def look(rows: NDArray[Any]) -> None:
        sizes.append(len(rows))
        if (rows[:, 0] == marker).any():
            raise error or ValueError(f"cannot take {marker}")

    return watched(look), sizes


class Reciprocal(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """1 / x: infinite at zero."""

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 / rows[:, 0]


class Undecided(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Its probabilities are not numbers where the first feature is negative."""

    classes_ = np.array(IRIS_CLASSES)

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.full(len(rows), IRIS_CLASSES[0])

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        answers = np.tile([1.0, 0.0, 0.0], (len(rows), 1))
        answers[rows[:, 0] < 0, 0] = np.nan
        return answers


class Silent(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers one row fewer than it is given, unless it is given one."""

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.full(max(1, len(rows) - 1), IRIS_CLASSES[0])
