"""Golden rows: a few training rows with the answers given right after the fit, kept in the manifest.

`rhizome.self_test` compares a loaded copy with them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.inference import predict
from rhizome.manifest import Golden
from trainer.dataset import Dataset

GOLDEN_ROWS = 20


def build_golden(estimator: Any, dataset: Dataset, rows: NDArray[np.int64]) -> Golden:
    """Picks up to `GOLDEN_ROWS` of `rows`, spread over the classes, and records what `estimator` answers."""
    chosen = pick_rows(dataset, rows)
    answers = predict(estimator, dataset.rows[chosen], dataset.signature)
    return Golden(
        rows=tuple(tuple(_to_json(value) for value in row) for row in dataset.rows[chosen].tolist()),
        labels=tuple(answers.labels),
        probabilities=tuple(map(tuple, answers.probabilities or [])),
    )


def pick_rows(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same rows for the same dataset: evenly spaced within each class, or along the values of a regression."""
    labels = dataset.labels[rows]
    ordered = rows[np.argsort(labels, kind="stable")]
    count = min(GOLDEN_ROWS, len(ordered))
    if dataset.signature.task == "regression":
        return ordered[_spread(len(ordered), count)]
    classes = dataset.signature.classes[:GOLDEN_ROWS]
    share = max(1, GOLDEN_ROWS // len(classes))
    picked = []
    for label in classes:
        members = rows[labels == label]
        picked.append(members[_spread(len(members), min(share, len(members)))])
    return np.concatenate(picked)


def _spread(length: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, length - 1, count).astype(np.int64))


def _to_json(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
