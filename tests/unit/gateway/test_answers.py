"""What calls that give nothing but predictions make of jobs that failed, and of jobs that were answered before."""

import json
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, State
from rhizome.manifest import Manifest
from rhizome.registry import Registry
from rhizome.signature import Output
from tests.support.queue import Queue, succeed
from tests.support.versions import IRIS_SAMPLE, SETOSA, build_manifest, iris_signature
from tests.unit.gateway.conftest import CHAMPION, OTHER
from tests.unit.gateway.test_health import beat_worker
from tests.unit.gateway.test_synchronous_calls import (
    BODIES,
    BOTH_CALLS,
    INFER,
    TENSORS,
    TWO_ROWS,
    assert_is_refused,
    while_waiting,
)
from worker.failures import BROKEN_PAYLOAD, GAVE_UP, OUT_OF_MEMORY, UNSOUND, VERSION_UNAVAILABLE
from worker.outcomes import ROW_FAILED

ANSWER = {"label": "setosa", "probabilities": {"setosa": 0.9, "versicolor": 0.1, "virginica": 0.0}}
RENAMED = build_manifest(
    version="20260101T000003Z-89ab0123",
    signature=iris_signature().model_copy(
        update={"outputs": tuple(Output(name=name, classes=("a", "b")) for name in ("one", "two"))}
    ),
)


def fail(error: dict[str, str]) -> Any:
    def act(scorer: Claims, entry: Claimed) -> None:
        document = {"id": entry.request.job_id, "status": "failed", "version": None, "error": error}
        scorer.finish([succeed(entry, json.dumps(document).encode(), state=State.FAILED)], claim_next=False)

    return act


def answer(scorer: Claims, entry: Claimed) -> None:
    if entry.request.kind == "batch":
        scorer.bind_version(entry.request.job_id, CHAMPION.version)
        body: Any = [ANSWER] * entry.request.rows
    else:
        body = {"id": entry.request.job_id, "status": "succeeded", "version": CHAMPION.version, "result": ANSWER}
    scorer.finish([succeed(entry, json.dumps(body).encode())], claim_next=False)


@BOTH_CALLS
@pytest.mark.parametrize(
    "error", [GAVE_UP, VERSION_UNAVAILABLE, UNSOUND, BROKEN_PAYLOAD], ids=lambda error: error["code"]
)
def test_what_is_no_rows_fault_is_a_503(client: FlaskClient, queue: Queue, path: str, error: dict[str, str]) -> None:
    with while_waiting(queue, fail(error)):
        response = client.post(f"{path}?wait=20", json=BODIES[path])

    assert_is_refused(response, path, 503, "answer_unavailable", error["detail"])
    assert response.text.count("submit it again") == 1
    assert "change or remove" not in response.text
    assert response.headers["Retry-After"]


@BOTH_CALLS
def test_a_row_that_cannot_be_scored_is_the_callers(client: FlaskClient, queue: Queue, path: str) -> None:
    with while_waiting(queue, fail(ROW_FAILED)):
        response = client.post(f"{path}?wait=20", json=BODIES[path])

    assert_is_refused(response, path, 400 if path == INFER else 422, "rows_failed", "1 of 1 row(s)")
    assert "change or remove this row" in response.text


@BOTH_CALLS
def test_rows_that_take_too_much_memory_together_are_to_be_sent_in_smaller_parts(
    client: FlaskClient, queue: Queue, path: str
) -> None:
    with while_waiting(queue, fail(OUT_OF_MEMORY)):
        response = client.post(f"{path}?wait=20", json=BODIES[path])

    assert_is_refused(response, path, 400 if path == INFER else 422, "rows_failed", "1 of 1 row(s)")
    assert "RHIZOME_BATCH_MEMORY_BYTES" in response.text
    assert "send fewer rows at once" in response.text
    assert "change or remove" not in response.text


def test_of_many_rows_that_fail_the_first_are_named(client: FlaskClient, queue: Queue) -> None:
    def refuse_all(scorer: Claims, entry: Claimed) -> None:
        scorer.finish([succeed(entry, json.dumps([{"error": ROW_FAILED}] * 200).encode())], claim_next=False)

    rows = [BODIES["/invocations"]["instances"][0]] * 200
    with while_waiting(queue, refuse_all):
        response = client.post("/invocations?wait=20", json={"instances": rows})

    assert response.status_code == 422
    assert response.get_json()["detail"] == "200 of 200 row(s) could not be scored"
    assert len(response.get_json()["errors"]) == 100


