"""The folds of the cross-validation: random for regression, stratified for classification, over all outputs at once.

Apart from the evaluation, because scikit-learn stratifies by one column only.
"""

from collections.abc import Iterator
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
    strata = np.stack([is_member[rows] for _, _, is_member in dataset.strata])
    generator = np.random.default_rng(seed)
    for _ in range(repeats):
        numbers = number_folds(strata, folds, generator)
        for fold in range(folds):
            yield rows[numbers != fold], rows[numbers == fold]


def number_folds(strata: NDArray[np.bool_], folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Spreads overlapping strata over folds: rows of the rarest stratum first, each where that stratum, then its
    other strata, have least.

    Source: K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification of multi-label data", ECML PKDD (2011),
    with ties broken by the other strata rather than by the folds' sizes.

    Args:
        strata: which rows each holds, shape (strata, rows); every row is in at least one.
        folds: how many folds there are.
        generator: breaks ties.

    Returns:
        The fold of each row, shape (rows,).
    """
    strata = strata[np.argsort(strata.sum(axis=1), kind="stable")]
    weights = 1 / np.maximum(strata.sum(axis=1), 1)
    shares = np.zeros((len(strata), folds))  # of each stratum, what each fold has
    numbers = np.empty(strata.shape[1], dtype=np.int64)
    shuffled = generator.permutation(strata.shape[1])
    for row in shuffled[np.argsort(strata[:, shuffled].argmax(axis=0), kind="stable")]:
        own = np.flatnonzero(strata[:, row])  # the rarest first
        fold = np.lexsort((generator.random(folds), shares[own].sum(axis=0), shares[own[0]]))[0]
        numbers[row] = fold
        shares[own, fold] += weights[own]
    return numbers
