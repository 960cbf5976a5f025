"""The gate: a worse candidate is refused, an equal one is not, and a champion that cannot be loaded is a finding."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from rhizome.manifest import Manifest, load_manifest
from rhizome.settings import Settings
from trainer.champion import Champion
from trainer.dataset import Dataset, load_dataset
from trainer.estimators import logistic_regression, ridge
from trainer.gate import GateReport, judge_candidate
from trainer.golden import build_golden
from trainer.split import Split, split_rows
from trainer.training import train


@dataclass
class Exam:
    """A manifest, a dataset with its split, and a good champion fitted on it."""

    manifest: Manifest
    dataset: Dataset
    split: Split
    champion: Champion
    settings: Settings

    def judge(self, estimator: Any, **changes: Any) -> GateReport:
        golden = build_golden(estimator, self.dataset, self.split.training)
        arguments = {"champion": self.champion, "manifest": self.manifest.model_copy(update={"golden": golden})}
        arguments |= changes
        return judge_candidate(estimator, dataset=self.dataset, split=self.split, settings=self.settings, **arguments)


def fit(factory: Any, dataset: Dataset, split: Split, labels: np.ndarray | None = None) -> Any:
    rows = split.training
    return factory(dataset.signature, 42).fit(dataset.rows[rows], dataset.labels[rows] if labels is None else labels)


@pytest.fixture
def exam(settings: Settings, iris: Dataset) -> Exam:
    split = split_rows(iris, 42)
    manifest = train(settings, None, "test")
    good = fit(logistic_regression, iris, split)
    return Exam(manifest, iris, split, Champion("champion", manifest.signature.digest, good), settings)


@pytest.fixture
def houses_exam(settings: Settings, houses_csv: Path) -> Exam:
    settings = settings.model_copy(
        update={"dataset": houses_csv, "target": "price", "estimator": "trainer.estimators:ridge"}
    )
    houses = load_dataset(houses_csv, "price", 3.0)
    split = split_rows(houses, 42)
    manifest = train(settings, None, "test")
    good = fit(ridge, houses, split)
    return Exam(manifest, houses, split, Champion("champion", manifest.signature.digest, good), settings)


def failed(report: GateReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


def shuffled(exam: Exam) -> np.ndarray:
    return np.random.default_rng(1).permutation(exam.dataset.labels[exam.split.training])


def test_a_candidate_equal_to_the_champion_passes(exam: Exam) -> None:
    report = exam.judge(exam.champion.estimator)
    assert report.passed
    assert [check.name for check in report.checks] == [
        "schema",
        "golden_rows",
        "own_rows",
        "baseline",
        "metric",
        "paired_test",
    ]
    assert report.champion == "champion"


def test_a_candidate_trained_on_shuffled_labels_is_refused(exam: Exam) -> None:
    report = exam.judge(fit(logistic_regression, exam.dataset, exam.split, shuffled(exam)))
    assert not report.passed
    assert failed(report) >= {"metric", "paired_test"}


def test_a_first_candidate_worse_than_the_commonest_class_is_refused(exam: Exam) -> None:
    everything = np.full(len(exam.dataset.labels), "versicolor")
    contrary = DummyClassifier(strategy="constant", constant="setosa").fit(exam.dataset.rows, exam.dataset.labels)
    report = replace(exam, dataset=replace(exam.dataset, labels=everything)).judge(contrary, champion=None)
    assert failed(report) == {"baseline"}


def test_a_significant_loss_is_refused_even_within_the_margin(exam: Exam) -> None:
    lenient = exam.settings.model_copy(update={"gate_max_accuracy_drop": 1.0})
    candidate = fit(logistic_regression, exam.dataset, exam.split, shuffled(exam))
    assert failed(replace(exam, settings=lenient).judge(candidate)) == {"paired_test"}


def test_a_candidate_that_refuses_its_own_rows_is_refused(exam: Exam) -> None:
    length = exam.manifest.signature.features[0].model_copy(update={"upper": 7.0, "maximum": 7.0})
    features = (length, *exam.manifest.signature.features[1:])
    signature = exam.manifest.signature.model_copy(update={"features": features})
    narrow = replace(exam, manifest=exam.manifest.model_copy(update={"signature": signature}))

    report = narrow.judge(exam.champion.estimator)

    (check,) = [check for check in report.checks if not check.passed]
    assert check.name == "own_rows"
    assert check.detail == (
        "row 103 of iris.csv is refused: 'sepal_length' is 7.1, outside the accepted range; accepted is "
        "a number from -6.5 to 7"
    )


def test_the_first_candidate_needs_no_champion(exam: Exam) -> None:
    report = exam.judge(exam.champion.estimator, champion=None)
    assert report.passed
    assert report.champion == ""


def test_another_schema_is_refused(exam: Exam) -> None:
    champion = replace(exam.champion, signature="another")
    report = exam.judge(exam.champion.estimator, champion=champion)
    assert failed(report) == {"schema"}
    assert "--allow-new-schema" in report.checks[0].detail


def test_another_schema_passes_where_it_is_allowed(exam: Exam) -> None:
    champion = replace(exam.champion, signature="another")
    assert exam.judge(exam.champion.estimator, champion=champion, allow_new_schema=True).passed


def test_other_golden_answers_are_refused(exam: Exam) -> None:
    golden = build_golden(exam.champion.estimator, exam.dataset, exam.split.training)
    answers = golden.outputs[0].model_copy(update={"labels": tuple(reversed(golden.outputs[0].labels))})
    forged = golden.model_copy(update={"outputs": (answers,)})
    manifest = exam.manifest.model_copy(update={"golden": forged})
    assert failed(exam.judge(exam.champion.estimator, manifest=manifest)) == {"golden_rows"}


def test_a_champion_that_cannot_be_loaded_does_not_bar_a_good_candidate(exam: Exam) -> None:
    broken = replace(exam.champion, estimator=None, problem="the artefact was tampered with")
    report = exam.judge(exam.champion.estimator, champion=broken)
    assert report.passed
    assert "tampered" in report.checks[-1].detail


def test_a_champion_that_raises_is_a_finding(exam: Exam) -> None:
    unfitted = logistic_regression(exam.dataset.signature, 42)
    report = exam.judge(exam.champion.estimator, champion=replace(exam.champion, estimator=unfitted))
    assert report.passed
    assert "NotFittedError" in report.checks[-1].detail


def test_an_equal_regressor_passes(houses_exam: Exam) -> None:
    assert houses_exam.judge(houses_exam.champion.estimator).passed


def test_a_worse_regressor_is_refused(houses_exam: Exam) -> None:
    report = houses_exam.judge(fit(ridge, houses_exam.dataset, houses_exam.split, shuffled(houses_exam)))
    assert failed(report) >= {"metric", "paired_test"}


def test_a_report_is_the_same_after_a_journey_through_json(exam: Exam) -> None:
    report = exam.judge(exam.champion.estimator).as_json()
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_report_is_in_the_manifest_and_in_the_metrics(exam: Exam) -> None:
    folder = exam.settings.models_dir / "iris" / exam.manifest.version
    assert load_manifest(folder).gate["passed"] is True
    assert json.loads((folder / "metrics.json").read_text())["gate"] == exam.manifest.gate
