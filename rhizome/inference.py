"""Rows in, answers out: how an estimator is called, the same in training, self-test and service.

Never imported by the gateway: it needs NumPy.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rhizome.decision_rule import Rule, find_learner, find_rule, has_ties, is_of_scikit_learn, most_probable
from rhizome.direct_calls.learner import Learner
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


class AnswerArrays(NamedTuple):
    """What an estimator says of n rows about one output, as arrays.

    Attributes:
        labels: shape (n,): labels, or values for regression, float64 where they are fractions; None where not wanted.
        probabilities: shape (n, n classes), float64; None where not wanted, or not to be had.
    """

    labels: NDArray[Any] | None
    probabilities: NDArray[Any] | None


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


class Calls:
    """How a fitted estimator is called, found once for all calls.

    Args:
        estimator: fitted.
        direct: a shorter way to one of its methods.
    """

    def __init__(self, estimator: Any, direct: Learner | None = None) -> None:
        self.rule = find_rule(estimator)
        self.predict: Callable[[NDArray[Any]], Any] = estimator.predict
        self.predict_proba: Callable[[NDArray[Any]], Any] | None = getattr(estimator, "predict_proba", None)
        self.classes: Any = getattr(estimator, "classes_", None)
        #: Rows that it can answer, of shape (1, n features): where it fails them, too, no other row is at fault. None
        #: where none are known.
        self.sound_rows: NDArray[Any] | None = None
        #: A foreign estimator may take its time for rows that nobody asked for; trees know no neighbours.
        self.is_filled_up = is_of_scikit_learn(find_learner(estimator)) and not (direct and direct.is_row_wise)
        if direct is not None:
            setattr(self, direct.method, direct.call)

    def find_classes(self, outputs: int) -> list[NDArray[Any]]:
        """The labels that a classifier knows, one array per output."""
        return [self.classes] if outputs == 1 else list(self.classes)


def find_call(calls: Calls, returns: Returns) -> Returns:
    """What the estimator must compute for a job that wants `returns`; equal for jobs that should share a call.

    Where the label follows from the probabilities, all share one: it costs what each of two would.
    """
    if calls.predict_proba is None:
        return Returns.LABEL
    return returns if calls.rule is Rule.NONE else Returns.BOTH


def predict(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns = Returns.BOTH
) -> tuple[Answers, ...]:
    """`predict_arrays` as plain Python objects, one item per output."""
    return tuple(
        Answers(
            output.labels.tolist() if output.labels is not None else [],
            output.probabilities.tolist() if output.probabilities is not None else None,
        )
        for output in predict_arrays(estimator, array, signature, returns)
    )


def predict_arrays(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns = Returns.BOTH
) -> tuple[AnswerArrays, ...]:
    """What the estimator says of all rows of `array` (n rows, n features), one item per output.

    `predict_proba` is called where probabilities are wanted, and `predict` where the labels are and do not follow from
    the probabilities.

    Args:
        estimator: a fitted one, or how it is called, for those who call it often.
        array: the rows.
        signature: what is asked for.
        returns: which part of it.

    Raises:
        ValueError: the estimator did not give one answer per row and output.
    """
    calls = estimator if isinstance(estimator, Calls) else Calls(estimator)
    rows, filled = len(array), _fill_up(array) if calls.is_filled_up else array
    probabilities = None
    if returns is not Returns.LABEL and signature.task == "classification" and calls.predict_proba is not None:
        probabilities = _predict_probabilities(calls.predict_proba, filled, signature)
    labels: Sequence[NDArray[Any]] | None = None
    if returns is not Returns.PROBABILITIES or probabilities is None:
        labels = _derive_labels(calls, probabilities) or _predict_labels(calls.predict, filled, signature)
    return tuple(
        AnswerArrays(
            _widen(labels[index][:rows]) if labels else None,
            _widen(probabilities[index][:rows]) if probabilities else None,
        )
        for index in range(len(signature.outputs))
    )


def _widen(array: NDArray[Any]) -> NDArray[Any]:
    """Floats of any size as float64: as text, a float32 has fewer digits than the same number of JSON's size.

    Only once the labels are derived: how close a tie is depends on the type that the estimator computed in.
    """
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array


def find_classes(estimator: Any, outputs: int) -> list[NDArray[Any]]:
    """The labels a fitted classifier knows, one array per output."""
    return [estimator.classes_] if outputs == 1 else list(estimator.classes_)


def _fill_up(array: NDArray[Any]) -> NDArray[Any]:
    """Repeats the last row up to a multiple of `ROW_MULTIPLE`: it fails there only if it fails alone."""
    missing = -len(array) % ROW_MULTIPLE
    if not missing or not len(array):
        return array
    return np.concatenate([array, array[-1:].repeat(missing, axis=0)])


def _predict_probabilities(
    predict_proba: Callable[[NDArray[Any]], Any], array: NDArray[Any], signature: Signature
) -> list[NDArray[Any]]:
    found = predict_proba(array)
    probabilities = [np.asarray(found)] if len(signature.outputs) == 1 else [np.asarray(each) for each in found]
    if [len(each) for each in probabilities] != [len(array)] * len(signature.outputs):
        raise ValueError("the estimator did not give probabilities for every row and output")
    return probabilities


def _predict_labels(
    call: Callable[[NDArray[Any]], Any], array: NDArray[Any], signature: Signature
) -> list[NDArray[Any]]:
    found = np.asarray(call(array))
    if found.size != len(array) * len(signature.outputs):
        raise ValueError("the estimator did not give one answer per row and output")
    return list(found.reshape(len(array), -1).T)


def _derive_labels(calls: Calls, probabilities: list[NDArray[Any]] | None) -> list[NDArray[Any]] | None:
    """The labels that follow from the probabilities; None where that is not proven."""
    if not probabilities or calls.rule is Rule.NONE:
        return None
    if calls.rule is Rule.MONOTONE and any(has_ties(each) for each in probabilities):
        return None
    classes = calls.find_classes(len(probabilities))
    return [most_probable(each, found) for each, found in zip(classes, probabilities, strict=True)]
