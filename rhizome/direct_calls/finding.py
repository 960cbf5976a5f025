"""Finds how to call an estimator directly, and tells whether that gives the same."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rhizome.decision_rule import find_steps, is_of_scikit_learn
from rhizome.direct_calls import linear, trees
from rhizome.direct_calls.learner import Answer, Array, Final, Learner, OutOfRange
from rhizome.signature import Feature, Signature

#: Sizes of the calls that are compared: alone, filled up, as full as micro-batches come, and beyond.
COMPARED_ROWS = (1, 8, 24, trees.MOST_ROWS, trees.MOST_ROWS + 1)
TRANSFORMERS = linear.TRANSFORMERS
LEARNERS = linear.LEARNERS | trees.LEARNERS
_SEED = 42


def find_direct_calls(estimator: Any, signature: Signature, rows: Sequence[Sequence[Any]]) -> Learner | None:
    """How to call `estimator` directly; None where that is not known to give the same, bit for bit.

    Args:
        estimator: fitted.
        signature: what its rows are.
        rows: some of them; as many again are drawn from the signature's ranges.
    """
    if not signature.is_numeric:
        return None
    try:
        direct = build_direct_calls(estimator)
        if direct is None or not is_equal(estimator, direct, draw_rows(signature, rows)):
            return None
    except Exception:  # another release of scikit-learn may have other insides
        return None
    return direct


def build_direct_calls(estimator: Any) -> Learner | None:
    """The same without the comparison; None for an estimator that is not known."""
    *transformers, learner = find_steps(estimator)
    steps = [_build(TRANSFORMERS, transformer) for transformer in transformers]
    found = _build(LEARNERS, learner)
    if found is None or None in steps:
        return None
    fall_back = getattr(_in_order(estimator), found.method)
    call = _guard(_chain(steps, found.call), fall_back, int(estimator.n_features_in_))
    return Learner(found.method, call, found.is_row_wise)


def is_equal(estimator: Any, direct: Learner, rows: Array) -> bool:
    """Whether both give the same bits for calls of `COMPARED_ROWS` of `rows`."""
    reference = getattr(_in_order(estimator), direct.method)
    for count in COMPARED_ROWS:
        some = np.ascontiguousarray(np.resize(rows, (count, rows.shape[1])))
        if not _are_same(reference(some), direct.call(some)):
            return False
    return True


def draw_rows(signature: Signature, rows: Sequence[Sequence[Any]]) -> Array:
    """`rows`, and as many of the signature's ranges as the largest compared call has; float64, all of them finite."""
    rng = np.random.default_rng(_SEED)
    drawn = np.column_stack([_draw(feature, rng) for feature in signature.features])
    known = np.array(rows, dtype=np.float64).reshape(-1, len(signature.features))
    return np.concatenate([known[np.isfinite(known).all(axis=1)], drawn])


def _draw(feature: Feature, rng: np.random.Generator) -> Array:
    low = next((bound for bound in (feature.minimum, feature.lower) if bound is not None), -1.0)
    high = next((bound for bound in (feature.maximum, feature.upper) if bound is not None), 1.0)
    values = rng.uniform(low, max(low, high), COMPARED_ROWS[-1])
    return np.round(values) if feature.dtype == "int64" else values


def _are_same(first: Answer, second: Answer) -> bool:
    if isinstance(first, list) or isinstance(second, list):
        return len(first) == len(second) and all(map(_are_same, first, second))
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def _in_order(estimator: Any) -> Any:
    """The estimator; a forest of several threads as one that adds up its trees in order, which threads need not."""
    learner = find_steps(estimator)[-1]
    if getattr(learner, "n_jobs", None) in (None, 1):
        return estimator
    if learner is estimator:
        ordered = copy.copy(learner)
        ordered.n_jobs = 1
        return ordered
    ordered = copy.copy(estimator)
    name, last = estimator.steps[-1]
    ordered.steps = [*estimator.steps[:-1], (name, _in_order(last))]
    return ordered


def _is_finite(array: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):  # a sum that is too large falls back, and warns nobody
        return math.isfinite(np.add.reduce(array, None))


def _guard(call: Final, fallback: Final, features: int) -> Final:
    def call_or_fall_back(array: Array) -> Answer:
        if array.dtype == np.float64 and array.shape[1:] == (features,) and _is_finite(array):
            try:
                return call(array)
            except OutOfRange:
                pass
        return fallback(array)

    return call_or_fall_back


def _chain(steps: Sequence[Any], final: Final) -> Final:
    if not steps:
        return final
    if len(steps) == 1:
        step = steps[0]
        return lambda array: final(step(array))

    def call(array: Array) -> Answer:
        for step in steps:
            array = step(array)
        return final(array)

    return call


def _build(table: dict[str, Callable[[Any], Any]], estimator: Any) -> Any:
    """What `table` makes of the estimator, by its exact type."""
    build = table.get(type(estimator).__name__) if is_of_scikit_learn(estimator) else None
    return build(estimator) if build else None
