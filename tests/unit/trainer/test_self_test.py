"""Golden rows and the self-test that trainer and worker share."""

from pathlib import Path
from typing import Any

import pytest

from rhizome.artifact import load_estimator
from rhizome.errors import SelfTestFailed
from rhizome.manifest import Golden, Manifest
from rhizome.self_test import check_golden
from rhizome.settings import Settings
from trainer.dataset import Dataset, load_dataset
from trainer.golden import GOLDEN_ROWS, pick_rows
from trainer.split import split_rows
from trainer.training import train


@pytest.fixture
def loaded(settings: Settings) -> tuple[Manifest, object]:
    manifest = train(settings, None, "test")
    return load_estimator(settings.models_dir / "iris" / manifest.version)


def forge(manifest: Manifest, **changes: Any) -> Manifest:
    """Other golden answers of the only output."""
    golden = manifest.golden
    answers = golden.outputs[0].model_copy(update=changes)
    return manifest.model_copy(update={"golden": golden.model_copy(update={"outputs": (answers,)})})


def test_a_loaded_version_gives_its_golden_answers(loaded: tuple[Manifest, object]) -> None:
    manifest, estimator = loaded
    check_golden(estimator, manifest)


@pytest.mark.parametrize(
    "estimator", ["trainer.estimators:logistic_regression", "trainer.estimators:gradient_boosting"]
)
def test_missing_values_survive_the_manifest(settings: Settings, mixed_csv: Path, estimator: str) -> None:
    changes = {"dataset": mixed_csv, "target": "churned", "estimator": estimator}
    settings = settings.model_copy(update=changes)
    manifest = train(settings, None, "test")
    check_golden(*reversed(load_estimator(settings.models_dir / "iris" / manifest.version)))


def test_a_label_that_differs_is_named_by_row(loaded: tuple[Manifest, object]) -> None:
    manifest, estimator = loaded
    first, *others = manifest.golden.outputs[0].labels
    forged = forge(manifest, labels=("virginica" if first == "setosa" else "setosa", *others))
    with pytest.raises(SelfTestFailed, match="golden row 0"):
        check_golden(estimator, forged)


@pytest.mark.parametrize(("change", "is_accepted"), [(1e-12, True), (1e-4, False)])
def test_probabilities_may_differ_by_rounding_alone(
    loaded: tuple[Manifest, object], change: float, is_accepted: bool
) -> None:
    manifest, estimator = loaded
    first, *others = manifest.golden.outputs[0].probabilities
    forged = forge(manifest, probabilities=(tuple(value + change for value in first), *others))
    if is_accepted:
        check_golden(estimator, forged)
    else:
        with pytest.raises(SelfTestFailed):
            check_golden(estimator, forged)


def test_an_estimator_that_raises_fails_the_self_test(loaded: tuple[Manifest, object]) -> None:
    manifest, _ = loaded
    with pytest.raises(SelfTestFailed, match="AttributeError"):
        check_golden(object(), manifest)


def test_no_golden_rows_are_no_evidence(loaded: tuple[Manifest, object]) -> None:
    manifest, estimator = loaded
    with pytest.raises(SelfTestFailed, match="no golden rows"):
        check_golden(estimator, manifest.model_copy(update={"golden": Golden(rows=(), outputs=())}))


def test_golden_rows_are_spread_over_the_classes(iris: Dataset) -> None:
    training = split_rows(iris, 42).training
    picked = pick_rows(iris, training)
    assert len(picked) <= GOLDEN_ROWS
    assert set(iris.labels[picked]) == set(iris.signature.outputs[0].classes)
    assert set(picked) <= set(training)


def test_golden_rows_of_a_regression_are_spread_over_its_values(houses_csv: Path) -> None:
    houses = load_dataset(houses_csv, "price", 3.0)
    training = split_rows(houses, 42).training
    prices = houses.labels[pick_rows(houses, training)]
    assert prices.min() == houses.labels[training].min()
    assert prices.max() == houses.labels[training].max()
