"""Which rows are held out: decided row by row from their content, so that it stays when the dataset grows.

A champion is then never judged on rows that it was trained on under an earlier state of the same file, and rows with
equal features never stand on both sides.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rhizome.errors import DatasetError
from trainer.dataset import Dataset

HOLDOUT_SHARE = 0.2
#: A regression holdout has at least this many rows, so that R² and its interval exist.
MINIMUM_REGRESSION_HOLDOUT = 5
#: Cross-validation needs two folds.
MINIMUM_TRAINING_ROWS_PER_CLASS = 2
_HASH_BYTES = 8


@dataclass(frozen=True)
class Split:
    """Row indices of the two parts, ascending, int64."""

    training: NDArray[np.int64]
    holdout: NDArray[np.int64]


def split_rows(dataset: Dataset, seed: int) -> Split:
    """Holds out the rows whose SHA-256 of (seed, features) falls into the lowest fifth.

    Each class of each output has at least one row held out: if none falls there, its lowest, with all rows of equal
    features.

    Raises:
        DatasetError: a class has too few different rows to be trained on.
    """
    hashes = [_hash_row(row, seed) for row in dataset.rows.tolist()]
    threshold = int(HOLDOUT_SHARE * 2 ** (8 * _HASH_BYTES))
    held = {value for value in hashes if value < threshold}
    is_regression = dataset.signature.task == "regression"
    minimum = MINIMUM_REGRESSION_HOLDOUT if is_regression else 1
    rows = Counter(hashes)
    for stratum in _strata(dataset, hashes):
        for value in sorted(stratum):  # rows of equal features are held out together, and count each
            if sum(rows[each] for each in held & stratum) >= minimum:
                break
            held.add(value)
    is_held = np.array([value in held for value in hashes])
    split = Split(training=np.flatnonzero(~is_held), holdout=np.flatnonzero(is_held))
    _check_training_part(dataset, split)
    return split


def _hash_row(row: list[Any], seed: int) -> int:
    # float() so that a column that turns from whole numbers to fractions keeps its rows where they were
    content = [float(value) if isinstance(value, int) else value for value in row]
    digest = hashlib.sha256(msgspec.json.encode([seed, content])).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "big")


def _strata(dataset: Dataset, hashes: list[int]) -> list[set[int]]:
    if dataset.signature.task == "regression":
        return [set(hashes)]
    return [{hashes[row] for row in np.flatnonzero(members)} for _, _, members in dataset.strata]


def _check_training_part(dataset: Dataset, split: Split) -> None:
    if dataset.signature.task == "regression":
        if len(split.training) < len(dataset.labels) // 2:
            raise DatasetError("too many rows have equal features to hold some out; add different rows")
        return
    for output, label, members in dataset.strata:
        if members[split.training].sum() < MINIMUM_TRAINING_ROWS_PER_CLASS:
            raise DatasetError(
                f"column '{output.name}': the class {label!r} has too few different rows to both hold out and train "
                "on; add rows of it"
            )
