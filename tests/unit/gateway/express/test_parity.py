"""The short way answers as the routes do: status, headers and document, whatever is asked."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.express import predicting, reading
from rhizome.jobs import State
from tests.support.dispatched import Answer, Dispatched, build_scope, dispatched
from tests.support.queue import Queue, succeed
from tests.support.versions import IRIS_SAMPLE
from tests.unit.gateway.conftest import CHAMPION, OTHER, BuildApp

SAMPLE = json.dumps(IRIS_SAMPLE).encode()
ID = re.compile(r"[a-z2-7]{32}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
#: Position and estimate differ by what was submitted before.
PLACE = re.compile(r'"(queue_position|eta_ms)": ?\d+')
#: The server's own, and Flask's length of a body.
NOT_COMPARED = {"content-length"}
MANY = {"X-Request-ID": "r-7"}


def told(status: int, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
    """What is compared: without the parts that are a job's own."""
    kept = {name.lower(): ID.sub("<id>", value) for name, value in headers.items() if name.lower() not in NOT_COMPARED}
    text = PLACE.sub(r'"\1":0', TIME.sub("<time>", ID.sub("<id>", body.decode())))
    return status, kept, text


def by_routes(
    client: FlaskClient, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], str]:
    sent = {"Content-Type": "application/json"} | dict(headers) if body is not None else dict(headers)
    response = client.open(path, method=method, data=body, headers=sent)
    return told(response.status_code, dict(response.headers), response.data)


def by_dispatcher(answer: Answer) -> tuple[int, dict[str, str], str]:
    return told(answer.status, answer.headers, answer.body)


SUBMITS: list[tuple[str, bytes, dict[str, str]]] = [
    ("/predict", SAMPLE, {}),
    ("/predict", SAMPLE, {"Prefer": "respond-async"}),
    ("/predict", SAMPLE, {"Prefer": "wait=0"}),
    ("/predict?wait=0.2", SAMPLE, {}),
    ("/predict?wait=abc", SAMPLE, {}),
    ("/predict?wait=1e-1", SAMPLE, {}),
    ("/predict?priority=2", SAMPLE, {}),
    ("/predict?unheard=of", SAMPLE, {}),
    ("/predict", SAMPLE, {"Content-Type": "application/json; charset=utf-8"}),
    ("/predict", SAMPLE, {"Content-Type": "text/plain"}),
    ("/predict", SAMPLE, {"Content-Encoding": "gzip"}),
    ("/predict", SAMPLE, {"X-Priority": "0"}),
    ("/predict", SAMPLE, {"X-Priority": "9"}),
    ("/predict", b"", {}),
    ("/predict", b"{", {}),
    ("/predict", b"[1, 2]", {}),
    ("/predict", b'{"sepal_length": "5.1"}', {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"petal_width": 1e9}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"priority": 0, "deadline_ms": 60_000}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"priority": 7}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"return": "label", "top_k": 2}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"version": OTHER.version}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"version": "20200101T000000Z-00000000"}).encode(), {}),
    ("/predict", json.dumps(IRIS_SAMPLE | {"webhook": "https://example.com/hook"}).encode(), {}),
    ("/predict", SAMPLE, {"Idempotency-Key": ""}),
    ("/predict", SAMPLE, {"Idempotency-Key": "k" * 300}),
]


@pytest.mark.parametrize(("path", "body", "headers"), SUBMITS)
def test_a_submit_is_answered_as_by_the_routes(
    gateway: Dispatched, client: FlaskClient, path: str, body: bytes, headers: dict[str, str]
) -> None:
    sent = headers | MANY

    answer = gateway.send("POST", path, body, sent)

    assert by_dispatcher(answer) == by_routes(client, "POST", path, body, sent)


def test_whether_the_process_lives_is_told_as_by_the_routes(gateway: Dispatched, client: FlaskClient) -> None:
    answer = gateway.send("GET", "/livez", None, MANY)

    assert by_dispatcher(answer) == by_routes(client, "GET", "/livez", None, MANY)


@pytest.mark.parametrize("headers", [{"Prefer": "wait=5"}, {}])
def test_a_waiting_submit_gets_the_workers_document(gateway: Dispatched, queue: Queue, headers: dict[str, str]) -> None:
    path = "/predict" if headers else "/predict?wait=5"
    answer = gateway.begin("POST", path, SAMPLE, headers | MANY)
    scorer = queue.scorer()
    (entry,) = scorer.claim()
    assert entry.request.waited

    scorer.finish([succeed(entry, b'{"id": "x", "status": "succeeded"}')], claim_next=False)

    answer.wait()
    assert (answer.status, answer.body) == (200, b'{"id": "x", "status": "succeeded"}')
    applied = {"preference-applied": "wait=5", "vary": "Prefer"} if headers else {}
    assert answer.headers == {"content-type": "application/json", "x-request-id": "r-7"} | applied


def test_a_wait_that_ends_without_an_answer_is_a_receipt(gateway: Dispatched, client: FlaskClient) -> None:
    sent = {"Prefer": "wait=1"} | MANY

    answer = gateway.send("POST", "/predict", SAMPLE, sent)

    assert answer.status == 202
    assert by_dispatcher(answer) == by_routes(client, "POST", "/predict", SAMPLE, sent)


