"""The drift reference: how each feature was distributed in the training rows, in bins that service counts can meet.

Numbers: bin i counts the values x with exactly i edges <= x, so a list of k edges has k + 1 bins, the outer ones open.
Categories: one count each, in the order of the signature. Missing values are not counted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.manifest import FeatureReference
from rhizome.signature import Feature
from trainer.dataset import Dataset

QUANTILE_BINS = 10


def build_drift_reference(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, FeatureReference]:
    """One reference per feature, from the rows given by index."""
    return {
        feature.name: _describe(feature, dataset.rows[rows, column])
        for column, feature in enumerate(dataset.signature.features)
    }


def _describe(feature: Feature, values: NDArray[Any]) -> FeatureReference:
    if feature.dtype == "category":
        counts = tuple(int((values == category).sum()) for category in feature.categories)
        return FeatureReference(categories=feature.categories, counts=counts)
    numbers = values.astype(np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return FeatureReference(counts=(0,))
    edges = quantile_edges(numbers)
    bins = np.searchsorted(edges, numbers, side="right")
    counts = tuple(np.bincount(bins, minlength=len(edges) + 1).tolist())
    return FeatureReference(edges=tuple(edges.tolist()), counts=counts)


def quantile_edges(numbers: NDArray[Any]) -> NDArray[Any]:
    """The interior deciles, each once, ascending."""
    return np.unique(np.quantile(numbers, np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]))
