"""The evaluation of a fitted version: on the holdout, and by repeated cross-validation on the training part.

The holdout tells how good this very artefact is; the cross-validation how much that figure depends on the rows it
happened to be trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

from rhizome.inference import predict
from trainer.classification import log_losses, measure_classification
from trainer.dataset import Dataset
from trainer.intervals import corrected_interval
from trainer.regression import (
    mean_absolute_error,
    measure_regression,
    r_squared,
    root_mean_squared_error,
)
from trainer.split import Split

FOLDS = 5
REPEATS = 5
#: Beyond this, repeating changes the mean little and multiplies the time to fit.
ROWS_WORTH_REPEATING = 20_000

#: The figures of the holdout report that go into the manifest.
HEADLINES = {
    "classification": ("accuracy", "macro_f1", "log_loss", "brier_score", "expected_calibration_error"),
    "regression": ("rmse", "mae", "r2"),
}


@dataclass(frozen=True)
class Evaluation:
    """What is known of a version's quality.

    Attributes:
        report: JSON-able, for `metrics.json`.
        headline: finite floats, for the manifest.
    """

    report: dict[str, Any]
    headline: dict[str, float]


def evaluate(estimator: Any, build: Callable[[], Any], dataset: Dataset, split: Split, seed: int) -> Evaluation:
    """Measures `estimator` on the holdout, and fresh ones by cross-validation on the training part.

    Args:
        estimator: fitted on the training part.
        build: returns an unfitted estimator of the same kind.
        dataset: all rows.
        split: which of them are held out.
        seed: of folds and bootstrap.
    """
    holdout = measure(estimator, dataset, split.holdout, seed)
    cross_validation = cross_validate(build, dataset, split.training, seed)
    headline = {name: holdout[name] for name in HEADLINES[dataset.signature.task] if name in holdout}
    for name, scores in cross_validation["metrics"].items():
        headline[f"cross_validated_{name}"] = scores["mean"]
    if "accuracy_interval" in holdout:
        headline["accuracy_low"], headline["accuracy_high"] = holdout["accuracy_interval"]
    return Evaluation({"holdout": holdout, "cross_validation": cross_validation}, headline)


def measure(estimator: Any, dataset: Dataset, rows: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """The full report of `estimator` on some rows of the dataset."""
    answers = predict(estimator, dataset.rows[rows], dataset.signature)
    if dataset.signature.task == "regression":
        return measure_regression(answers, dataset.labels[rows], seed)
    return measure_classification(answers, dataset.labels[rows], dataset.signature.classes, seed)


def cross_validate(build: Callable[[], Any], dataset: Dataset, rows: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Five times five folds of `rows`, stratified for classification, with the Nadeau-Bengio corrected interval."""
    folds, repeats = _count_folds(dataset, rows), REPEATS if len(rows) <= ROWS_WORTH_REPEATING else 1
    is_regression = dataset.signature.task == "regression"
    splitter = (RepeatedKFold if is_regression else RepeatedStratifiedKFold)(
        n_splits=folds, n_repeats=repeats, random_state=seed
    )
    scores: dict[str, list[float]] = {}
    for training, test in splitter.split(dataset.rows[rows], dataset.labels[rows]):
        estimator = build().fit(dataset.rows[rows[training]], dataset.labels[rows[training]])
        for name, score in _score(estimator, dataset, rows[test]).items():
            scores.setdefault(name, []).append(score)
    return {
        "folds": folds,
        "repeats": repeats,
        "metrics": {
            name: {"mean": float(np.mean(values)), "interval": list(corrected_interval(values, 1 / (folds - 1)))}
            for name, values in scores.items()
        },
    }


def _count_folds(dataset: Dataset, rows: NDArray[np.int64]) -> int:
    if dataset.signature.task == "regression":
        return FOLDS
    return min(FOLDS, int(np.unique(dataset.labels[rows], return_counts=True)[1].min()))


def _score(estimator: Any, dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, float]:
    labels, signature = dataset.labels[rows], dataset.signature
    answers = predict(estimator, dataset.rows[rows], signature)
    if signature.task == "regression":
        residuals = labels - np.array(answers.labels)
        return {
            "mae": mean_absolute_error(residuals),
            "rmse": root_mean_squared_error(residuals),
            "r2": r_squared(residuals, labels),
        }
    scores = {"accuracy": float((np.array(answers.labels) == labels).mean())}
    if answers.probabilities is not None:
        losses = log_losses(np.array(answers.probabilities), labels, signature.classes)
        scores["log_loss"] = float(losses.mean())
    return scores
