"""Estimator factories, chosen by `RHIZOME_ESTIMATOR`: each returns an unfitted pipeline for a signature and a seed.

A factory of your own is any function `(signature, seed) -> estimator` on the import path, named `module:function`.
"""

import importlib
from collections.abc import Callable
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from rhizome.errors import DatasetError, SettingsError
from rhizome.signature import Signature

Factory = Callable[[Signature, int], Any]

MAXIMUM_ITERATIONS = 1_000  #: of the logistic regression's solver; scaled data need some tens
TREES = 100


def load_factory(name: str) -> Factory:
    """Imports the function that `module:function` names.

    Raises:
        SettingsError: there is no such module or function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), function_name, None)
    except ImportError as error:
        raise SettingsError(f"RHIZOME_ESTIMATOR: '{module_name}' cannot be imported ({error})") from None
    if not callable(factory):
        raise SettingsError(f"RHIZOME_ESTIMATOR: the module '{module_name}' has no function '{function_name}'")
    return factory  # type: ignore[no-any-return]


def build_estimator(factory: Factory, signature: Signature, seed: int) -> Any:
    """An unfitted estimator for all outputs of `signature`: one per output where the factory's can learn but one.

    An estimator without scikit-learn's tags is taken at its word.
    """
    estimator = factory(signature, seed)
    is_tagged = hasattr(estimator, "__sklearn_tags__")
    if len(signature.outputs) == 1 or not is_tagged or get_tags(estimator).target_tags.multi_output:
        return estimator
    several = MultiOutputClassifier if signature.task == "classification" else MultiOutputRegressor
    return several(estimator)


def logistic_regression(signature: Signature, seed: int) -> Pipeline:
    """L2-regularised multinomial logistic regression on standardised numbers; classification only.

    Raises:
        DatasetError: the target is a quantity.
    """
    _require(signature, "classification", "logistic_regression", "ridge")
    estimator = LogisticRegression(max_iter=MAXIMUM_ITERATIONS, random_state=seed)
    return _pipeline(signature, estimator, scale=True)


def ridge(signature: Signature, seed: int) -> Pipeline:
    """L2-regularised linear regression on standardised numbers; regression only.

    Raises:
        DatasetError: the target is a class.
    """
    _require(signature, "regression", "ridge", "logistic_regression")
    return _pipeline(signature, Ridge(random_state=seed), scale=True)


def random_forest(signature: Signature, seed: int) -> Pipeline:
    """A forest of `TREES` trees; for both tasks."""
    forest = RandomForestClassifier if signature.task == "classification" else RandomForestRegressor
    # One thread: a row is scored faster than threads are started, and workers are processes already.
    return _pipeline(signature, forest(n_estimators=TREES, n_jobs=1, random_state=seed), scale=False)


def gradient_boosting(signature: Signature, seed: int) -> Pipeline:
    """Histogram gradient boosting; for both tasks."""
    is_classification = signature.task == "classification"
    boosting = HistGradientBoostingClassifier if is_classification else HistGradientBoostingRegressor
    return _pipeline(signature, boosting(early_stopping=False, random_state=seed), scale=False)


def _require(signature: Signature, task: str, factory: str, other: str) -> None:
    if signature.task != task:
        raise DatasetError(
            f"the target '{signature.targets}' makes this a {signature.task}, which {factory} cannot learn; "
            f"set RHIZOME_ESTIMATOR to trainer.estimators:{other}, random_forest or gradient_boosting"
        )


def _pipeline(signature: Signature, estimator: Any, *, scale: bool) -> Pipeline:
    if signature.is_numeric:
        nullable = any(feature.nullable for feature in signature.features)
        return Pipeline([*_number_steps(nullable=nullable, scale=scale), ("estimate", estimator)])
    return Pipeline([("columns", _columns(signature, scale=scale)), ("estimate", estimator)])


def _columns(signature: Signature, *, scale: bool) -> ColumnTransformer:
    numbers = [index for index, feature in enumerate(signature.features) if feature.dtype != "category"]
    categories = [index for index, feature in enumerate(signature.features) if feature.dtype == "category"]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformers: list[tuple[str, Any, list[int]]] = [("categories", encoder, categories)]
    if numbers:
        nullable = any(signature.features[index].nullable for index in numbers)
        steps = _number_steps(nullable=nullable, scale=scale)
        transformers.insert(0, ("numbers", Pipeline(steps) if steps else "passthrough", numbers))
    return ColumnTransformer(transformers)


def _number_steps(*, nullable: bool, scale: bool) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = []
    if nullable:
        steps.append(("impute", SimpleImputer(strategy="median")))
    if scale:
        steps.append(("scale", StandardScaler()))
    return steps
