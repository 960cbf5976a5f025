"""The estimator factories: each fits what its signature promises, and says clearly what it cannot."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from rhizome.errors import DatasetError, SettingsError
from rhizome.inference import predict, to_array
from trainer import estimators
from trainer.dataset import Dataset, load_dataset


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest", "gradient_boosting"])
def test_a_classifier_learns_iris(iris: Dataset, name: str) -> None:
    factory = estimators.load_factory(f"trainer.estimators:{name}")
    fitted = factory(iris.signature, 42).fit(iris.rows, iris.labels)
    assert fitted.score(iris.rows, iris.labels) > 0.95
    assert tuple(fitted.classes_) == iris.signature.outputs[0].classes


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest", "gradient_boosting"])
def test_missing_values_and_unseen_categories_are_scored(mixed_csv: Path, name: str) -> None:
    dataset = load_dataset(mixed_csv, "churned", 3.0)
    fitted = estimators.load_factory(f"trainer.estimators:{name}")(dataset.signature, 42)
    fitted.fit(dataset.rows, dataset.labels)

    rows = to_array([[None, 3, "north"], [41.0, 3, None], [41.0, 3, "elsewhere"]], dataset.signature)
    (answers,) = predict(fitted, rows, dataset.signature)

    assert set(answers.labels) <= {"no", "yes"}
    assert np.isfinite(answers.probabilities).all()


@pytest.mark.parametrize("name", ["ridge", "random_forest", "gradient_boosting"])
def test_a_regressor_learns_prices(houses_csv: Path, name: str) -> None:
    houses = load_dataset(houses_csv, "price", 3.0)
    fitted = estimators.load_factory(f"trainer.estimators:{name}")(houses.signature, 42)
    assert fitted.fit(houses.rows, houses.labels).score(houses.rows, houses.labels) > 0.9


def test_numbers_alone_need_no_column_transformer(iris: Dataset) -> None:
    assert list(estimators.logistic_regression(iris.signature, 42).named_steps) == ["scale", "estimate"]


def test_a_quantity_is_refused_by_logistic_regression_with_the_setting_to_change(houses_csv: Path) -> None:
    houses = load_dataset(houses_csv, "price", 3.0)
    with pytest.raises(DatasetError, match=r"RHIZOME_ESTIMATOR to trainer\.estimators:ridge"):
        estimators.logistic_regression(houses.signature, 42)


def test_classes_are_refused_by_ridge(iris: Dataset) -> None:
    with pytest.raises(DatasetError, match="logistic_regression"):
        estimators.ridge(iris.signature, 42)


@pytest.mark.parametrize("name", ["absent_module:f", "trainer.estimators:absent", "trainer.estimators:TREES"])
def test_a_factory_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="RHIZOME_ESTIMATOR"):
        estimators.load_factory(name)


def test_a_factory_of_ones_own_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_factories.py").write_text("def build(signature, seed):\n    return (signature, seed)\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert estimators.load_factory("own_factories:build")("signature", 1) == ("signature", 1)  # type: ignore[arg-type]
