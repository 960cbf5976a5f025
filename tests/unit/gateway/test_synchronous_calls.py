"""Calls that wait by themselves: what they answer when the answer is late, refused, cancelled, expired or repeated."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, Returns
from rhizome.registry import Registry
from tests.support.queue import Queue, succeed
from tests.support.service import eventually
from tests.support.versions import IRIS_SAMPLE, promote, write_iris
from tests.unit.gateway.conftest import CHAMPION, OTHER, BuildApp

INFER = "/v2/models/iris/infer"
TENSORS = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": list(IRIS_SAMPLE.values())}]}
TWO_ROWS = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": list(IRIS_SAMPLE.values()) * 2}]}
BODIES: dict[str, dict[str, Any]] = {INFER: TENSORS, "/invocations": {"instances": [list(IRIS_SAMPLE.values())]}}
BOTH_CALLS = pytest.mark.parametrize("path", BODIES)


def assert_is_refused(response: TestResponse, path: str, status: int, code: str, words: str) -> None:
    """A problem, or below `/v2` an error in the protocol's form."""
    assert response.status_code == status, response.text
    if path == INFER:
        assert words in response.get_json()["error"]
    else:
        assert response.get_json()["code"] == code
        assert words in response.get_json()["detail"]


@contextmanager
def while_waiting(queue: Queue, act: Callable[[Claims, Claimed], None]) -> Iterator[None]:
    """Acts on the next job, as a scorer that has taken it."""

    def run() -> None:
        scorer = queue.scorer()
        (entry,) = eventually(scorer.claim, what="a job")
        act(scorer, entry)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_a_late_answer_is_a_504_that_says_where_it_will_be(
    build_app: BuildApp, registry: Registry, queue: Queue
) -> None:
    client = build_app(max_wait_seconds=0.2).test_client()

    response = client.post(INFER, json=TENSORS)

    assert_is_refused(response, INFER, 504, "answer_overdue", "GET /result/")
    where = response.get_json()["error"].split("GET ")[1].split(" ")[0]
    assert client.get(where).get_json()["status"] == "queued"


@pytest.mark.parametrize("said", [{"query_string": {"wait": "0.2"}}, {"headers": {"Prefer": "wait=1"}}])
def test_who_says_how_long_to_wait_gets_a_receipt_when_it_is_over(
    client: FlaskClient, queue: Queue, said: dict[str, Any]
) -> None:
    response = client.post(INFER, json=TENSORS, **said)

    assert (response.status_code, response.get_json()["status"]) == (202, "queued")


def test_late_predictions_are_a_receipt(client: FlaskClient, queue: Queue) -> None:
    response = client.post("/invocations?wait=0.2", json=BODIES["/invocations"])

    assert response.status_code == 202
    assert response.headers["Location"] == response.get_json()["urls"]["result"]
    assert response.headers["Retry-After"] == "1"


@BOTH_CALLS
@pytest.mark.parametrize("how", [{"headers": {"Prefer": "respond-async"}}, {"query_string": {"wait": "0"}}])
def test_a_caller_who_does_not_wait_gets_a_receipt_at_once(
    client: FlaskClient, queue: Queue, path: str, how: dict[str, Any]
) -> None:
    response = client.post(path, json=BODIES[path], **how)

    assert response.status_code == 202
    assert response.headers["Location"] == response.get_json()["urls"]["result"]
    assert response.headers.get("Preference-Applied") == ("respond-async" if "headers" in how else None)
    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_inference_without_a_place_to_wait_is_refused_and_leaves_nothing(
    build_app: BuildApp, registry: Registry, queue: Queue
) -> None:
    client = build_app(max_waiters=0).test_client()

    response = client.post(INFER, json=TENSORS)

    assert_is_refused(response, INFER, 503, "too_many_waiters", "try again")
    assert response.headers["Retry-After"]
    assert queue.waiting(Lane.INTERACTIVE) == 0
    assert client.post("/invocations", json=BODIES["/invocations"]).status_code == 202


@BOTH_CALLS
def test_a_job_that_is_cancelled_meanwhile_is_a_409(client: FlaskClient, queue: Queue, path: str) -> None:
    with while_waiting(queue, lambda _, entry: queue.submissions.cancel(entry.request.job_id)):
        response = client.post(f"{path}?wait=20", json=BODIES[path])

    assert_is_refused(response, path, 409, "job_cancelled", "cancelled")


@BOTH_CALLS
def test_a_job_whose_deadline_passes_is_a_504(client: FlaskClient, queue: Queue, path: str) -> None:
    response = client.post(f"{path}?deadline_ms=100", json=BODIES[path])

    assert_is_refused(response, path, 504, "answer_overdue", "deadline")


def test_tritons_timeout_is_a_deadline(client: FlaskClient, queue: Queue) -> None:
    response = client.post(INFER, json=TENSORS | {"parameters": {"timeout": 100_000}})

    assert_is_refused(response, INFER, 504, "answer_overdue", "deadline")


@pytest.mark.parametrize(("given", "priority"), [(None, 1), (0, 1), (1, 0), (2, 1), (3, 2), (99, 2)])
def test_tritons_priority_becomes_ours(client: FlaskClient, queue: Queue, given: int | None, priority: int) -> None:
    parameters = {} if given is None else {"priority": given}

    response = client.post(INFER, json=TENSORS | {"parameters": parameters}, headers={"Prefer": "respond-async"})

    assert response.get_json()["priority"] == priority


