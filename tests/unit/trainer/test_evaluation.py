"""The evaluation: every figure against scikit-learn, SciPy or a value worked out by hand."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

from rhizome.inference import predict
from trainer.classification import brier_score, calibration_bins, expected_calibration_error
from trainer.dataset import Dataset, load_dataset
from trainer.estimators import logistic_regression, ridge
from trainer.evaluation import cross_validate, evaluate, measure
from trainer.intervals import bootstrap_interval, corrected_interval, wilson_interval
from trainer.paired_test import mcnemar_p_value, wilcoxon_p_value
from trainer.regression import measure_regression
from trainer.split import split_rows


def test_the_holdout_report_agrees_with_scikit_learn(iris: Dataset) -> None:
    split = split_rows(iris, 42)
    fitted = logistic_regression(iris.signature, 42).fit(iris.rows[split.training], iris.labels[split.training])

    report = measure(fitted, iris, split.holdout, 42)

    rows, labels = iris.rows[split.holdout], iris.labels[split.holdout]
    predicted, probabilities = fitted.predict(rows), fitted.predict_proba(rows)
    assert report["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert report["log_loss"] == pytest.approx(metrics.log_loss(labels, probabilities))
    assert report["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert [item["f1"] for item in report["f1_per_class"]] == pytest.approx(
        metrics.f1_score(labels, predicted, average=None).tolist()
    )
    assert (
        report["confusion_matrix"]["rows_are_true_columns_are_predicted"]
        == metrics.confusion_matrix(labels, predicted).tolist()
    )
    assert report["brier_score"] == pytest.approx(metrics.brier_score_loss(labels, probabilities, scale_by_half=False))


def test_the_wilson_interval_agrees_with_scipy() -> None:
    expected = stats.binomtest(27, 30).proportion_ci(0.95, method="wilson")
    assert wilson_interval(27, 30) == pytest.approx((expected.low, expected.high))


def test_the_wilson_interval_of_certainty_is_not_a_point() -> None:
    low, high = wilson_interval(30, 30)
    assert low < 0.9
    assert high == pytest.approx(1.0)


def test_the_bootstrap_is_repeatable_and_contains_the_mean() -> None:
    values = np.random.default_rng(3).normal(5.0, 1.0, 200)
    mean = partial(lambda rows: float(values[rows].mean()))

    low, high = bootstrap_interval(mean, 200, 42)

    assert (low, high) == bootstrap_interval(mean, 200, 42)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.15)


def test_the_corrected_interval_follows_nadeau_and_bengio() -> None:
    scores = [0.9, 0.95, 1.0, 0.85, 0.9]
    error = np.sqrt((1 / 5 + 1 / 4) * np.var(scores, ddof=1))
    half = stats.t.ppf(0.975, 4) * error
    assert corrected_interval(scores, 1 / 4) == pytest.approx((0.92 - half, 0.92 + half))


def test_cross_validation_agrees_with_scikit_learn(iris: Dataset) -> None:
    rows = split_rows(iris, 42).training
    build = partial(logistic_regression, iris.signature, 42)

    report = cross_validate(build, iris, rows, 42)

    expected = cross_val_score(
        build(),
        iris.rows[rows],
        iris.labels[rows],
        cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=42),
    )
    assert (report["folds"], report["repeats"]) == (5, 5)
    assert report["metrics"]["accuracy"]["mean"] == pytest.approx(expected.mean())


def test_the_calibration_error_is_the_weighted_distance_of_confidence_and_accuracy() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.45, 0.55]])
    right = np.array([True, True, True, False])
    bins = calibration_bins(probabilities, right)
    assert [item["rows"] for item in bins] == [2, 2]
    assert expected_calibration_error(bins) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)


def test_certainty_falls_into_the_last_bin() -> None:
    bins = calibration_bins(np.array([[1.0, 0.0]]), np.array([True]))
    assert bins[0]["to"] == 1.0


def test_the_brier_score_runs_from_zero_to_two() -> None:
    labels = np.array(["a", "b"])
    assert brier_score(np.array([[1.0, 0.0], [0.0, 1.0]]), labels, ("a", "b")) == 0.0
    assert brier_score(np.array([[0.0, 1.0], [1.0, 0.0]]), labels, ("a", "b")) == 2.0


def test_regression_figures_agree_with_scikit_learn(houses_csv: Path) -> None:
    houses = load_dataset(houses_csv, "price", 3.0)
    fitted = ridge(houses.signature, 42).fit(houses.rows, houses.labels)
    (answers,) = predict(fitted, houses.rows, houses.signature)

    report = measure_regression(answers, houses.labels, 42)

    assert report["mae"] == pytest.approx(metrics.mean_absolute_error(houses.labels, answers.labels))
    assert report["rmse"] == pytest.approx(metrics.root_mean_squared_error(houses.labels, answers.labels))
    assert report["r2"] == pytest.approx(metrics.r2_score(houses.labels, answers.labels))
    assert report["rmse_interval"][0] < report["rmse"] < report["rmse_interval"][1]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_an_evaluation_is_finite_json(iris: Dataset, houses_csv: Path, task: str) -> None:
    dataset = iris if task == "classification" else load_dataset(houses_csv, "price", 3.0)
    build = partial(logistic_regression if task == "classification" else ridge, dataset.signature, 42)
    split = split_rows(dataset, 42)
    fitted = build().fit(dataset.rows[split.training], dataset.labels[split.training])

    evaluation = evaluate(fitted, build, dataset, split, 42)

    json.dumps(evaluation.report, allow_nan=False)
    assert evaluation.headline
    assert all(np.isfinite(value) for value in evaluation.headline.values())


def test_mcnemar_is_exact() -> None:
    candidate_wrong = np.array([True] * 9 + [False] * 11)
    champion_wrong = np.array([False] * 9 + [True] + [False] * 10)
    expected = sum(stats.binom.pmf(k, 10, 0.5) for k in (9, 10))
    assert mcnemar_p_value(candidate_wrong, champion_wrong) == pytest.approx(expected)


def test_equal_predictions_are_never_significant() -> None:
    wrong = np.array([True, False, False])
    assert mcnemar_p_value(wrong, wrong) == 1.0
    assert wilcoxon_p_value(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 1.0


def test_larger_errors_are_significant_and_smaller_ones_are_not() -> None:
    small = np.random.default_rng(5).uniform(0, 1, 40)
    assert wilcoxon_p_value(small + 0.5, small) < 0.001
    assert wilcoxon_p_value(small, small + 0.5) > 0.999
