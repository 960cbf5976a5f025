"""MLflow's scoring protocol, with real estimators behind it; the predictions are those of `/predict/batch`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from rhizome import __version__
from tests.support.answering import answering
from tests.support.versions import (
    IRIS_CLASSES,
    IRIS_FEATURES,
    IRIS_ROWS,
    LINE_ROWS,
    line_estimator,
    line_signature,
    write_iris,
    write_version,
)

ROWS = [list(row) for row in IRIS_ROWS]
RECORDS = [dict(zip(IRIS_FEATURES, row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[index] for row in ROWS] for index, name in enumerate(IRIS_FEATURES)}
SPLIT = {"columns": list(IRIS_FEATURES), "index": [0, 1, 2], "data": ROWS}


@pytest.fixture
def client(redis: Redis, redis_server: str, tmp_path: Path) -> Iterator[FlaskClient]:
    with answering(redis, redis_server, tmp_path, write_iris(tmp_path), micro_batch_rows=8) as client:
        yield client


def predictions_of(client: FlaskClient, body: Any, query: str = "") -> list[Any]:
    response = client.post(f"/invocations{query}", json=body)
    assert response.status_code == 200, response.text
    assert response.content_type == "application/json"
    document = response.get_json()
    assert list(document) == ["predictions"]
    predictions: list[Any] = document["predictions"]
    return predictions


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"instances": ROWS},
        {"instances": COLUMNS},
        {"inputs": COLUMNS},
        {"inputs": RECORDS},
        {"inputs": ROWS},
    ],
    ids=lambda body: str(body)[:24],
)
def test_every_form_is_answered_with_the_labels(client: FlaskClient, body: dict[str, Any]) -> None:
    assert predictions_of(client, body) == list(IRIS_CLASSES)


@pytest.mark.parametrize("count", [1, 8, 9, 120])
def test_any_number_of_rows_is_answered_in_order(client: FlaskClient, count: int) -> None:
    rows = (ROWS * count)[:count]

    assert predictions_of(client, {"inputs": rows}) == [IRIS_CLASSES[index % 3] for index in range(count)]


@pytest.mark.parametrize("how", ["query", "beside", "params"])
def test_what_is_returned_may_be_chosen(client: FlaskClient, how: str) -> None:
    answers = client.post("/predict/batch?wait=30", json={"instances": RECORDS}).get_json()["results"]

    def ask(part: str) -> list[Any]:
        options = {"query": {}, "beside": {"return": part}, "params": {"params": {"return": part}}}[how]
        return predictions_of(client, {"instances": ROWS} | options, f"?return={part}" if how == "query" else "")

    assert ask("label") == [answer["label"] for answer in answers]
    assert ask("both") == answers
    for row, answer in zip(ask("probabilities"), answers, strict=True):
        assert row == pytest.approx([answer["probabilities"][label] for label in IRIS_CLASSES])


def test_a_regression_answers_values(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    written = write_version(tmp_path, line_estimator(), line_signature(), LINE_ROWS)

    with answering(redis, redis_server, tmp_path, written) as client:
        assert predictions_of(client, {"inputs": {"x": [1, 2.5]}}) == pytest.approx([3.0, 6.0])
        assert predictions_of(client, {"inputs": {"x": [1]}}, "?return=both") == pytest.approx([3.0])


def test_a_bad_cell_is_a_problem_that_names_it(client: FlaskClient) -> None:
    rows = [*ROWS, [5.1, "3.5", 1.4, 0.2]]

    response = client.post("/invocations", json={"dataframe_split": SPLIT | {"data": rows, "index": None}})

    assert response.status_code == 422
    (problem,) = response.get_json()["errors"]
    assert (problem["field"], problem["row"]) == ("dataframe_split.3.sepal_width", 3)


def post_csv(client: FlaskClient, rows: str, query: str = "", content_type: str = "text/csv") -> TestResponse:
    return client.post(f"/invocations{query}", data=f"{','.join(IRIS_FEATURES)}\n{rows}", content_type=content_type)


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "text/csv; header=present"])
def test_csv_is_answered_with_the_labels(client: FlaskClient, content_type: str) -> None:
    rows = "".join(",".join(map(str, row)) + "\n" for row in ROWS)

    response = post_csv(client, rows, content_type=content_type)

    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {"predictions": list(IRIS_CLASSES)}


@pytest.mark.parametrize("part", ["label", "probabilities", "both"])
def test_csv_is_answered_as_the_other_forms_are(client: FlaskClient, part: str) -> None:
    rows = "".join(",".join(map(str, row)) + "\n" for row in ROWS)

    response = post_csv(client, rows, f"?return={part}")

    assert response.get_json()["predictions"] == predictions_of(client, {"inputs": ROWS}, f"?return={part}")


@pytest.mark.parametrize("count", [1, 8, 9, 120])
def test_any_number_of_csv_rows_is_answered_in_order(client: FlaskClient, count: int) -> None:
    rows = "".join(",".join(map(str, row)) + "\n" for row in (ROWS * count)[:count])

    predictions = post_csv(client, rows).get_json()["predictions"]

    assert predictions == [IRIS_CLASSES[index % 3] for index in range(count)]


def test_a_frame_that_pandas_writes_is_answered(client: FlaskClient) -> None:
    frame = pandas.DataFrame(ROWS, columns=list(IRIS_FEATURES))[list(reversed(IRIS_FEATURES))]

    response = client.post("/invocations", data=frame.to_csv(index=False), content_type="text/csv")

    assert response.get_json() == {"predictions": list(IRIS_CLASSES)}


def test_a_bad_cell_of_csv_is_a_problem_that_names_it(client: FlaskClient) -> None:
    response = post_csv(client, "5.1,3.5,1.4,0.2\n6.5,thirty,5.8,99\n")

    assert (response.status_code, response.get_json()["code"]) == (422, "invalid_fields")
    assert [(problem["row"], problem["field"], problem["problem"]) for problem in response.get_json()["errors"]] == [
        (1, "csv.1.sepal_width", "is text, not a number"),
        (1, "csv.1.petal_width", "is 99, outside the accepted range"),
    ]


def test_csv_beyond_the_bounds_is_refused(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    written, bounds = write_iris(tmp_path), {"max_batch_rows": 2, "max_body_bytes": 200}

    with answering(redis, redis_server, tmp_path, written, **bounds) as client:
        too_many = post_csv(client, "5.1,3.5,1.4,0.2\n" * 3)
        too_large = post_csv(client, "5.1,3.5,1.4,0.2\n" * 20)

    assert (too_many.status_code, too_many.get_json()["errors"][0]["problem"]) == (422, "holds more than 2 rows")
    assert "POST /predict/batch" in too_many.get_json()["errors"][0]["remedy"]
    assert (too_large.status_code, too_large.get_json()["code"]) == (413, "body_too_large")


def test_other_content_types_are_refused_with_the_remedy(client: FlaskClient) -> None:
    response = client.post("/invocations", data="a,b\n1,2\n", content_type="text/tab-separated-values")

    assert (response.status_code, response.get_json()["code"]) == (415, "unsupported_media_type")
    assert "application/json or text/csv" in response.get_json()["detail"]


def test_ping_and_version_answer(client: FlaskClient) -> None:
    assert client.get("/ping").status_code == 200
    assert client.get("/version").text == __version__
