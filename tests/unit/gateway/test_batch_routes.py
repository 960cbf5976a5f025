"""Batch jobs over HTTP: one id, progress, and answers in input order, page by page."""

import json
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.problems import CONTENT_TYPE
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed
from tests.support.versions import IRIS_SAMPLE
from tests.unit.gateway.conftest import CHAMPION


def assert_is_problem(response: TestResponse, status: int, code: str) -> None:
    assert (response.status_code, response.content_type) == (status, CONTENT_TYPE), response.text
    assert response.get_json()["code"] == code


def finish(queue: Queue, body: bytes = b'{"status":"succeeded"}') -> None:
    scorer = queue.batch_scorer()
    while claimed := scorer.claim():
        scorer.finish(
            [succeed(entry, body if entry.request.kind == "single" else None) for entry in claimed], claim_next=False
        )


def batch_of(count: int) -> dict[str, Any]:
    return {"instances": [IRIS_SAMPLE | {"sepal_length": float(n)} for n in range(count)]}


def test_a_batch_is_accepted_under_one_id(client: FlaskClient, queue: Queue) -> None:
    response = client.post("/predict/batch", json=batch_of(5))

    document = response.get_json()
    assert response.status_code == 202
    assert (document["kind"], document["lane"], document["rows"]) == ("batch", "batch", 5)
    assert queue.waiting(Lane.BATCH) == 3


def test_a_batch_tells_its_progress(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict/batch", json=batch_of(5)).headers["Location"]
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()
    scorer.bind_version(chunk.request.job_id, CHAMPION.version)
    scorer.finish([succeed(chunk, failed_rows=1)], claim_next=False)

    document = client.get(path).get_json()

    assert document["status"] == "running"
    assert document["rows"] == {"total": 5, "done": 2, "failed": 1}
    assert (document["version"], document["artifact_sha256"]) == (CHAMPION.version, CHAMPION.artifact_sha256)
    assert "results" not in document


@pytest.mark.parametrize(
    ("page", "rows"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("?offset=1&limit=2", [1, 2]),
        ("?offset=3", [3, 4]),
        ("?limit=1", [0]),
        ("?offset=5", []),
        ("?offset=999999999", []),
        ("?offset=4&limit=9", [4]),
    ],
)
def test_a_batch_is_answered_in_input_order_page_by_page(
    client: FlaskClient, queue: Queue, page: str, rows: list[int]
) -> None:
    path = client.post("/predict/batch", json=batch_of(5)).headers["Location"]
    scorer, chunks = queue.batch_scorer(), []
    while claimed := scorer.claim():
        chunks += claimed
    for entry in reversed(chunks):
        first = entry.request.chunk * 2
        body = json.dumps([{"label": n} for n in range(first, first + entry.request.rows)]).encode()
        scorer.finish([succeed(entry, body)], claim_next=False)

    document = client.get(f"{path}{page}").get_json()

    assert document["status"] == State.SUCCEEDED
    assert [answer["label"] for answer in document["results"]] == rows
    assert document["rows"] == {"total": 5, "done": 5, "failed": 0}


@pytest.mark.parametrize(("page", "rows"), [("", [0, 1]), ("?offset=1", [1]), ("?offset=2", []), ("?offset=4", [4])])
def test_the_rows_of_a_cancelled_batch_stand_at_their_places(
    client: FlaskClient, queue: Queue, page: str, rows: list[int]
) -> None:
    path = client.post("/predict/batch", json=batch_of(5)).headers["Location"]
    scorer = queue.batch_scorer()
    first, _, last = (entry for _ in range(3) for entry in scorer.claim())
    scorer.finish([succeed(first, b'[{"label":0},{"label":1}]')], claim_next=False)
    scorer.finish([succeed(last, b'[{"label":4}]')], claim_next=False)
    client.delete(path)

    document = client.get(f"{path}{page}").get_json()

    assert document["status"] == State.CANCELLED
    assert [answer["label"] for answer in document["results"]] == rows


def test_who_cancels_a_batch_is_not_sent_its_rows(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict/batch", json=batch_of(5)).headers["Location"]
    scorer = queue.batch_scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    first, again = client.delete(path), client.delete(path)

    for document in (first.get_json(), again.get_json()):
        assert document["status"] == State.CANCELLED
        assert document["rows"] == {"total": 5, "done": 2, "failed": 0}
        assert "results" not in document
    assert len(client.get(path).get_json()["results"]) == 2


@pytest.mark.parametrize("page", ["offset=-1", "offset=1000000000", "limit=0", "limit=x", "offset=1.5", "limit=99999"])
def test_a_bad_page_is_refused(client: FlaskClient, queue: Queue, page: str) -> None:
    path = client.post("/predict/batch", json=batch_of(5)).headers["Location"]
    finish(queue)

    assert_is_problem(client.get(f"{path}?{page}"), 400, "bad_parameter")


def test_a_batch_may_be_waited_for(client: FlaskClient, queue: Queue) -> None:
    answering = threading.Timer(0.1, finish, args=(queue,))
    answering.start()

    response = client.post("/predict/batch?wait=30", json=batch_of(3))
    answering.join()

    assert response.status_code == 200
    assert [answer["label"] for answer in response.get_json()["results"]] == ["setosa"] * 3


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_the_rows_of_a_batch_whose_rows_all_failed_say_why(client: FlaskClient, queue: Queue, form: str) -> None:
    path = client.post("/predict/batch", json=batch_of(3)).headers["Location"]
    scorer, answer = queue.batch_scorer(), {"error": {"code": "unscorable", "detail": "not finite"}}
    for entry in [entry for _ in range(2) for entry in scorer.claim()]:
        scorer.bind_version(entry.request.job_id, CHAMPION.version)
        body = json.dumps([answer] * entry.request.rows).encode()
        scorer.finish([succeed(entry, body, failed_rows=entry.request.rows)], claim_next=False)

    response = client.get(f"{path}?format={form}")

    assert client.get(path).get_json()["error"]["code"] == "all_rows_failed"
    assert response.status_code == 200, response.text
    assert response.text.count("not finite") == 3


def test_the_rows_of_a_batch_that_failed_early_are_incomplete(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict/batch?error_threshold=0", json=batch_of(3)).headers["Location"]
    scorer = queue.batch_scorer()
    scorer.finish([succeed(entry, failed_rows=1) for entry in scorer.claim()], claim_next=False)

    response = client.get(f"{path}?format=csv")

    assert client.get(path).get_json()["error"]["code"] == "too_many_errors"
    assert_is_problem(response, 409, "rows_incomplete")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_that_no_version_answered_are_no_table(client: FlaskClient, queue: Queue, form: str) -> None:
    path = client.post("/predict/batch", json=batch_of(2)).headers["Location"]
    scorer = queue.batch_scorer()
    scorer.finish([succeed(entry, failed_rows=2) for entry in scorer.claim()], claim_next=False)

    response = client.get(f"{path}?format={form}")

    assert_is_problem(response, 409, "rows_incomplete")
