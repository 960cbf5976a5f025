"""The evaluation of a fitted version: on the holdout, and by repeated cross-validation on the training part.

The holdout tells how good this very artefact is; the cross-validation how much that figure depends on the rows it
happened to be trained on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.inference import Answers, find_classes, predict
from rhizome.signature import Output, Signature
from trainer.classification import log_losses, measure_classification
from trainer.dataset import Dataset
from trainer.folds import split_folds
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
#: Those whose mean over several outputs means something: errors are in units of their own.
MEANS = {"classification": HEADLINES["classification"], "regression": ("r2",)}


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
    """The full report of `estimator` on some rows of the dataset.

    Of several outputs it holds the means that are worth something, and under `outputs` the report of each.
    """
    signature = dataset.signature
    answers, truth = predict(estimator, dataset.rows[rows], signature), dataset.truth(rows)
    if signature.task == "regression":
        reports = [measure_regression(*each, seed) for each in zip(answers, truth, strict=True)]
    else:
        reports = [
            measure_classification(each, labels, output.classes, seed)
            for output, each, labels in zip(signature.outputs, answers, truth, strict=True)
        ]
    if len(reports) == 1:
        return reports[0]
    by_name = {output.name: report for output, report in zip(signature.outputs, reports, strict=True)}
    return {"rows": len(rows), **_average(reports, signature), "outputs": by_name}


def _average(reports: Sequence[dict[str, Any]], signature: Signature) -> dict[str, float]:
    """One output's figures as they are; of several, the means of those that have one."""
    names = [name for name in reports[0] if len(reports) == 1 or name in MEANS[signature.task]]
    return {name: float(np.mean([report[name] for report in reports])) for name in names}


def cross_validate(build: Callable[[], Any], dataset: Dataset, rows: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Five times five folds of `rows`, stratified for classification, with the Nadeau-Bengio corrected interval."""
    folds, repeats = _count_folds(dataset, rows), REPEATS if len(rows) <= ROWS_WORTH_REPEATING else 1
    scores: dict[str, list[float]] = {}
    for training, test in split_folds(dataset, rows, folds, repeats, seed):
        estimator = build().fit(dataset.rows[training], dataset.labels[training])
        for name, score in _score(estimator, dataset, test).items():
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
    return min([FOLDS, *(int(is_member[rows].sum()) for _, _, is_member in dataset.strata)])


def _score(estimator: Any, dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, float]:
    signature = dataset.signature
    answers, truth = predict(estimator, dataset.rows[rows], signature), dataset.truth(rows)
    if signature.task == "regression":
        scores = [_score_regression(*each) for each in zip(answers, truth, strict=True)]
    else:
        known = find_classes(estimator, len(signature.outputs))
        scores = [_score_classification(*each) for each in zip(answers, truth, signature.outputs, known, strict=True)]
    return _average(scores, signature)


def _score_regression(answers: Answers, values: NDArray[Any]) -> dict[str, float]:
    residuals = values - np.array(answers.labels)
    return {
        "mae": mean_absolute_error(residuals),
        "rmse": root_mean_squared_error(residuals),
        "r2": r_squared(residuals, values),
    }


def _score_classification(
    answers: Answers, labels: NDArray[Any], output: Output, known: NDArray[Any]
) -> dict[str, float]:
    scores = {"accuracy": float((np.array(answers.labels) == labels).mean())}
    if answers.probabilities is not None:
        # A class that a fold has no rows of is unknown to its estimator: it gives it no probability.
        probabilities = np.zeros((len(labels), len(output.classes)))
        probabilities[:, [output.classes.index(label) for label in known.tolist()]] = answers.probabilities
        scores["log_loss"] = float(log_losses(probabilities, labels, output.classes).mean())
    return scores
