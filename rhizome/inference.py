"""Rows in, answers out: how an estimator is called, the same in training, self-test and service.

Never imported by the gateway: it needs NumPy.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rhizome.decision_rule import Rule, find_learner, find_rule, has_ties, is_of_scikit_learn, most_probable
from rhizome.jobs import Returns
from rhizome.signature import ClassLabel, Signature

#: Calls are filled up to a multiple of this. BLAS adds up a product of few rows, or the last rows of many, in another
#: order than the others; 8 is a multiple of what its kernels take at once (see ARCHITECTURE.md, "Known limits").
ROW_MULTIPLE = 8


class Answers(NamedTuple):
    """What an estimator says of n rows about one output.

    Attributes:
        labels: n predicted labels, or values for regression, as plain Python objects; empty where not wanted.
        probabilities: n lists in the order of the output's classes; None where not wanted, or not to be had.
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


def find_call(estimator: Any, returns: Returns) -> Returns:
    """What the estimator must compute for a job that wants `returns`; equal for jobs that should share a call.

    Where the label follows from the probabilities, all share one: it costs what each of two would.
    """
    if not hasattr(estimator, "predict_proba"):
        return Returns.LABEL
    return returns if find_rule(estimator) is Rule.NONE else Returns.BOTH


def predict(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns = Returns.BOTH
) -> tuple[Answers, ...]:
    """What the estimator says of all rows of `array` (n rows, n features), one item per output.

    `predict_proba` is called where probabilities are wanted, and `predict` where the labels are and do not follow from
    the probabilities.

    Raises:
        ValueError: the estimator did not give one answer per row and output.
    """
    rows, filled = len(array), _fill_up(estimator, array)
    probabilities = None
    if returns is not Returns.LABEL and signature.task == "classification" and hasattr(estimator, "predict_proba"):
        probabilities = _predict_probabilities(estimator, filled, signature)
    labels: Sequence[NDArray[Any]] | None = None
    if returns is not Returns.PROBABILITIES or probabilities is None:
        labels = _derive_labels(estimator, probabilities) or _predict_labels(estimator, filled, signature)
    return tuple(
        Answers(
            labels[index][:rows].tolist() if labels else [],
            probabilities[index][:rows].tolist() if probabilities else None,
        )
        for index in range(len(signature.outputs))
    )


def find_classes(estimator: Any, outputs: int) -> list[NDArray[Any]]:
    """The labels a fitted classifier knows, one array per output."""
    return [estimator.classes_] if outputs == 1 else list(estimator.classes_)


def _fill_up(estimator: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Repeats the last row up to a multiple of `ROW_MULTIPLE`: it fails there only if it fails alone.

    Not for a foreign estimator: seven rows more cost scikit-learn's next to nothing, but another may take its time.
    """
    missing = -len(array) % ROW_MULTIPLE
    if not missing or not len(array) or not is_of_scikit_learn(find_learner(estimator)):
        return array
    return np.concatenate([array, array[-1:].repeat(missing, axis=0)])


def _predict_probabilities(estimator: Any, array: NDArray[Any], signature: Signature) -> list[NDArray[Any]]:
    found = estimator.predict_proba(array)
    probabilities = [np.asarray(found)] if len(signature.outputs) == 1 else [np.asarray(each) for each in found]
    if [len(each) for each in probabilities] != [len(array)] * len(signature.outputs):
        raise ValueError("the estimator did not give probabilities for every row and output")
    return probabilities


def _predict_labels(estimator: Any, array: NDArray[Any], signature: Signature) -> list[NDArray[Any]]:
    found = np.asarray(estimator.predict(array))
    if found.size != len(array) * len(signature.outputs):
        raise ValueError("the estimator did not give one answer per row and output")
    return list(found.reshape(len(array), -1).T)


def _derive_labels(estimator: Any, probabilities: list[NDArray[Any]] | None) -> list[NDArray[Any]] | None:
    """The labels that follow from the probabilities; None where that is not proven."""
    rule = find_rule(estimator) if probabilities else Rule.NONE
    if probabilities is None or rule is Rule.NONE:
        return None
    if rule is Rule.MONOTONE and any(has_ties(each) for each in probabilities):
        return None
    classes = find_classes(estimator, len(probabilities))
    return [most_probable(each, found) for each, found in zip(classes, probabilities, strict=True)]