def test_where_nobody_may_wait_any_more_a_submit_gets_its_receipt_at_once(build_app: BuildApp, registry: Any) -> None:
    app = build_app(max_waiters=0)
    with dispatched(app) as gateway:
        answer = gateway.send("POST", "/predict", SAMPLE, {"Prefer": "wait=30"} | MANY)

        assert answer.status == 202
        assert by_dispatcher(answer) == by_routes(
            app.test_client(), "POST", "/predict", SAMPLE, {"Prefer": "wait=30"} | MANY
        )


def test_a_repeated_key_is_answered_with_the_first_job(gateway: Dispatched, queue: Queue) -> None:
    sent = {"Idempotency-Key": "one"} | MANY
    first = gateway.send("POST", "/predict", SAMPLE, sent)

    again = gateway.send("POST", "/predict?wait=0.1", SAMPLE, sent)
    other = gateway.send("POST", "/predict", json.dumps(IRIS_SAMPLE | {"petal_width": 0.3}).encode(), sent)

    assert (again.status, again.json["id"], again.headers["idempotency-replayed"]) == (202, first.json["id"], "true")
    assert (other.status, other.json["code"]) == (409, "idempotency_conflict")
    assert len(queue.scorer().claim()) == 1


def test_a_full_lane_refuses(build_app: BuildApp, registry: Any) -> None:
    app = build_app(max_waiting_interactive=1)
    with dispatched(app) as gateway:
        gateway.send("POST", "/predict", SAMPLE, MANY)

        for path in ("/predict", "/predict?wait=5"):
            answer = gateway.send("POST", path, SAMPLE, MANY)

            assert (answer.status, answer.headers["retry-after"]) == (429, "1")
            assert by_dispatcher(answer) == by_routes(app.test_client(), "POST", path, SAMPLE, MANY)


def test_without_a_champion_nothing_is_accepted(build_app: BuildApp) -> None:
    app = build_app()
    with dispatched(app) as gateway:
        answer = gateway.send("POST", "/predict", SAMPLE, MANY)

        assert answer.status == 503
        assert by_dispatcher(answer) == by_routes(app.test_client(), "POST", "/predict", SAMPLE, MANY)


@pytest.fixture
def ids(queue: Queue, client: FlaskClient) -> Iterator[dict[str, str]]:
    """A job in each of the states."""
    scorer = queue.scorer()
    ids = {"succeeded": queue.submit(), "failed": queue.submit(), "running": queue.submit()}
    succeeded, failed, _ = scorer.claim()
    scorer.finish([succeed(succeeded), succeed(failed, b'{"status": "failed"}', state=State.FAILED)], claim_next=False)
    ids |= {"queued": queue.submit(), "batch": queue.submit_batch(2, 1), "cancelled": queue.submit()}
    queue.submissions.cancel(ids["cancelled"])
    ids["unknown"] = "a" * 32
    ids["short"] = "abc"
    return ids


READS = [
    ("/result/{}", {}),
    ("/result/{}", {"Accept": "application/json"}),
    ("/result/{}", {"Accept": "text/csv"}),
    ("/result/{}", {"Accept": "image/png"}),
    ("/result/{}", {"Prefer": "wait=0"}),
    ("/result/{}?wait=0.1", {}),
    ("/result/{}?wait=none", {}),
    ("/result/{}?offset=1", {}),
    ("/result/{}?format=csv", {}),
    ("/result/{}/webhook", {}),
]


@pytest.mark.parametrize(
    "state", ["succeeded", "failed", "running", "queued", "batch", "cancelled", "unknown", "short"]
)
@pytest.mark.parametrize(("path", "headers"), READS)
def test_a_result_is_shown_as_by_the_routes(
    gateway: Dispatched, client: FlaskClient, ids: dict[str, str], state: str, path: str, headers: dict[str, str]
) -> None:
    path, sent = path.format(ids[state]), headers | MANY

    answer = gateway.send("GET", path, None, sent)

    assert by_dispatcher(answer) == by_routes(client, "GET", path, None, sent)


def test_who_waits_for_a_result_gets_it_when_it_is_there(gateway: Dispatched, queue: Queue) -> None:
    job_id = queue.submit()
    answer = gateway.begin("GET", f"/result/{job_id}?wait=5")
    scorer = queue.scorer()

    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert answer.wait().json["status"] == "succeeded"
    assert answer.times == 1


def test_a_waiting_submit_whose_job_is_cancelled_is_told(
    gateway: Dispatched, client: FlaskClient, queue: Queue
) -> None:
    answer = gateway.begin("POST", "/predict?wait=5", SAMPLE, MANY)
    (job_key,) = queue.redis.keys("rhizome:job:*")

    client.delete(f"/result/{job_key.decode().rpartition(':')[2]}")

    assert (answer.wait().status, answer.json["status"]) == (200, "cancelled")


def test_plain_requests_go_the_short_way(app: Flask) -> None:
    submit = build_scope("POST", "/predict", SAMPLE, {})
    read = build_scope("GET", f"/result/{'a' * 32}?wait=5", None, {"Accept": "*/*"})

    assert predicting.is_plain(submit)
    assert reading.is_plain(read)


def test_the_champion_answers_whom_the_short_way_serves(gateway: Dispatched, queue: Queue) -> None:
    gateway.send("POST", "/predict", SAMPLE, MANY)

    (entry,) = queue.scorer().claim()
    assert (entry.request.version, entry.request.pinned) == (CHAMPION.version, False)
