"""The folds of the cross-validation: random for regression, stratified for classification, over all outputs at once.

Apart from the evaluation, because scikit-learn stratifies by one column only.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

from trainer.dataset import Dataset

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def split_folds(dataset: Dataset, rows: NDArray[np.int64], folds: int, repeats: int, seed: int) -> Iterator[Fold]:
    """The training and the test rows of each fold and repetition, as indices of the dataset."""
    splitter: Any
    if dataset.signature.task == "regression":
        splitter = RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    elif len(dataset.signature.outputs) == 1:
        splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    else:
        yield from _split_by_all(dataset, rows, folds, repeats, seed)
        return
    for training, test in splitter.split(dataset.rows[rows], dataset.labels[rows]):
        yield rows[training], rows[test]


def _split_by_all(dataset: Dataset, rows: NDArray[np.int64], folds: int, repeats: int, seed: int) -> Iterator[Fold]:
    strata = [np.flatnonzero(is_member[rows]) for _, _, is_member in dataset.strata]
    generator = np.random.default_rng(seed)
    for _ in range(repeats):
        numbers = number_folds(strata, len(rows), folds, generator)
        for fold in range(folds):
            yield rows[numbers != fold], rows[numbers == fold]


def number_folds(
    strata: Sequence[NDArray[np.int64]], rows: int, folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Spreads overlapping strata over folds: the rarest first, each row where its stratum has fewest.

    Source: K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification of multi-label data", ECML PKDD (2011).

    Args:
        strata: the rows of each, which together are all rows.
        rows: how many rows there are.
        folds: how many folds there are.
        generator: breaks ties.

    Returns:
        The fold of each row, shape (rows,).
    """
    numbers = np.full(rows, -1, dtype=np.int64)
    of_all = np.zeros(folds, dtype=np.int64)
    for members in sorted(strata, key=len):
        present = numbers[members]
        of_stratum = np.bincount(present[present >= 0], minlength=folds)
        for row in generator.permutation(members[present < 0]):
            fold = np.lexsort((generator.random(folds), of_all, of_stratum))[0]
            numbers[row] = fold
            of_stratum[fold] += 1
            of_all[fold] += 1
    return numbers