@pytest.mark.parametrize(
    "body",
    [TENSORS, TWO_ROWS, TENSORS | {"outputs": [{"name": "label"}]}],
    ids=["single", "batch", "an output that the champion lacks"],
)
def test_a_replay_is_answered_by_what_answered_first(
    client: FlaskClient, queue: Queue, registry: Registry, body: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    with while_waiting(queue, answer):
        first = client.post(f"{INFER}?wait=20", json=body, headers=headers)

    promote_renamed(client, registry)
    second = client.post(f"{INFER}?wait=20", json=body, headers=headers)

    assert (first.status_code, second.status_code) == (200, 200), second.text
    assert second.get_json() == first.get_json()
    assert second.get_json()["model_version"] == CHAMPION.version
    assert second.headers["Idempotency-Replayed"] == "true"


def test_a_replay_that_lacks_what_is_wanted_is_a_409(client: FlaskClient, queue: Queue, registry: Registry) -> None:
    headers = {"Idempotency-Key": "k-1"}

    def answer_without_probabilities(scorer: Claims, entry: Claimed) -> None:
        document = {"id": entry.request.job_id, "version": CHAMPION.version, "result": {"label": "setosa"}}
        scorer.finish([succeed(entry, json.dumps(document).encode())], claim_next=False)

    body = TENSORS | {"outputs": [{"name": "probabilities"}]}
    with while_waiting(queue, answer_without_probabilities):
        first = client.post(f"{INFER}?wait=20", json=body, headers=headers)
    second = client.post(f"{INFER}?wait=20", json=body, headers=headers)

    for response in (first, second):
        assert_is_refused(response, INFER, 409, "idempotency_conflict", "without probabilities; it has label")


def test_a_replay_whose_version_is_gone_is_a_410(
    client: FlaskClient, queue: Queue, registry: Registry, redis: Redis
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    with while_waiting(queue, answer):
        client.post(f"{INFER}?wait=20", json=TENSORS, headers=headers)

    registry.promote(OTHER.version, reason="a test")
    forget_version(client, registry, CHAMPION.version)
    response = client.post(f"{INFER}?wait=20", json=TENSORS, headers=headers)

    assert_is_refused(response, INFER, 410, "job_expired", "no longer kept")


@BOTH_CALLS
def test_a_preferred_wait_is_acknowledged(client: FlaskClient, queue: Queue, path: str) -> None:
    with while_waiting(queue, answer):
        response = client.post(path, json=BODIES[path], headers={"Prefer": "wait=15, respond-async"})

    assert (response.status_code, response.headers["Preference-Applied"]) == (200, "wait=15")


@pytest.mark.parametrize(
    ("where", "body", "words"),
    [
        ("", {"parameters": {"timeout": 1000}}, "send a longer 'timeout' (in microseconds)"),
        ("", {"parameters": {"deadline_ms": 1}}, "send a later deadline_ms"),
        ("?deadline_ms=1", {"parameters": {"timeout": 1000}}, "send a later deadline_ms"),
    ],
)
def test_a_deadline_is_refused_under_the_name_it_was_sent_by(
    client: FlaskClient, redis: Redis, where: str, body: dict[str, Any], words: str
) -> None:
    beat_worker(redis, single_ms=60_000.0, entry_ms=1.0, chunk_ms=60_000.0, measured_at=time.time())

    response = client.post(f"{INFER}{where}", json=TENSORS | body)

    assert_is_refused(response, INFER, 429, "deadline_unmeetable", words)


@pytest.mark.parametrize("mimetype", ["text/plain", "application/x-ndjson", "application/vnd.apache.parquet"])
def test_files_are_told_where_they_are_taken(client: FlaskClient, mimetype: str) -> None:
    response = client.post("/invocations", data=b"a,b", content_type=mimetype)

    assert_is_refused(response, "/invocations", 415, "unsupported_media_type", "POST /predict/batch")


@pytest.mark.parametrize("form", [{"instances": [list(SETOSA)]}, {"instances": [IRIS_SAMPLE]}], ids=["rows", "records"])
def test_an_unknown_option_is_answered_with_the_options(client: FlaskClient, form: dict[str, Any]) -> None:
    response = client.post("/invocations", json=form | {"params": {"retrun": "label"}})

    (problem,) = response.get_json()["errors"]
    assert problem["field"] == "params.retrun"
    assert problem["remedy"].startswith("did you mean 'return'? remove it; the options are version, priority,")


CSV = {
    "data": "sepal_width,sepal_length,petal_width,petal_length\n3.5,5.1,0.2,1.4\n",
    "content_type": "text/csv",
}
#: Requests to `/invocations`, and what they are answered with.
INVOCATIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "csv": (CSV, "setosa"),
    "lists": ({"json": {"instances": [list(SETOSA)]}}, "setosa"),
    "records": ({"json": {"dataframe_records": [IRIS_SAMPLE]}}, "setosa"),
    "many": ({"json": {"inputs": {name: [value] for name, value in IRIS_SAMPLE.items()}}}, "setosa"),
    "return in the query": (CSV | {"query_string": {"return": "both"}}, ANSWER),
    "return beside": ({"json": {"instances": [list(SETOSA)], "return": "both"}}, ANSWER),
    "return in params": (
        {"json": {"instances": [IRIS_SAMPLE], "params": {"return": "probabilities"}}},
        list(ANSWER["probabilities"].values()),
    ),
    "top_k": (
        {"json": {"instances": [IRIS_SAMPLE], "params": {"return": "probabilities", "top_k": 3}}},
        ANSWER["probabilities"],
    ),
}
OTHER_COLUMNS = build_manifest(
    version="20260101T000004Z-9abc0123", signature=iris_signature(("length", "width", "depth", "height"))
)
REGRESSION = build_manifest(version="20260101T000005Z-abcd0123", signature=iris_signature())
REGRESSION = REGRESSION.model_copy(
    update={
        "signature": REGRESSION.signature.model_copy(
            update={"task": "regression", "outputs": (Output(name="y"),), "has_probabilities": False}
        )
    }
)
SUCCESSORS = pytest.mark.parametrize(
    "successor", [OTHER_COLUMNS, REGRESSION], ids=["other columns", "answers of another kind"]
)


@SUCCESSORS
@pytest.mark.parametrize("request_", INVOCATIONS)
def test_invocations_repeated_to_another_champion_are_the_first_answer(
    client: FlaskClient, queue: Queue, registry: Registry, successor: Manifest, request_: str
) -> None:
    sent, prediction = INVOCATIONS[request_]
    headers = {"Idempotency-Key": "k-1"}
    with while_waiting(queue, answer):
        first = client.post("/invocations", headers=headers, **sent)

    promote(client, registry, successor)
    second = client.post("/invocations", headers=headers, **sent)

    assert first.get_json() == {"predictions": [prediction]}, first.text
    assert (second.status_code, second.get_json()) == (200, first.get_json()), second.text
    assert second.headers["Idempotency-Replayed"] == "true"


@SUCCESSORS
def test_invocations_repeated_before_the_answer_are_the_first_receipt(
    client: FlaskClient, queue: Queue, registry: Registry, successor: Manifest
) -> None:
    sent = {"json": {"instances": [IRIS_SAMPLE], "return": "probabilities"}, "query_string": {"wait": "0"}}
    headers = {"Idempotency-Key": "k-1"}
    first = client.post("/invocations", headers=headers, **sent)

    promote(client, registry, successor)
    second = client.post("/invocations", headers=headers, **sent)

    assert (first.status_code, second.status_code) == (202, 202), second.text
    assert second.get_json()["id"] == first.get_json()["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_invocations_repeated_after_their_version_is_gone_are_a_410(
    client: FlaskClient, queue: Queue, registry: Registry
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    with while_waiting(queue, answer):
        client.post("/invocations", headers=headers, **CSV)

    promote(client, registry, OTHER_COLUMNS)
    forget_version(client, registry, CHAMPION.version)
    response = client.post("/invocations", headers=headers, **CSV)

    assert_is_refused(response, "/invocations", 410, "job_expired", "no longer kept")


def test_other_invocations_under_the_key_are_refused_as_without(
    client: FlaskClient, queue: Queue, registry: Registry
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    client.post("/invocations?wait=0", headers=headers, **CSV)

    promote(client, registry, OTHER_COLUMNS)
    response = client.post("/invocations?wait=0", headers=headers, **CSV | {"data": CSV["data"] + "1,1,1,1\n"})

    assert_is_refused(response, "/invocations", 422, "invalid_fields", "columns")


def promote(client: FlaskClient, registry: Registry, manifest: Manifest) -> None:
    registry.register(manifest)
    registry.promote(manifest.version, reason="a test")
    service_of(client).champion.forget()


def promote_renamed(client: FlaskClient, registry: Registry) -> None:
    promote(client, registry, RENAMED)


def forget_version(client: FlaskClient, registry: Registry, version: str) -> None:
    """As pruning does, in a process that has never seen the version."""
    registry.forget(version)
    service_of(client).champion.forget()
    service_of(client).champion._known.pop(version, None)


def service_of(client: FlaskClient) -> Any:
    return client.application.extensions["rhizome"]
