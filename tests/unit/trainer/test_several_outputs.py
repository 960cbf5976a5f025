"""Several targets of one version: read, split, learned, measured and judged together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor

from rhizome.artifact import load_estimator
from rhizome.errors import DatasetError
from rhizome.inference import predict
from rhizome.self_test import check_golden
from rhizome.settings import Settings
from rhizome.signature import Output
from tests.support.versions import build_manifest
from trainer import evaluation
from trainer.champion import Champion
from trainer.dataset import Dataset, load_dataset
from trainer.estimators import build_estimator, load_factory
from trainer.evaluation import _score, measure
from trainer.folds import number_folds, split_folds
from trainer.gate import GateReport, judge_candidate
from trainer.golden import pick_rows
from trainer.split import Split, split_rows
from trainer.training import train

WriteCsv = Callable[[str], Path]
CLASSIFIERS = ("logistic_regression", "random_forest", "gradient_boosting")
REGRESSORS = ("ridge", "random_forest", "gradient_boosting")


@pytest.fixture
def customers_csv(write_csv: WriteCsv) -> Path:
    """200 rows: `churned` follows from age (text), `tier` from visits (1 to 3); `spend` and `visits` are quantities."""
    generator = np.random.default_rng(5)
    lines = ["age,visits,region,churned,tier,spend,debt"]
    for index in range(200):
        age, visits = generator.normal(30 + 30 * (index % 2), 6), float(generator.uniform(0, 9))
        tier, churned = 1 + int(visits // 3), ("no", "yes")[int(age > 45)]
        spend, debt = 100 * visits + age + generator.normal(0, 10), age / 1000 + generator.normal(0, 0.001)
        region = ("north", "south")[int(generator.integers(2))]
        lines.append(f"{age:.2f},{visits:.2f},{region},{churned},{tier},{spend:.3f},{debt:.5f}")
    return write_csv("\n".join(lines) + "\n")


@pytest.fixture
def labelled(customers_csv: Path) -> Dataset:
    """Two classifications; the quantities serve as features."""
    return load_dataset(customers_csv, "churned,tier", 3.0)


@pytest.fixture
def measured(customers_csv: Path) -> Dataset:
    """Two regressions, in units that differ by five powers of ten."""
    return load_dataset(customers_csv, "spend, debt", 3.0)


@pytest.fixture
def _judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cross-validation takes most of a run's time; how often it is repeated is no matter of the outputs."""
    monkeypatch.setattr(evaluation, "REPEATS", 1)


def fit(name: str, dataset: Dataset, rows: NDArray[np.int64]) -> Any:
    factory = load_factory(f"trainer.estimators:{name}")
    return build_estimator(factory, dataset.signature, 42).fit(dataset.rows[rows], dataset.labels[rows])


def test_each_target_is_an_output_and_none_is_a_feature(measured: Dataset) -> None:
    assert [output.name for output in measured.signature.outputs] == ["spend", "debt"]
    assert measured.signature.task == "regression"
    assert not {"spend", "debt"} & set(measured.feature_names)
    assert (measured.labels.shape, measured.labels.dtype) == ((200, 2), np.float64)


def test_where_one_target_is_text_the_classes_of_all_are(labelled: Dataset) -> None:
    assert labelled.signature.outputs == (
        Output(name="churned", classes=("no", "yes")),
        Output(name="tier", classes=("1", "2", "3")),
    )
    assert labelled.labels.dtype.kind == "U"


def test_numbers_as_classes_stay_numbers(write_csv: WriteCsv) -> None:
    text = "x,a,b\n" + "".join(f"{i}.5,{i % 2},{i % 3}\n" for i in range(60))

    dataset = load_dataset(write_csv(text), "a,b", 3.0)

    assert [output.classes for output in dataset.signature.outputs] == [(0, 1), (0, 1, 2)]
    assert dataset.labels.dtype == np.int64


