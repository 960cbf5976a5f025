"""Trees, forests of them, and both gradient boostings, as scikit-learn's sources have them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rhizome.decision_rule import is_of_scikit_learn
from rhizome.direct_calls.descent import Tree, Trees, build_tree
from rhizome.direct_calls.learner import Answer, Array, Learner, OutOfRange, Step

#: Some rows go down all trees at once where these are so many times as many as levels, and their nodes (40 bytes each)
#: no more than this. Beyond so many rows or descents (rows x trees) a call for each tree is the shorter way.
TREES_PER_LEVEL = 4
MOST_NODES = 250_000
MOST_ROWS = 256
MOST_FOREST_DESCENTS = 12_800
MOST_HISTOGRAM_DESCENTS = 51_200


def _tree_classifier(learner: Any) -> Learner:
    return _add_probabilities(learner, [learner.tree_])


def _forest_classifier(learner: Any) -> Learner:
    return _add_probabilities(learner, [each.tree_ for each in learner.estimators_])


def _add_probabilities(learner: Any, inner: list[Any]) -> Learner:
    counts = np.atleast_1d(learner.n_classes_).tolist()
    width, add_up = max(counts), _find_sum(inner)

    def probabilities(array: Array) -> Answer:
        total = add_up(_narrow(array))
        total /= len(inner)
        if len(counts) == 1:
            return total
        return [
            np.ascontiguousarray(total[:, index * width : index * width + count]) for index, count in enumerate(counts)
        ]

    return Learner("predict_proba", probabilities, is_row_wise=True)


def _tree_regressor(learner: Any) -> Learner:
    return _add_values(learner, [learner.tree_])


def _forest_regressor(learner: Any) -> Learner:
    return _add_values(learner, [each.tree_ for each in learner.estimators_])


def _add_values(learner: Any, inner: list[Any]) -> Learner:
    is_alone, add_up = learner.n_outputs_ == 1, _find_sum(inner)

    def values(array: Array) -> Array:
        total = add_up(_narrow(array))
        total /= len(inner)
        return total.reshape(-1) if is_alone else total

    return Learner("predict", values, is_row_wise=True)


def _find_sum(inner: list[Any]) -> Step:
    """Adds up what trees say of rows: shape (n rows, values of a node)."""
    width = inner[0].value[0].size
    predictions = [tree.predict for tree in inner]

    def add_up(rows: Array) -> Array:
        total = np.zeros((len(rows), width))
        for predict in predictions:
            total += predict(rows).reshape(len(rows), width)
        return total

    def build() -> Trees:
        values = np.concatenate([tree.value.reshape(tree.node_count, -1) for tree in inner])
        return Trees([_read_tree(tree) for tree in inner], values)

    sizes = [(tree.node_count, tree.max_depth) for tree in inner]
    return _choose(sizes, MOST_FOREST_DESCENTS, build, add_up)


def _gradient_boosting(learner: Any) -> Learner | None:
    from sklearn.ensemble._gradient_boosting import predict_stages  # noqa: PLC0415 - loaded with it already

    if not _is_constant(learner.init_):
        return None
    stages, rate = learner.estimators_, learner.learning_rate
    initial = learner._raw_predict_init(np.zeros((1, learner.n_features_in_)))  # the same for every row

    def raw(array: Array) -> Array:
        total = np.repeat(initial, len(array), axis=0)
        predict_stages(stages, np.ascontiguousarray(_narrow(array)), rate, total)
        return total

    return _boosted(learner, raw)


def _is_constant(first: Any) -> bool:
    """Whether what boosting begins with is the same for every row."""
    if not is_of_scikit_learn(first):
        return bool(first == "zero")
    return type(first).__name__ in ("DummyClassifier", "DummyRegressor") and first.strategy != "stratified"


def _histogram_boosting(learner: Any) -> Learner | None:
    from sklearn.ensemble._hist_gradient_boosting._predictor import (  # noqa: PLC0415 - loaded with it already
        _predict_from_raw_data,
    )

    if learner._preprocessor is not None:
        return None  # it has categories
    initial = learner._baseline_prediction
    width = learner.n_trees_per_iteration_
    predictors = [each for iteration in learner._predictors for each in iteration]
    known, index = learner._bin_mapper.make_known_categories_bitsets()

    def add_up(array: Array) -> Array:
        total = np.zeros((len(array), width), dtype=initial.dtype, order="F")
        total += initial
        leaf = np.empty(len(array))
        for number, each in enumerate(predictors):
            _predict_from_raw_data(each.nodes, array, each.raw_left_cat_bitsets, known, index, 1, leaf)
            total[:, number % width] += leaf
        return total

    def build() -> Trees:
        values = np.concatenate([each.nodes["value"] for each in predictors])
        return Trees([_read_predictor(each.nodes) for each in predictors], values, initial.reshape(-1))

    sizes = [(len(each.nodes), int(each.nodes["depth"].max())) for each in predictors]
    return _boosted(learner, _choose(sizes, MOST_HISTOGRAM_DESCENTS, build, add_up))


def _boosted(learner: Any, raw: Step) -> Learner:
    if hasattr(learner, "classes_"):
        to_probabilities = learner._loss.predict_proba
        return Learner("predict_proba", lambda array: to_probabilities(raw(array)), is_row_wise=True)
    to_values = learner._loss.link.inverse
    return Learner("predict", lambda array: to_values(raw(array).ravel()), is_row_wise=True)


def _narrow(array: Array) -> Array:
    """As scikit-learn's trees want it."""
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
        total = np.add.reduce(narrow, None)
    if not math.isfinite(total):
        raise OutOfRange
    return narrow


def _read_tree(tree: Any) -> Tree:
    is_leaf = tree.children_left < 0
    return build_tree(is_leaf, tree.feature, tree.threshold, (tree.children_left, tree.children_right), tree.max_depth)


def _read_predictor(nodes: Array) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    children = (nodes["left"], nodes["right"])
    return build_tree(is_leaf, nodes["feature_idx"], nodes["num_threshold"], children, int(nodes["depth"].max()))


def _choose(sizes: list[tuple[int, int]], most: int, build: Callable[[], Trees], add_up: Step) -> Step:
    """The shorter way for each number of rows: `Trees.add_up` within `most` descents, else `add_up`.

    Args:
        sizes: nodes and levels of each tree.
        most: rows x trees.
        build: puts the trees side by side; called only where that is worth its memory.
        add_up: tree after tree.
    """
    if (
        len(sizes) < TREES_PER_LEVEL * max(levels for _, levels in sizes)
        or sum(nodes for nodes, _ in sizes) > MOST_NODES
    ):
        return add_up
    at_once, most_rows = build().add_up, min(MOST_ROWS, most // len(sizes))
    return lambda rows: (at_once if len(rows) <= most_rows else add_up)(rows)


LEARNERS: dict[str, Callable[[Any], Learner | None]] = {
    "DecisionTreeClassifier": _tree_classifier,
    "DecisionTreeRegressor": _tree_regressor,
    "ExtraTreeClassifier": _tree_classifier,
    "ExtraTreeRegressor": _tree_regressor,
    "ExtraTreesClassifier": _forest_classifier,
    "ExtraTreesRegressor": _forest_regressor,
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _histogram_boosting,
    "HistGradientBoostingRegressor": _histogram_boosting,
    "RandomForestClassifier": _forest_classifier,
    "RandomForestRegressor": _forest_regressor,
}
