"""Files and answers in every format, through the client and the command line, on a whole running service."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rhizome.client import Client, Conflict, InvalidInput, JobFailed
from tests.support.service import Service

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = 12_000  # more than one JSON document may hold
COMMAND_SECONDS = 120


@pytest.fixture
def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    values = np.random.default_rng(0).uniform([4.3, 2.0, 1.0, 0.1], [7.9, 4.4, 6.9, 2.5], (ROWS, 4))
    return pd.DataFrame(values.round(2), columns=COLUMNS)


def write_file(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif ".csv" in path.suffixes:
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.ndjson", "rows.jsonl", "rows.parquet"])
def test_a_file_is_answered_as_its_rows_are(client: Client, frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    some = frame.head(300)

    answers = client.predict_batch(write_file(some, tmp_path / name), progress=False).answers

    assert [answer.label for answer in answers or ()] == labels_of(client, some)


def labels_of(client: Client, frame: pd.DataFrame) -> list[object]:
    return [answer.label for answer in client.predict_batch(frame, returns="label", progress=False).answers or ()]


def test_more_rows_than_a_document_holds_are_streamed_and_answered_in_order(
    client: Client, frame: pd.DataFrame
) -> None:
    result = client.predict_batch(frame, progress=False)

    assert result.rows.total == len(result.answers or ()) == ROWS
    assert [answer.label for answer in (result.answers or ())[-100:]] == labels_of(client, frame.tail(100))


@pytest.mark.parametrize("source", ["json", "file"])
@pytest.mark.parametrize("name", ["answers.csv", "answers.ndjson", "answers.parquet"])
def test_answers_are_downloaded_in_every_format(
    client: Client, frame: pd.DataFrame, tmp_path: Path, source: str, name: str
) -> None:
    some = frame.head(200)
    data = some if source == "json" else write_file(some, tmp_path / "rows.csv")

    result = client.predict_batch(data, output=tmp_path / name, progress=False)

    assert result.path is not None
    assert list(read_answers(Path(result.path))) == labels_of(client, some)
    assert not list(tmp_path.glob("*.part"))


def read_answers(path: Path) -> list[object]:
    if path.suffix == ".parquet":
        return list(pd.read_parquet(path)["label"])
    if path.suffix == ".csv":
        return list(pd.read_csv(path)["label"])
    return [json.loads(line)["label"] for line in path.read_text().splitlines()]


def test_a_bad_row_is_answered_with_its_line_and_a_threshold_fails_the_job(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",".join(COLUMNS) + "\n5.1,3.5,1.4,0.2\nx,3.5,1.4,0.2\n")

    result = client.predict_batch(path, progress=False)

    assert result.answers is not None
    assert (result.answers[0].label, result.rows.failed) == ("setosa", 1)
    assert result.answers[1].error is not None
    assert (result.answers[1].error.field, result.answers[1].line) == ("sepal_length", 3)
    with pytest.raises(JobFailed) as caught:
        client.predict_batch(path, error_threshold=0, progress=False)
    assert caught.value.code == "too_many_errors"


def test_missing_columns_are_named_before_the_file_is_sent_to_its_end(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("sepal_length,colour\n" + "5.1,red\n" * 500_000)

    with pytest.raises(InvalidInput) as caught:
        client.submit_batch(path)

    assert {"petal_width", "colour"} <= {problem.field for problem in caught.value.problems}


def test_answers_of_an_unfinished_job_are_a_conflict(client: Client, frame: pd.DataFrame, tmp_path: Path) -> None:
    jobs = [client.submit_batch(frame) for _ in range(3)]

    with pytest.raises(Conflict):
        client.download(jobs[-1].id, tmp_path / "answers.csv")

    for job in jobs:
        client.wait(job.id, timeout=60)


def test_one_command_answers_a_file_into_a_file(url: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    write_file(frame, tmp_path / "rows.csv")
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))

    saved = run_command(url, "batch", "rows.csv.gz", "-o", "answers.parquet", "--json", folder=tmp_path)
    printed = run_command(url, "batch", "rows.csv", "--format", "csv", "--return", "label", folder=tmp_path)
    document = json.loads(saved.stdout)
    again = run_command(url, "result", document["id"], "-o", "answers.csv", folder=tmp_path)

    assert [run.returncode for run in (saved, printed, again)] == [0, 0, 0], saved.stderr + printed.stderr
    assert document["rows"] == {"total": ROWS, "done": ROWS, "failed": 0}
    labels = list(pd.read_parquet(tmp_path / "answers.parquet")["label"])
    assert len(labels) == ROWS
    assert labels == list(pd.read_csv(tmp_path / "answers.csv")["label"])
    assert [line.split(",")[0] for line in printed.stdout.splitlines()[1:]] == labels


def run_command(url: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rhizome", *arguments],
        cwd=folder,
        env=os.environ | {"RHIZOME_URL": url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
