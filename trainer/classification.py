"""How good a classifier is on rows it has not seen: accuracy, log loss, F1, confusion, calibration.

The counterpart of `trainer.regression`; `trainer.evaluation` chooses between them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from rhizome.inference import Answers
from rhizome.signature import ClassLabel
from trainer.intervals import bootstrap_interval, wilson_interval

CALIBRATION_BINS = 10
#: Keeps the logarithm of a probability finite; scikit-learn's `log_loss` clips at the same value.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def measure_classification(
    answers: Answers, labels: NDArray[Any], classes: Sequence[ClassLabel], seed: int
) -> dict[str, Any]:
    """Measures predictions of n rows.

    Args:
        answers: of the estimator.
        labels: the true labels, shape (n,).
        classes: in the order of the probabilities.
        seed: of the bootstrap.
    """
    predicted = np.array(answers.labels)
    right = int((predicted == labels).sum())
    f1 = metrics.f1_score(labels, predicted, labels=list(classes), average=None, zero_division=0.0).tolist()
    report: dict[str, Any] = {
        "rows": len(labels),
        "accuracy": right / len(labels),
        "accuracy_interval": list(wilson_interval(right, len(labels))),
        "f1_per_class": [
            {"class": label, "f1": value, "rows": int((labels == label).sum())}
            for label, value in zip(classes, f1, strict=True)
        ],
        "macro_f1": float(np.mean(f1)),
        "confusion_matrix": {
            "classes": list(classes),
            "rows_are_true_columns_are_predicted": metrics.confusion_matrix(
                labels, predicted, labels=list(classes)
            ).tolist(),
        },
    }
    if answers.probabilities is not None:
        report |= _measure_probabilities(np.array(answers.probabilities), labels, classes, seed)
    return report


def log_losses(probabilities: NDArray[Any], labels: NDArray[Any], classes: Sequence[ClassLabel]) -> NDArray[Any]:
    """Minus the logarithm of the probability given to the true class, per row; shape (n,)."""
    truth = _positions(labels, classes)
    given = probabilities[np.arange(len(labels)), truth]
    losses: NDArray[Any] = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return losses


def brier_score(probabilities: NDArray[Any], labels: NDArray[Any], classes: Sequence[ClassLabel]) -> float:
    """The multi-class Brier score: the mean squared distance to the one-hot truth, 0 (best) to 2.

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
    (1950).
    """
    truth = np.eye(len(classes))[_positions(labels, classes)]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def calibration_bins(probabilities: NDArray[Any], right: NDArray[Any]) -> list[dict[str, float]]:
    """Mean confidence and accuracy of the rows in each of ten equal bins of confidence; empty bins are left out.

    Args:
        probabilities: shape (n, classes).
        right: whether the most probable class is the true one, shape (n,), bool.
    """
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            "from": index / CALIBRATION_BINS,
            "to": (index + 1) / CALIBRATION_BINS,
            "rows": int((bins == index).sum()),
            "confidence": float(confidence[bins == index].mean()),
            "accuracy": float(right[bins == index].mean()),
        }
        for index in range(CALIBRATION_BINS)
        if (bins == index).any()
    ]


def expected_calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """The mean distance between confidence and accuracy over the bins, weighted by their rows.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML (2017).
    """
    rows = sum(item["rows"] for item in bins)
    return sum(item["rows"] * abs(item["confidence"] - item["accuracy"]) for item in bins) / rows


def _measure_probabilities(
    probabilities: NDArray[Any], labels: NDArray[Any], classes: Sequence[ClassLabel], seed: int
) -> dict[str, Any]:
    losses = log_losses(probabilities, labels, classes)
    bins = calibration_bins(probabilities, probabilities.argmax(axis=1) == _positions(labels, classes))
    return {
        "log_loss": float(losses.mean()),
        "log_loss_interval": list(bootstrap_interval(lambda rows: float(losses[rows].mean()), len(losses), seed)),
        "brier_score": brier_score(probabilities, labels, classes),
        "expected_calibration_error": expected_calibration_error(bins),
        "calibration_bins": bins,
    }


def _positions(labels: NDArray[Any], classes: Sequence[ClassLabel]) -> NDArray[np.int64]:
    position = {label: index for index, label in enumerate(classes)}
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)