def test_a_header_may_itself_hold_a_comma(write_csv: WriteCsv) -> None:
    text = 'x,"height, in m"\n' + "".join(f"{i}.5,{i}.25\n" for i in range(60))

    dataset = load_dataset(write_csv(text), "height, in m", 3.0)

    assert dataset.signature.outputs == (Output(name="height, in m"),)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("churned,absent", ["no column 'absent'", "RHIZOME_TARGET", "separated by commas"]),
        ("churned,,tier", ["no column ''"]),
        ("churned,churned", ["'churned' twice"]),
        ("churned,spend", ["'churned' makes a classification", "'spend' a regression", "two model names"]),
        ("age,visits,region,churned,tier,spend,debt", ["only the target column"]),
    ],
)
def test_targets_that_cannot_be_learned_together_are_refused(
    customers_csv: Path, target: str, expected: list[str]
) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset(customers_csv, target, 3.0)

    assert [part for part in expected if part not in str(caught.value)] == []


def test_every_class_of_every_output_stands_on_both_sides_of_the_split(labelled: Dataset) -> None:
    split = split_rows(labelled, 42)

    for part in (split.training, split.holdout):
        found = [set(column) for column in labelled.truth(part)]
        assert found == [set(output.classes) for output in labelled.signature.outputs]


def test_strata_that_overlap_are_spread_over_the_folds() -> None:
    strata = np.zeros((4, 100), dtype=bool)
    strata[0, [3, 50, 70, 71, 72]] = True  # rare
    strata[1] = ~strata[0]
    strata[2, 40:] = True
    strata[3] = ~strata[2]

    numbers = number_folds(strata, 5, np.random.default_rng(1))

    assert sorted(numbers[strata[0]].tolist()) == [0, 1, 2, 3, 4]
    for stratum in strata[1:]:
        assert np.ptp(np.bincount(numbers[stratum], minlength=5)) <= 2


def test_folds_are_stratified_over_all_outputs(labelled: Dataset) -> None:
    rows = split_rows(labelled, 42).training

    folds = list(split_folds(labelled, rows, 5, 2, 42))

    assert len(folds) == 10
    for training, test in folds:
        assert set(training) | set(test) == set(rows)
        assert not set(training) & set(test)
        for _, _, is_member in labelled.strata:
            assert is_member[test].sum() == pytest.approx(is_member[rows].sum() / 5, abs=2)
    assert sorted(np.concatenate([test for _, test in folds[:5]])) == sorted(rows)


@pytest.mark.usefixtures("_judged_once")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_learns_several_targets(settings: Settings, customers_csv: Path, name: str) -> None:
    manifest = train(configured(settings, customers_csv, "churned,tier", name), None, "test")

    assert manifest.gate["passed"] is True
    assert manifest.signature.has_probabilities
    assert manifest.metrics["accuracy"] > 0.85
    check_golden(*reversed(load_estimator(settings.models_dir / "iris" / manifest.version)))


@pytest.mark.usefixtures("_judged_once")
@pytest.mark.parametrize("name", REGRESSORS)
def test_every_regressor_learns_several_targets(settings: Settings, customers_csv: Path, name: str) -> None:
    manifest = train(configured(settings, customers_csv, "spend,debt", name), None, "test")

    assert manifest.gate["passed"] is True
    assert not manifest.signature.has_probabilities
    assert manifest.metrics["r2"] > 0.85
    assert "rmse" not in manifest.metrics
    check_golden(*reversed(load_estimator(settings.models_dir / "iris" / manifest.version)))


def configured(settings: Settings, dataset: Path, target: str, name: str) -> Settings:
    changes = {"dataset": dataset, "target": target, "estimator": f"trainer.estimators:{name}"}
    return settings.model_copy(update=changes)


@pytest.mark.usefixtures("_judged_once")
def test_the_metrics_hold_a_report_per_output(settings: Settings, customers_csv: Path) -> None:
    manifest = train(configured(settings, customers_csv, "churned,tier", "logistic_regression"), None, "test")

    metrics_file = settings.models_dir / "iris" / manifest.version / "metrics.json"
    holdout = json.loads(metrics_file.read_text())["holdout"]
    assert set(holdout["outputs"]) == {"churned", "tier"}
    assert holdout["accuracy"] == pytest.approx(
        np.mean([holdout["outputs"][name]["accuracy"] for name in ("churned", "tier")])
    )


