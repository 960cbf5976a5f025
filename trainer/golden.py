"""Golden rows: a few training rows with the answers given right after the fit, kept in the manifest.

`rhizome.self_test` compares a loaded copy with them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.inference import predict
from rhizome.manifest import Golden, GoldenAnswers
from trainer.dataset import Dataset

GOLDEN_ROWS = 20


def build_golden(estimator: Any, dataset: Dataset, rows: NDArray[np.int64]) -> Golden:
    """Picks up to `GOLDEN_ROWS` of `rows`, spread over the classes, and records what `estimator` answers."""
    chosen = pick_rows(dataset, rows)
    answers = predict(estimator, dataset.rows[chosen], dataset.signature)
    return Golden(
        rows=tuple(tuple(_to_json(value) for value in row) for row in dataset.rows[chosen].tolist()),
        outputs=tuple(
            GoldenAnswers(labels=tuple(each.labels), probabilities=tuple(map(tuple, each.probabilities or [])))
            for each in answers
        ),
    )


def pick_rows(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same rows for the same dataset: evenly spaced within each class, or along the values of a regression.

    Of several outputs, the classes of all count, and of regressions the first.
    """
    if dataset.signature.task == "regression":
        ordered = rows[np.argsort(dataset.truth(rows)[0], kind="stable")]
        return ordered[_spread(len(ordered), min(GOLDEN_ROWS, len(ordered)))]
    strata = dataset.strata[:GOLDEN_ROWS]
    share = max(1, GOLDEN_ROWS // len(strata))
    picked: list[int] = []
    for _, _, is_member in strata:
        members = rows[is_member[rows]]
        picked += members[_spread(len(members), min(share, len(members)))].tolist()
    return np.array(list(dict.fromkeys(picked)))


def _spread(length: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, length - 1, count).astype(np.int64))


def _to_json(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