@BOTH_CALLS
def test_the_same_key_and_request_are_one_job(client: FlaskClient, queue: Queue, path: str) -> None:
    headers = {"Idempotency-Key": "k-1", "Prefer": "respond-async"}

    first, second = (client.post(path, json=BODIES[path], headers=headers) for _ in range(2))
    other = client.post(path, json=BODIES[path] | {"id" if path == INFER else "priority": "7"}, headers=headers)

    assert first.get_json()["id"] == second.get_json()["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert queue.waiting(Lane.INTERACTIVE) == 1
    assert other.status_code in (409, 422)


@pytest.mark.parametrize(
    ("outputs", "returns"),
    [([], Returns.BOTH), (["label"], Returns.LABEL), (["probabilities"], Returns.PROBABILITIES)],
)
def test_workers_compute_what_the_outputs_need(
    client: FlaskClient, redis: Redis, queue: Queue, tmp_path: Path, outputs: list[str], returns: str
) -> None:
    promote(redis, write_iris(tmp_path))
    body = TENSORS | {"outputs": [{"name": name} for name in outputs]}

    client.post(INFER, json=body, headers={"Prefer": "respond-async"})

    (entry,) = queue.scorer().claim()
    assert entry.request.returns == returns


@pytest.mark.parametrize(("query", "returns"), [("", Returns.LABEL), ("?return=both", Returns.BOTH)])
def test_predictions_are_labels_unless_more_is_asked_for(
    client: FlaskClient, queue: Queue, query: str, returns: str
) -> None:
    client.post(f"/invocations{query}", json=BODIES["/invocations"], headers={"Prefer": "respond-async"})

    (entry,) = queue.scorer().claim()
    assert entry.request.returns == returns


@pytest.mark.parametrize("rows", [1, 2])
def test_a_version_in_the_address_is_pinned(client: FlaskClient, queue: Queue, rows: int) -> None:
    path = f"/v2/models/iris/versions/{OTHER.version}/infer"

    client.post(path, json=TENSORS if rows == 1 else TWO_ROWS, headers={"Prefer": "respond-async"})
    client.post(f"{INFER}?version={OTHER.version}", json=TENSORS, headers={"Prefer": "respond-async"})
    client.post(INFER, json=TENSORS, headers={"Prefer": "respond-async"})

    scorer = queue.scorer()
    entries = (*scorer.claim(), *scorer.claim())
    requests = sorted((entry.request for entry in entries), key=lambda request: not request.pinned)
    assert [(request.version, request.pinned) for request in requests] == [
        (OTHER.version, True),
        (OTHER.version, True),
        (CHAMPION.version, False),
    ]


def test_an_address_and_a_parameter_that_name_two_versions_are_refused(client: FlaskClient, queue: Queue) -> None:
    path = f"/v2/models/iris/versions/{OTHER.version}/infer"

    response = client.post(path, json=TENSORS | {"parameters": {"version": CHAMPION.version}})

    assert_is_refused(response, INFER, 400, "invalid_fields", "another one than the address names")


def test_a_version_that_failed_in_service_is_not_ready_and_not_listed(
    client: FlaskClient, queue: Queue, redis: Redis, registry: Registry
) -> None:
    registry.roll_back(reason="it does not load", failed=OTHER.version)

    assert client.get("/v2/models/iris").get_json()["versions"] == [CHAMPION.version]
    assert client.get(f"/v2/models/iris/versions/{OTHER.version}/ready").status_code == 503


def test_without_workers_nothing_is_ready(client: FlaskClient) -> None:
    assert client.get("/v2/health/live").get_json() == {"live": True}
    for path in ("/v2/health/ready", "/v2/models/iris/ready"):
        response = client.get(path)
        assert (response.status_code, response.get_json()["ready"]) == (503, False)
    assert client.get("/ping").status_code == 503


def test_before_the_first_promotion_the_protocol_says_so(build_app: BuildApp, redis: Redis) -> None:
    client = build_app().test_client()

    for response in (client.get("/v2/models/iris"), client.post(INFER, json=TENSORS)):
        assert_is_refused(response, INFER, 503, "no_champion", "no version has been promoted")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"inputs": "' + b"x" * 1000 + b'"}'])
def test_a_bad_body_is_an_error_in_the_protocols_form(client: FlaskClient, queue: Queue, body: bytes) -> None:
    response = client.post(INFER, data=body)

    assert response.status_code == 400
    assert list(response.get_json()) == ["error"]
    assert queue.waiting(Lane.INTERACTIVE) == 0


def test_a_small_batch_is_answered_from_its_one_chunk(client: FlaskClient, queue: Queue) -> None:
    def answer(scorer: Claims, entry: Claimed) -> None:
        scorer.bind_version(entry.request.job_id, CHAMPION.version)
        scorer.finish([succeed(entry, b'[{"label":"setosa"},{"label":"virginica"}]')], claim_next=False)

    with while_waiting(queue, answer):
        response = client.post(INFER, json=TWO_ROWS | {"outputs": [{"name": "label"}]})

    assert response.status_code == 200
    assert response.get_json()["outputs"][0]["data"] == ["setosa", "virginica"]
    assert response.get_json()["model_version"] == CHAMPION.version
