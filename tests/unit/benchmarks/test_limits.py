"""What one process answers without a queue is what the estimator says."""

import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from pyarrow import csv, parquet
from sklearn.linear_model import LogisticRegression

from benchmarks.batch import make_body
from benchmarks.limits import FORMS, answer_singles, answer_table
from benchmarks.upload import FEATURES
from rhizome.jobs import Encoding, ScoreRequest, encode_request

ROWS = 20


@pytest.fixture(scope="module")
def estimator() -> Any:
    chooser = np.random.default_rng(42)
    rows = chooser.uniform(0, 8, size=(60, 4))
    return LogisticRegression().fit(rows, np.digitize(rows[:, 2], [2.5, 5]).astype(str))


@pytest.fixture
def table() -> Any:
    return np.loadtxt(io.BytesIO(make_body("csv", ROWS)), delimiter=",", skiprows=1)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_rows_and_gets_the_estimators_answers(form: str, estimator: Any, table: Any):
    answers = answer_table(estimator, form, make_body(form, ROWS), FEATURES)

    if form in ("csv", "parquet"):
        read = csv.read_csv(io.BytesIO(answers))
        labels, found = read["label"].to_pylist(), np.column_stack([read[f"probability_{each}"] for each in "012"])
        labels = [str(label) for label in labels]
    else:
        documents = json.loads(answers) if form == "json" else [json.loads(line) for line in answers.splitlines()]
        labels = [document["label"] for document in documents]
        found = np.array([[document["probabilities"][each] for each in "012"] for document in documents])
    expected = estimator.predict_proba(table)
    assert np.array_equal(found, expected)
    assert labels == estimator.predict(table).tolist()


def test_a_parquet_body_has_as_many_rows_as_were_asked_for():
    assert parquet.read_table(io.BytesIO(make_body("parquet", 1_234))).num_rows == 1_234


def test_single_jobs_are_answered_from_the_entries_that_scorers_get(estimator: Any, table: Any):
    entries = [
        encode_request(ScoreRequest(f"job{index}", "single", 1, Encoding.FLOAT64, row.tobytes(), "digest", "version"))
        for index, row in enumerate(table)
    ]

    documents = [msgspec.json.decode(document) for document in answer_singles(estimator, entries)]

    assert [document["id"] for document in documents] == [f"job{index}" for index in range(ROWS)]
    found = [list(document["result"]["probabilities"].values()) for document in documents]
    assert found == estimator.predict_proba(table).tolist()
