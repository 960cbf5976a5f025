"""Scalers and imputers, and learners that are a product of matrices, as scikit-learn's sources have them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rhizome.direct_calls.learner import Array, Learner, Step


def _standard_scaler(scaler: Any) -> Step:
    mean, scale, is_centred, is_scaled = scaler.mean_, scaler.scale_, scaler.with_mean, scaler.with_std

    def transform(array: Array) -> Array:
        scaled = np.array(array)
        if is_centred:
            scaled -= mean
        if is_scaled:
            scaled /= scale
        return scaled

    return transform


def _min_max_scaler(scaler: Any) -> Step | None:
    if scaler.clip:
        return None
    scale, least = scaler.scale_, scaler.min_

    def transform(array: Array) -> Array:
        scaled = np.array(array)
        scaled *= scale
        scaled += least
        return scaled

    return transform


def _simple_imputer(imputer: Any) -> Step | None:
    """Without a missing value, of which the guard lets none pass, it gives back what it is given."""
    is_plain = isinstance(imputer.missing_values, float) and math.isnan(imputer.missing_values)
    if not is_plain or imputer.add_indicator or not np.isfinite(imputer.statistics_).all():
        return None
    return lambda array: array


def _logistic_regression(learner: Any) -> Learner:
    from scipy.special import expit  # noqa: PLC0415 - loaded with such an estimator already

    weights, intercept = learner.coef_.T, learner.intercept_

    def two_classes(array: Array) -> Array:
        second = (array @ weights + intercept).reshape(-1)
        expit(second, out=second)
        return np.stack([1 - second, second], axis=1)

    def many_classes(array: Array) -> Array:
        scores: Array = array @ weights
        scores += intercept
        scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores, axis=1, keepdims=True)
        return scores

    return Learner("predict_proba", two_classes if len(learner.classes_) <= 2 else many_classes, is_row_wise=False)


def _linear_regression(learner: Any) -> Learner:
    weights, intercept = learner.coef_, learner.intercept_
    weights = weights if weights.ndim == 1 else weights.T
    return Learner("predict", lambda array: array @ weights + intercept, is_row_wise=False)


TRANSFORMERS: dict[str, Callable[[Any], Step | None]] = {
    "MinMaxScaler": _min_max_scaler,
    "SimpleImputer": _simple_imputer,
    "StandardScaler": _standard_scaler,
}
LEARNERS: dict[str, Callable[[Any], Learner | None]] = {
    "ElasticNet": _linear_regression,
    "Lasso": _linear_regression,
    "LinearRegression": _linear_regression,
    "LogisticRegression": _logistic_regression,
    "Ridge": _linear_regression,
}
