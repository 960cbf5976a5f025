"""Rows in, answers out: how an estimator is called, the same in training, self-test and service.

Never imported by the gateway: it needs NumPy.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rhizome.signature import ClassLabel, Signature


class Answers(NamedTuple):
    """What an estimator says of n rows.

    Attributes:
        labels: n predicted labels, or values for regression, as plain Python objects.
        probabilities: n lists in the order of the signature's classes; None where the estimator has none.
    """

    labels: list[ClassLabel]
    probabilities: list[list[float]] | None


def to_array(rows: Sequence[Sequence[Any]], signature: Signature) -> NDArray[Any]:
    """An array of shape (n rows, n features): float64 where all features are numbers, else objects.

    A missing number is NaN and a missing category None, as in training.
    """
    if signature.is_numeric:
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(signature.features))
    array = np.empty((len(rows), len(signature.features)), dtype=object)
    for index, row in enumerate(rows):
        array[index] = row
    for column, feature in enumerate(signature.features):
        if feature.nullable and feature.dtype != "category":
            array[[row[column] is None for row in rows], column] = np.nan
    return array


def predict(estimator: Any, array: NDArray[Any], signature: Signature) -> Answers:
    """Calls the estimator once for all rows of `array` (n rows, n features)."""
    labels = estimator.predict(array).tolist()
    if signature.task == "regression" or not hasattr(estimator, "predict_proba"):
        return Answers(labels, None)
    return Answers(labels, estimator.predict_proba(array).tolist())