def test_each_output_is_measured_as_if_alone(labelled: Dataset) -> None:
    split = split_rows(labelled, 42)
    estimator = fit("logistic_regression", labelled, split.training)

    report = measure(estimator, labelled, split.holdout, 42)

    predicted, truth = estimator.predict(labelled.rows[split.holdout]), labelled.labels[split.holdout]
    for index, output in enumerate(labelled.signature.outputs):
        expected = metrics.accuracy_score(truth[:, index], predicted[:, index])
        assert report["outputs"][output.name]["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_and_probabilities_of_several_outputs_are_scikit_learns(labelled: Dataset, name: str) -> None:
    estimator = fit(name, labelled, split_rows(labelled, 42).training)

    answers = predict(estimator, labelled.rows, labelled.signature)

    assert np.column_stack([each.labels for each in answers]).tolist() == estimator.predict(labelled.rows).tolist()
    for each, expected in zip(answers, estimator.predict_proba(labelled.rows), strict=True):
        np.testing.assert_allclose(each.probabilities, expected, rtol=1e-12)


def test_an_estimator_without_tags_is_taken_at_its_word(labelled: Dataset) -> None:
    foreign = object()

    assert build_estimator(lambda signature, seed: foreign, labelled.signature, 42) is foreign


def test_golden_rows_show_every_class_of_every_output(labelled: Dataset) -> None:
    training = split_rows(labelled, 42).training

    picked = pick_rows(labelled, training)

    assert [set(column) for column in labelled.truth(picked)] == [{"no", "yes"}, {"1", "2", "3"}]
    assert len(set(picked)) == len(picked)


def judge(dataset: Dataset, split: Split, candidate: Any, champion: Any, settings: Settings) -> GateReport:
    """The gate without golden rows, which are not what is tried here."""
    manifest = build_manifest(signature=dataset.signature)
    standing = Champion("champion", manifest.signature.digest, champion)
    return judge_candidate(candidate, manifest, standing, dataset, split, settings)


def failed(report: GateReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed} - {"golden_rows", "own_rows"}


def test_an_equal_candidate_passes(labelled: Dataset, settings: Settings) -> None:
    split = split_rows(labelled, 42)
    estimator = fit("random_forest", labelled, split.training)

    report = judge(labelled, split, estimator, estimator, settings)

    assert failed(report) == set()


def test_a_row_counts_as_right_if_all_its_outputs_are(labelled: Dataset, settings: Settings) -> None:
    split = split_rows(labelled, 42)
    good = fit("logistic_regression", labelled, split.training)
    spoilt = fit("logistic_regression", labelled, split.training)
    spoilt.estimators_[1] = DummyClassifier(strategy="constant", constant="1").fit(
        labelled.rows[split.training], labelled.labels[split.training][:, 1]
    )

    report = judge(labelled, split, spoilt, good, settings)

    assert failed(report) == {"metric", "paired_test"}
    (metric,) = [check for check in report.checks if check.name == "metric"]
    truth, predicted = labelled.labels[split.holdout], spoilt.predict(labelled.rows[split.holdout])
    assert metric.numbers["candidate"] == pytest.approx((truth == predicted).mean())


def test_an_error_in_a_small_unit_is_not_lost_beside_a_large_one(measured: Dataset, settings: Settings) -> None:
    split = split_rows(measured, 42)
    good = fit("gradient_boosting", measured, split.training)
    spoilt = fit("gradient_boosting", measured, split.training)
    spoilt.estimators_[1] = DummyRegressor().fit(measured.rows[split.training], measured.labels[split.training][:, 1])

    report = judge(measured, split, spoilt, good, settings)

    assert failed(report) == {"metric", "paired_test"}
    assert "standardised RMSE" in next(check.detail for check in report.checks if check.name == "metric")


def test_predicting_the_mean_of_every_output_is_no_better_than_the_baseline(
    measured: Dataset, settings: Settings
) -> None:
    split = split_rows(measured, 42)
    mean = DummyRegressor().fit(measured.rows[split.training], measured.labels[split.training])

    report = judge(measured, split, mean, mean, settings)

    (baseline,) = [check for check in report.checks if check.name == "baseline"]
    assert baseline.numbers["candidate"] == pytest.approx(baseline.numbers["other"])
    assert baseline.numbers["other"] == pytest.approx(1.0, rel=0.3)


def test_a_fold_that_lacks_a_class_gives_it_no_probability(labelled: Dataset) -> None:
    rows = np.flatnonzero(labelled.labels[:, 1] != "3")
    estimator = fit("random_forest", labelled, rows)

    scores = _score(estimator, labelled, np.arange(200))

    assert scores["log_loss"] > 1.0
    assert np.isfinite(scores["log_loss"])
