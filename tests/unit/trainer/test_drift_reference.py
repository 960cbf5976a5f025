"""The drift reference: bins and counts of the training rows."""

import math
from pathlib import Path

import numpy as np
import pytest

from trainer.dataset import Dataset, load_dataset
from trainer.drift_reference import build_drift_reference, quantile_edges


def test_the_bins_of_a_number_hold_every_training_row(iris: Dataset) -> None:
    rows = np.arange(0, 150, 2)
    reference = build_drift_reference(iris, rows)
    assert set(reference) == set(iris.feature_names)
    for feature in reference.values():
        assert sum(feature.counts) == len(rows)
        assert len(feature.counts) == len(feature.edges) + 1
        assert list(feature.edges) == sorted(set(feature.edges))


def test_bins_are_about_equally_full_where_values_are_distinct() -> None:
    edges = quantile_edges(np.arange(1000.0))
    assert len(edges) == 9
    assert np.bincount(np.searchsorted(edges, np.arange(1000.0), side="right")).tolist() == [100] * 10


def test_missing_values_and_categories_are_counted_apart(mixed_csv: Path) -> None:
    dataset = load_dataset(mixed_csv, "churned", 3.0)
    reference = build_drift_reference(dataset, np.arange(120))
    missing = sum(value is None for value in dataset.rows[:, 2])
    assert reference["region"].categories == ("north", "south", "west")
    assert sum(reference["region"].counts) == 120 - missing
    assert sum(reference["age"].counts) == 120 - sum(map(math.isnan, dataset.rows[:, 0]))


@pytest.mark.filterwarnings("error")
def test_a_feature_without_a_value_has_an_empty_bin(mixed_csv: Path) -> None:
    dataset = load_dataset(mixed_csv, "churned", 3.0)
    only_missing = np.array([index for index, value in enumerate(dataset.rows[:, 0]) if math.isnan(value)])
    assert build_drift_reference(dataset, only_missing)["age"].counts == (0,)
