"""The job routes with a real queue: submit, wait, read; every refusal is a problem document."""

import threading
import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from gateway.problems import CONTENT_TYPE
from rhizome import keys
from rhizome.job_ids import SECRET_BYTES, JobIds
from rhizome.jobs import Encoding
from rhizome.registry import Registry
from tests.support.queue import Queue, pack_rows, succeed
from tests.support.service import eventually
from tests.support.versions import IRIS_SAMPLE, SETOSA, build_manifest, iris_signature
from tests.unit.gateway.conftest import CHAMPION, OTHER, BuildApp, service_of


class Answerer:
    """A worker by hand: answers what is submitted, in a thread of its own."""

    def __init__(self, queue: Queue, body: bytes) -> None:
        self._queue, self._body = queue, body
        self._scorer = queue.scorer()
        self._scorer.claim()
        self._thread = threading.Thread(target=self._answer)

    def _answer(self) -> None:
        for entry in self._scorer.listen():
            self._scorer.finish([succeed(entry, self._body)], claim_next=False)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def assert_is_problem(response: TestResponse, status: int, code: str) -> None:
    assert (response.status_code, response.content_type) == (status, CONTENT_TYPE), response.text
    assert response.get_json()["code"] == code


def finish(queue: Queue, body: bytes = b'{"status":"succeeded"}') -> None:
    scorer = queue.scorer()
    while claimed := scorer.claim():
        scorer.finish(
            [succeed(entry, body if entry.request.kind == "single" else None) for entry in claimed], claim_next=False
        )


def test_a_sample_is_accepted(client: FlaskClient) -> None:
    response = client.post("/predict", json=IRIS_SAMPLE)

    document = response.get_json()
    assert response.status_code == 202
    assert response.headers["Location"] == document["urls"]["result"] == f"/result/{document['id']}"
    assert (document["status"], document["kind"], document["lane"]) == ("queued", "single", "interactive")
    assert (document["queue_position"], document["rows"]) == (0, 1)


def test_the_worker_gets_what_was_sent(client: FlaskClient, queue: Queue) -> None:
    job_id = client.post("/predict", json=IRIS_SAMPLE).get_json()["id"]

    (claimed,) = queue.scorer().claim()

    request = claimed.request
    assert request.job_id == job_id
    assert (request.payload, request.encoding) == (pack_rows([SETOSA]), Encoding.FLOAT64)
    assert (request.version, request.signature) == (CHAMPION.version, CHAMPION.signature.digest)
    assert (request.pinned, request.waited) == (False, False)


