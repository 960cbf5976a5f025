"""A direct call gives bit for bit what scikit-learn gives, for every estimator that is called so."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from rhizome.decision_rule import find_learner
from rhizome.direct_calls import finding
from rhizome.direct_calls.finding import LEARNERS, TRANSFORMERS, build_direct_calls, find_direct_calls
from rhizome.direct_calls.learner import Learner
from rhizome.inference import Calls, predict
from rhizome.signature import Signature
from tests.support.signatures import numbers_signature
from tests.support.versions import (
    IRIS_ROWS,
    MIXED_ROWS,
    iris_data,
    iris_estimator,
    iris_signature,
    mixed_estimator,
    mixed_signature,
)

Array = NDArray[Any]

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "trees of a level, at once": lambda: RandomForestClassifier(8, max_depth=1, random_state=0),
    "trees, one by one": lambda: RandomForestClassifier(5, random_state=0),
    "trees by threads": lambda: RandomForestClassifier(12, max_depth=2, n_jobs=2, random_state=0),
    "random trees": lambda: ExtraTreesClassifier(16, max_depth=3, random_state=0),
    "a tree": lambda: DecisionTreeClassifier(random_state=0),
    "a random tree": lambda: ExtraTreeClassifier(random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "boosting from zero": lambda: GradientBoostingClassifier(n_estimators=4, init="zero", random_state=0),
    "histograms, at once": lambda: HistGradientBoostingClassifier(max_iter=12, max_depth=2, min_samples_leaf=1),
    "histograms, one by one": lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=1),
    "logistic": lambda: LogisticRegression(max_iter=20),
    "logistic, without a constant": lambda: LogisticRegression(max_iter=20, fit_intercept=False),
    "scaled": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=20)),
    "centred": lambda: make_pipeline(StandardScaler(with_std=False), LogisticRegression(max_iter=20)),
    "of one width": lambda: make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=20)),
    "imputed, scaled": lambda: make_pipeline(
        SimpleImputer(strategy="median"), MinMaxScaler(), LogisticRegression(max_iter=20)
    ),
    "a pipeline in another": lambda: make_pipeline(
        make_pipeline(MinMaxScaler(), StandardScaler()), "passthrough", RandomForestClassifier(8, max_depth=2)
    ),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "trees of a level, at once": lambda: RandomForestRegressor(8, max_depth=1, random_state=0),
    "trees, one by one": lambda: RandomForestRegressor(5, random_state=0),
    "random trees": lambda: ExtraTreesRegressor(16, max_depth=3, random_state=0),
    "a tree": lambda: DecisionTreeRegressor(random_state=0),
    "a random tree": lambda: ExtraTreeRegressor(random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=4, random_state=0),
    "histograms, at once": lambda: HistGradientBoostingRegressor(max_iter=12, max_depth=2, min_samples_leaf=1),
    "histograms, one by one": lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1),
    "histograms, of counts": lambda: HistGradientBoostingRegressor(
        max_iter=12, max_depth=2, min_samples_leaf=1, loss="poisson"
    ),
    "least squares": LinearRegression,
    "ridge": lambda: make_pipeline(StandardScaler(), Ridge()),
    "lasso": lambda: Lasso(max_iter=10),
    "elastic net": lambda: make_pipeline(SimpleImputer(), ElasticNet(max_iter=10)),
}
OF_SEVERAL_OUTPUTS = ("a tree", "a random tree", "least squares", "random trees", "ridge", "trees of a level, at once")
LARGEST_CALL = 2_000  #: beyond what goes down all trees at once


@st.composite
def adversarial_data(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Training rows, a target per output, and queries: on training rows, half way between two, far away, at zero."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, count = draw(st.integers(1, 6)), draw(st.integers(12, 60))
    scale = draw(st.sampled_from((1e-3, 1.0, 1e4)))
    rows = generator.normal(size=(count, columns)) * scale
    if draw(st.booleans()):
        rows = np.round(rows, 1)  # equal values, and a constant column for small scales
    targets = np.column_stack([rows.sum(axis=1), rows[:, 0] - rows[:, -1]]) + generator.normal(size=(count, 2)) * scale
    between = (rows + np.roll(rows, 1, axis=0)) / 2
    queries = np.concatenate([rows, between, rows * 1e3, np.zeros((1, columns)), -np.zeros((1, columns))])
    queries = np.resize(generator.permutation(queries), (draw(st.integers(1, LARGEST_CALL)), columns))
    return rows, targets, np.asarray(queries, order=draw(st.sampled_from(("C", "F"))))


def fit_quietly(estimator: Any, rows: Array, targets: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return estimator.fit(rows, targets)
        except ValueError:
            reject()


def check(estimator: Any, queries: Array) -> None:
    direct = build_direct_calls(estimator)
    assert direct is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner = find_learner(estimator)
        if getattr(learner, "n_jobs", None):
            learner.n_jobs = 1  # threads add up in whatever order they end
        expected, found = getattr(estimator, direct.method)(queries), direct.call(queries)
    for one, other in zip(*(x if isinstance(x, list) else [x] for x in (expected, found)), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def labels_of(targets: Array, classes: int) -> Array:
    return np.digitize(targets, np.quantile(targets, np.linspace(0, 1, classes + 1)[1:-1]))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@settings(max_examples=12, deadline=None)
@given(data=adversarial_data(), classes=st.integers(2, 5))
def test_a_classifier_called_directly_gives_the_same_bits(kind: str, data: Any, classes: int) -> None:
    rows, targets, queries = data

    check(fit_quietly(CLASSIFIERS[kind](), rows, labels_of(targets[:, 0], classes)), queries)


@pytest.mark.parametrize("kind", REGRESSORS)
@settings(max_examples=12, deadline=None)
@given(data=adversarial_data())
def test_a_regressor_called_directly_gives_the_same_bits(kind: str, data: Any) -> None:
    rows, targets, queries = data

    check(fit_quietly(REGRESSORS[kind](), rows, np.abs(targets[:, 0])), queries)


@pytest.mark.parametrize("kind", OF_SEVERAL_OUTPUTS)
@settings(max_examples=8, deadline=None)
@given(data=adversarial_data(), classes=st.integers(2, 4))
def test_several_outputs_called_directly_give_the_same_bits(kind: str, data: Any, classes: int) -> None:
    rows, targets, queries = data
    labels = np.column_stack([labels_of(targets[:, 0], classes), labels_of(targets[:, 1], 2)])

    check(fit_quietly(REGRESSORS[kind](), rows, targets), queries)
    if kind in CLASSIFIERS:
        check(fit_quietly(CLASSIFIERS[kind](), rows, labels), queries)


def test_every_estimator_that_is_called_directly_is_tried_here() -> None:
    tried = {type(find_learner(build())).__name__ for build in (*CLASSIFIERS.values(), *REGRESSORS.values())}

    assert tried == set(LEARNERS)
    assert set(TRANSFORMERS) == {"MinMaxScaler", "SimpleImputer", "StandardScaler"}


class LogisticRegressionOfOurs(LogisticRegression):  # type: ignore[misc]
    """It may override anything."""


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        LogisticRegressionOfOurs(),
        make_pipeline(PolynomialFeatures(), LogisticRegression(max_iter=20)),
        make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
        make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()),
        make_pipeline(SimpleImputer(missing_values=0), LogisticRegression()),
        GradientBoostingClassifier(n_estimators=2, init=GaussianNB()),
        GradientBoostingClassifier(n_estimators=2, init=DummyClassifier(strategy="stratified")),
        HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
    ],
    ids=str,
)
def test_any_other_estimator_is_called_as_before(estimator: Any) -> None:
    rows, labels = np.round(iris_data()[0]), iris_data()[1]

    assert build_direct_calls(fit_quietly(estimator, rows, labels)) is None


@pytest.mark.parametrize(
    ("learner", "value"),
    [
        (LogisticRegression(max_iter=200), np.nan),
        (LogisticRegression(max_iter=200), np.inf),
        (RandomForestClassifier(4, random_state=0), np.inf),
        (RandomForestClassifier(4, random_state=0), 1e300),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")  # which is how scikit-learn finds out
def test_a_value_that_scikit_learn_refuses_is_refused(learner: Any, value: float) -> None:
    direct = build_direct_calls(make_pipeline(StandardScaler(), learner).fit(*iris_data()))
    assert direct is not None

    with pytest.raises(ValueError, match=r"NaN|infinity|too large"):
        direct.call(np.array([[value, value, 1.0, 1.0]]))


@pytest.mark.parametrize(
    "pipeline",
    [make_pipeline(SimpleImputer(), LogisticRegression(max_iter=200)), RandomForestClassifier(4, random_state=0)],
)
def test_a_missing_value_is_answered_as_before(pipeline: Any) -> None:
    rows, labels = iris_data()
    direct = build_direct_calls(pipeline.fit(rows, labels))
    some = rows[:8].copy()
    some[3, 2] = np.nan
    assert direct is not None

    assert direct.call(some).tobytes() == pipeline.predict_proba(some).tobytes()


def test_a_direct_call_answers_in_place_of_its_method() -> None:
    estimator, signature = iris_estimator(), iris_signature()
    direct = find_direct_calls(estimator, signature, IRIS_ROWS)
    assert direct is not None

    answers = predict(Calls(estimator, direct), np.array(IRIS_ROWS), signature)

    assert answers == predict(estimator, np.array(IRIS_ROWS), signature)


def wrong(estimator: Any) -> Learner:
    return Learner("predict_proba", lambda array: np.nextafter(estimator.predict_proba(array), 2), True)


def failing(estimator: Any) -> Learner:
    raise AttributeError("another release has other insides")


@pytest.mark.parametrize("build", [wrong, failing])
def test_what_differs_in_the_last_bit_or_fails_is_not_called_directly(monkeypatch: Any, build: Any) -> None:
    monkeypatch.setattr(finding, "build_direct_calls", build)

    assert find_direct_calls(iris_estimator(), iris_signature(), IRIS_ROWS) is None


def test_rows_with_categories_go_to_the_estimator_itself() -> None:
    assert find_direct_calls(mixed_estimator(), mixed_signature(), MIXED_ROWS) is None


@pytest.mark.parametrize("signature", [numbers_signature(4, range(3)), iris_signature()])
def test_rows_to_compare_are_drawn_where_the_signature_has_no_ranges_too(signature: Signature) -> None:
    rows, labels = iris_data()
    estimator = Pipeline([("estimate", LogisticRegression(max_iter=200))]).fit(rows, labels)

    assert find_direct_calls(estimator, signature, IRIS_ROWS) is not None
