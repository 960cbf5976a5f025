"""The label that follows from the probabilities is the label that `predict` gives, whatever the data."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from rhizome.decision_rule import _EXACT, _MONOTONE, Rule, find_rule, has_ties
from rhizome.inference import ROW_MULTIPLE, predict
from tests.support.signatures import numbers_signature

#: Non-negative counts are all that these take.
COUNTING = ("ComplementNB", "MultinomialNB")
ZOO: dict[str, Callable[[], Any]] = {
    "AdaBoostClassifier": lambda: AdaBoostClassifier(n_estimators=3, random_state=0),
    "BaggingClassifier": lambda: BaggingClassifier(n_estimators=4, random_state=0),
    "BernoulliNB": BernoulliNB,
    "CalibratedClassifierCV": lambda: CalibratedClassifierCV(GaussianNB(), cv=2),
    "ComplementNB": ComplementNB,
    "DecisionTreeClassifier": lambda: DecisionTreeClassifier(max_depth=2, random_state=0),
    "ExtraTreeClassifier": lambda: ExtraTreeClassifier(max_depth=2, random_state=0),
    "ExtraTreesClassifier": lambda: ExtraTreesClassifier(n_estimators=4, random_state=0),
    "GaussianNB": GaussianNB,
    "GradientBoostingClassifier": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "HistGradientBoostingClassifier": lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2),
    "KNeighborsClassifier": lambda: KNeighborsClassifier(n_neighbors=4),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
    "LogisticRegression": lambda: LogisticRegression(max_iter=50),
    "LogisticRegressionCV": lambda: LogisticRegressionCV(
        Cs=2, cv=2, max_iter=50, l1_ratios=(0.0,), use_legacy_attributes=False
    ),
    "MLPClassifier": lambda: MLPClassifier(hidden_layer_sizes=(3,), max_iter=5, random_state=0),
    "MultinomialNB": MultinomialNB,
    "QuadraticDiscriminantAnalysis": lambda: QuadraticDiscriminantAnalysis(reg_param=0.5),
    "RandomForestClassifier": lambda: RandomForestClassifier(n_estimators=4, random_state=0),
    "SGDClassifier": lambda: SGDClassifier(loss="modified_huber", max_iter=5, tol=None, random_state=0),
    "VotingClassifier": lambda: VotingClassifier([("a", GaussianNB()), ("b", BernoulliNB())], voting="soft"),
}
MULTIPLE_ROWS = 3 * ROW_MULTIPLE


def fit_quietly(estimator: Any, rows: NDArray[Any], labels: NDArray[Any]) -> Any:
    """Tiny, degenerate data are what the test is about; what cannot be learned from at all is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return estimator.fit(rows, labels)
        except ValueError:
            reject()


@st.composite
def adversarial_data(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Training rows, labels, and queries: far away, at the origin, on training rows and half way between two."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, classes = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    scale = draw(st.sampled_from([1e-3, 1.0, 1e3]))
    rows = generator.normal(size=(24, columns))
    if draw(st.booleans()):
        rows = np.round(rows)  # equal rows, of which some have different labels
    if draw(st.booleans()):
        rows[12:] = -rows[:12]  # symmetric about the origin, where a boundary then lies
    labels = np.arange(24) % classes
    names: NDArray[Any] = np.array(["one", "two", "three", "four"])[labels] if draw(st.booleans()) else labels
    pairs = generator.integers(24, size=(2, 7))
    middles = rows[pairs].mean(axis=0)
    queries = np.concatenate([rows[:10], middles, np.zeros((2, columns)), generator.normal(size=(5, columns)) * 1e4])
    return rows * scale, names, queries[generator.permutation(MULTIPLE_ROWS)] * scale


def test_every_listed_estimator_is_tried() -> None:
    assert set(ZOO) == _EXACT | _MONOTONE


@pytest.mark.parametrize("name", sorted(ZOO))
@settings(max_examples=25, deadline=None)
@given(data=adversarial_data())
def test_the_labels_are_those_of_predict(name: str, data: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> None:
    rows, labels, queries = (np.abs(part) if name in COUNTING and part.dtype == float else part for part in data)
    estimator = fit_quietly(ZOO[name](), rows, labels)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        (answers,) = predict(estimator, queries, numbers_signature(rows.shape[1], estimator.classes_))
        expected = estimator.predict(queries).tolist()

    assert find_rule(estimator) is not Rule.NONE
    assert answers.labels == expected


class Counter(Pipeline):  # type: ignore[misc]
    """Counts its calls; a pipeline of another type, so no rule is proven for it."""


def spy(monkeypatch: pytest.MonkeyPatch, estimator: Any) -> list[str]:
    """The methods that are called, in order."""
    calls: list[str] = []
    for method in ("predict", "predict_proba"):
        original = getattr(type(estimator), method)

        def note(self: Any, rows: Any, method: str = method, original: Any = original) -> Any:
            calls.append(method)
            return original(self, rows)

        monkeypatch.setattr(type(estimator), method, note)
    return calls


def line(classes: tuple[str, ...] = ("a", "b")) -> tuple[NDArray[Any], NDArray[Any]]:
    rows = np.linspace(-1, 1, 24).reshape(-1, 1)
    return rows, np.array(classes)[(rows[:, 0] > 0).astype(int)]


def test_where_the_label_follows_predict_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = line()
    estimator = LogisticRegression().fit(rows, labels)
    calls = spy(monkeypatch, estimator)

    (answers,) = predict(estimator, rows, numbers_signature(1, ("a", "b")))

    assert calls == ["predict_proba"]
    assert answers.labels == labels.tolist()


def test_where_rounding_may_have_made_a_tie_predict_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = line()
    estimator = LogisticRegression().fit(rows, labels)
    estimator.intercept_ = np.array([0.0])
    calls = spy(monkeypatch, estimator)

    (answers,) = predict(estimator, np.array([[0.0]] * 8), numbers_signature(1, ("a", "b")))

    assert calls == ["predict_proba", "predict"]
    assert answers.labels == ["a"] * 8


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        KNeighborsClassifier(weights="distance"),
        Counter([("estimate", LogisticRegression())]),
        make_pipeline(StandardScaler(), SVC()),
    ],
    ids=["not listed", "weighted neighbours", "a derived type", "a pipeline of one not listed"],
)
def test_what_is_not_proven_gets_both_calls(estimator: Any) -> None:
    assert find_rule(estimator) is Rule.NONE


def test_a_pipeline_has_the_rule_of_its_last_step() -> None:
    inner = make_pipeline(MinMaxScaler(), LogisticRegression())

    assert find_rule(make_pipeline(StandardScaler(), inner)) is Rule.MONOTONE
    assert find_rule(make_pipeline(StandardScaler(), RandomForestClassifier())) is Rule.EXACT


@pytest.mark.parametrize(("first", "rule"), [(LogisticRegression(), Rule.MONOTONE), (SVC(), Rule.NONE)])
def test_several_estimators_have_a_rule_if_they_share_it(first: Any, rule: Rule) -> None:
    rows, labels = line()
    several = MultiOutputClassifier(LogisticRegression()).fit(rows, np.column_stack([labels, labels]))
    several.estimators_[0] = first

    assert find_rule(several) is rule


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([[0.5, 0.5]], True),
        ([[0.9, 0.1], [0.3, 0.3 + 1e-12]], True),
        ([[0.9, 0.1], [0.51, 0.49]], False),
        ([[1.0, 0.0, 0.0]], False),
    ],
)
def test_near_ties_are_ties(probabilities: list[list[float]], expected: bool) -> None:
    assert has_ties(np.array(probabilities)) is expected
