"""Estimators whose label is the most probable class by scikit-learn's own definition, so that one call gives both.

`predict` and `predict_proba` each run the whole pipeline; where the label follows from the probabilities, calling both
doubles the work of a worker. Only what scikit-learn's sources prove is listed; every other estimator gets both calls.
A subclass may decide otherwise, so types are compared exactly, and by name: importing them would load modules that no
version here needs.
"""

from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rule(Enum):
    """How an estimator's label follows from its probabilities."""

    EXACT = "predict is classes_[argmax(predict_proba)], ties included"
    MONOTONE = "probabilities rise with the scores that predict compares, so only rounding can make a tie"
    NONE = "not proven"


#: Read from scikit-learn 1.9: `predict` calls `predict_proba` (forests, bagging, voting, calibration), or takes the
#: argmax of the very numbers it returns (trees, counts of equally weighted neighbours).
_EXACT = frozenset(
    {
        "BaggingClassifier",
        "CalibratedClassifierCV",
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "ExtraTreesClassifier",
        "KNeighborsClassifier",
        "RandomForestClassifier",
        "VotingClassifier",
    }
)
#: Likewise: `predict` takes the argmax (the sign, for two classes) of scores, and `predict_proba` their softmax,
#: logistic function or exponential.
_MONOTONE = frozenset(
    {
        "AdaBoostClassifier",
        "BernoulliNB",
        "ComplementNB",
        "GaussianNB",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "LinearDiscriminantAnalysis",
        "LogisticRegression",
        "LogisticRegressionCV",
        "MLPClassifier",
        "MultinomialNB",
        "QuadraticDiscriminantAnalysis",
        "SGDClassifier",
    }
)


def find_rule(estimator: Any) -> Rule:
    """The rule of a fitted estimator; a pipeline has that of its last step, `MultiOutputClassifier` that which all its
    estimators share.
    """
    learner = find_learner(estimator)
    if not is_of_scikit_learn(learner):
        return Rule.NONE
    kind = type(learner).__name__
    if kind == "MultiOutputClassifier":
        rules = {find_rule(each) for each in learner.estimators_}
        return rules.pop() if len(rules) == 1 else Rule.NONE
    if kind == "KNeighborsClassifier" and learner.weights != "uniform":
        return Rule.NONE  # its two methods add up the weights in different orders
    if kind in _EXACT:
        return Rule.EXACT
    return Rule.MONOTONE if kind in _MONOTONE else Rule.NONE


def find_learner(estimator: Any) -> Any:
    """The last step of a pipeline, or of the pipeline that this is in turn; else the estimator itself."""
    return find_steps(estimator)[-1]


def find_steps(estimator: Any) -> list[Any]:
    """The steps of a pipeline, those of pipelines within it among them; a list of itself for any other estimator."""
    if not is_of_scikit_learn(estimator) or type(estimator).__name__ != "Pipeline":
        return [estimator]
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return [part for step in steps for part in find_steps(step)]


def is_of_scikit_learn(estimator: Any) -> bool:
    """True for scikit-learn's own types, not for what derives from them."""
    return type(estimator).__module__.startswith("sklearn.")


def most_probable(classes: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[Any]:
    """The most probable class of each row, the first of equals; shape (n,).

    Args:
        classes: the labels, shape (classes,), as the estimator's `classes_` holds them.
        probabilities: shape (n, classes).
    """
    labels: NDArray[Any] = classes.take(probabilities.argmax(axis=1))
    return labels


def has_ties(probabilities: NDArray[Any]) -> bool:
    """True where the two most probable classes of a row are so close that rounding may have changed their order.

    The margin, the square root of the type's precision, is far above the error of a softmax or an exponential.
    """
    highest = probabilities.max(axis=1, keepdims=True)
    highest *= _least_part(probabilities.dtype)
    return int(np.count_nonzero(probabilities >= highest)) > len(probabilities)


@cache
def _least_part(dtype: Any) -> Any:
    return dtype.type(1 - np.sqrt(np.finfo(dtype).eps))
