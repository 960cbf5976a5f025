"""The split: membership follows from a row's content and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rhizome.errors import DatasetError
from trainer.dataset import Dataset, load_dataset
from trainer.split import split_rows


def take(dataset: Dataset, rows: np.ndarray) -> Dataset:
    return replace(dataset, rows=dataset.rows[rows], labels=dataset.labels[rows])


def held_out(dataset: Dataset, seed: int = 42) -> set[tuple[float, ...]]:
    return {tuple(dataset.rows[row]) for row in split_rows(dataset, seed).holdout}


def test_both_parts_together_are_all_rows(iris: Dataset) -> None:
    split = split_rows(iris, 42)
    assert sorted([*split.training, *split.holdout]) == list(range(150))
    assert 15 <= len(split.holdout) <= 45


def test_membership_stays_when_the_data_grow(iris: Dataset) -> None:
    before = take(iris, np.arange(0, 150, 2))
    kept = {tuple(row) for row in before.rows}
    assert held_out(before) == {row for row in held_out(iris) if row in kept}


def test_membership_does_not_depend_on_the_order_of_rows(iris: Dataset) -> None:
    assert held_out(take(iris, np.arange(150)[::-1])) == held_out(iris)


def test_another_seed_holds_out_other_rows(iris: Dataset) -> None:
    assert held_out(iris, seed=1) != held_out(iris, seed=2)


def test_rows_with_equal_features_stand_on_one_side(iris: Dataset) -> None:
    doubled = take(iris, np.concatenate([np.arange(150), np.arange(150)]))
    split = split_rows(doubled, 42)
    training = {tuple(doubled.rows[row]) for row in split.training}
    holdout = {tuple(doubled.rows[row]) for row in split.holdout}
    assert not training & holdout


@pytest.mark.parametrize("seed", range(30))
def test_every_class_is_on_both_sides(iris: Dataset, seed: int) -> None:
    small = take(iris, np.concatenate([np.arange(0, 10), np.arange(50, 60), np.arange(100, 110)]))
    split = split_rows(small, seed)
    assert set(small.labels[split.holdout]) == set(small.signature.outputs[0].classes)
    assert set(small.labels[split.training]) == set(small.signature.outputs[0].classes)


def test_a_class_of_equal_rows_cannot_be_split(iris: Dataset) -> None:
    rows = iris.rows.copy()
    rows[:50] = rows[0]
    with pytest.raises(DatasetError, match="'setosa' has too few different rows"):
        split_rows(replace(iris, rows=rows), 42)


def test_a_regression_holds_out_at_least_five_rows(houses_csv: Path) -> None:
    houses = load_dataset(houses_csv, "price", 3.0)
    small = take(houses, np.arange(30))
    for seed in range(30):
        assert len(split_rows(small, seed).holdout) >= 5


def test_a_regression_on_few_different_rows_holds_some_of_them_out(write_csv: Callable[[str], Path]) -> None:
    lines = "".join(f"{'nesw'[i % 4]},{100 + 10 * (i % 4) + i % 7}.5\n" for i in range(80))
    dataset = load_dataset(write_csv("region,price\n" + lines), "price", 3.0)

    split = split_rows(dataset, 42)

    assert len(split.holdout) >= 20
    assert len(split.training) >= 40
    held = {str(row) for row in dataset.rows[split.holdout].tolist()}
    assert held.isdisjoint(str(row) for row in dataset.rows[split.training].tolist())