def test_a_job_is_told_as_it_stands(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    seen = [client.get(path).get_json()["status"]]
    scorer = queue.scorer()
    claimed = scorer.claim()
    seen.append(client.get(path).get_json()["status"])
    scorer.finish([succeed(entry, b'{"status":"succeeded"}') for entry in claimed], claim_next=False)
    seen.append(client.get(path).get_json()["status"])

    assert seen == ["queued", "running", "succeeded"]


def test_the_workers_document_is_passed_on_as_it_is(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    finish(queue, b'{"status" : "succeeded","exactly":1.0}')

    response = client.get(path)

    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.data == b'{"status" : "succeeded","exactly":1.0}'


@pytest.mark.parametrize(
    "job_id",
    ["a" * 32, "x", "0", pytest.param(JobIds(b"x" * SECRET_BYTES).mint(), id="of another service"), "%00", "a" * 5000],
)
def test_an_unknown_id_is_not_found(client: FlaskClient, job_id: str) -> None:
    assert_is_problem(client.get(f"/result/{job_id}"), 404, "job_not_found")


def test_a_job_whose_time_is_over_is_gone(client: FlaskClient, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = client.post("/predict", json=IRIS_SAMPLE).get_json()["id"]
    redis.delete(keys.job(job_id))
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7200)

    assert_is_problem(client.get(f"/result/{job_id}"), 410, "job_expired")


def test_waiting_brings_the_result_at_once(client: FlaskClient, queue: Queue) -> None:
    with Answerer(queue, b'{"status":"succeeded"}'):
        response = client.post("/predict", json=IRIS_SAMPLE, headers={"Prefer": "wait=30"})

    assert (response.status_code, response.data) == (200, b'{"status":"succeeded"}')
    assert response.headers["Preference-Applied"] == "wait=30"


def test_waiting_by_parameter_claims_no_preference(client: FlaskClient, queue: Queue) -> None:
    with Answerer(queue, b'{"status":"succeeded"}'):
        response = client.post("/predict?wait=30", json=IRIS_SAMPLE)

    assert response.status_code == 200
    assert "Preference-Applied" not in response.headers


def test_a_wait_that_is_too_short_ends_in_a_receipt(client: FlaskClient) -> None:
    response = client.post("/predict?wait=0.05", json=IRIS_SAMPLE)

    assert response.status_code == 202
    assert client.get(response.headers["Location"]).get_json()["status"] == "queued"


def test_where_all_places_are_taken_nobody_waits(build_app: BuildApp, registry: Registry) -> None:
    response = build_app(max_waiters=0).test_client().post("/predict?wait=30", json=IRIS_SAMPLE)

    assert response.status_code == 202


def test_a_wait_is_announced_to_the_worker_only_where_someone_waits(
    build_app: BuildApp, registry: Registry, queue: Queue
) -> None:
    build_app(max_waiters=0).test_client().post("/predict?wait=30", json=IRIS_SAMPLE)
    build_app().test_client().post("/predict?wait=0.01", json=IRIS_SAMPLE)

    waited = [entry.request.waited for entry in queue.scorer().claim()]

    assert waited == [False, True]


def test_every_place_is_given_up(client: FlaskClient, app: Flask) -> None:
    client.post("/predict?wait=0.01", json=IRIS_SAMPLE)
    client.post("/predict?wait=0.01", json={})
    client.get(f"/result/{'a' * 32}?wait=5")

    assert service_of(app).notices.waiting == 0


def test_reading_may_wait_too(client: FlaskClient, queue: Queue) -> None:
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    answering = threading.Timer(0.1, finish, args=(queue, b'{"status":"succeeded"}'))
    answering.start()

    response = client.get(f"{path}?wait=30")
    answering.join()

    assert response.get_json()["status"] == "succeeded"


def test_reading_a_job_that_is_not_done_in_time_tells_how_it_stands(client: FlaskClient) -> None:
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]

    assert client.get(f"{path}?wait=0.05").get_json()["status"] == "queued"


def test_a_request_repeated_after_the_champion_takes_other_rows_is_the_first_job(
    client: FlaskClient, app: Flask, registry: Registry
) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/predict", json=IRIS_SAMPLE, headers=key).get_json()
    narrow = build_manifest(version="20260101T000009Z-0123abcd", signature=iris_signature(names=("width",)))
    registry.register(narrow)
    registry.promote(narrow.version, reason="a test")
    service_of(app).champion.forget()

    again = client.post("/predict", json=IRIS_SAMPLE, headers=key)
    other = client.post("/predict", json=IRIS_SAMPLE | {"sepal_width": 3.1}, headers=key)

    assert (again.status_code, again.get_json()["id"]) == (202, first["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422


def test_a_request_repeated_after_the_champion_gives_other_answers_is_the_first_job(
    client: FlaskClient, app: Flask, registry: Registry
) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/predict?return=probabilities", json=IRIS_SAMPLE, headers=key).get_json()
    signature = iris_signature().model_copy(update={"has_probabilities": False})
    plain = build_manifest(version="20260101T000009Z-0123abcd", signature=signature)
    registry.register(plain)
    registry.promote(plain.version, reason="a test")
    service_of(app).champion.forget()

    again = client.post("/predict?return=probabilities", json=IRIS_SAMPLE, headers=key)
    other = client.post("/predict?return=probabilities", json=IRIS_SAMPLE)

    assert (again.status_code, again.get_json()["id"]) == (202, first["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422


@pytest.mark.parametrize("where", ["query", "body"])
def test_a_version_can_be_pinned(client: FlaskClient, queue: Queue, where: str) -> None:
    if where == "query":
        client.post(f"/predict?version={OTHER.version}", json=IRIS_SAMPLE)
    else:
        client.post("/predict", json=IRIS_SAMPLE | {"version": OTHER.version})

    (claimed,) = queue.scorer().claim()
    assert (claimed.request.version, claimed.request.pinned) == (OTHER.version, True)


@pytest.mark.parametrize("where", ["query", "body"])
def test_an_unknown_pinned_version_is_refused_by_name(client: FlaskClient, where: str) -> None:
    query, extra = ("?version=unheard-of", {}) if where == "query" else ("", {"version": "unheard-of"})

    response = client.post(f"/predict{query}", json=IRIS_SAMPLE | extra)

    assert_is_problem(response, 404, "version_not_found")
    assert [error["field"] for error in response.get_json()["errors"]] == ["version"]


def test_a_batch_pinned_in_its_body_is_validated_against_its_own_signature(
    client: FlaskClient, registry: Registry, queue: Queue
) -> None:
    narrow = build_manifest(version="20260101T000009Z-0123abcd", signature=iris_signature(names=("width",)))
    registry.register(narrow)

    response = client.post("/predict/batch", json={"instances": [{"width": 1.5}], "version": narrow.version})

    assert response.status_code == 202, response.text
    (claimed,) = queue.batch_scorer().claim()
    assert (claimed.request.version, claimed.request.pinned) == (narrow.version, True)


@pytest.mark.parametrize("where", ["query", "body"])
def test_a_pinned_version_is_validated_against_its_own_signature(
    client: FlaskClient, registry: Registry, queue: Queue, where: str
) -> None:
    narrow = build_manifest(version="20260101T000009Z-0123abcd", signature=iris_signature(names=("width",)))
    registry.register(narrow)
    query, extra = (f"?version={narrow.version}", {}) if where == "query" else ("", {"version": narrow.version})

    response = client.post(f"/predict{query}", json={"width": 1.5} | extra)

    assert response.status_code == 202, response.text
    (claimed,) = queue.scorer().claim()
    assert claimed.request.payload == pack_rows([(1.5,)])
    assert claimed.request.signature == narrow.signature.digest


def test_a_moved_champion_answers_the_next_request(client: FlaskClient, registry: Registry, queue: Queue) -> None:
    client.post("/predict?wait=0.01", json=IRIS_SAMPLE)
    registry.promote(OTHER.version, reason="")

    def versions() -> bool:
        client.post("/predict", json=IRIS_SAMPLE)
        return any(entry.request.version == OTHER.version for entry in queue.scorer().claim())

    eventually(versions, 10.0, "the new champion")
