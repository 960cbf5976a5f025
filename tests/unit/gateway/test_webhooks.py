"""Webhooks over HTTP: what a submit may ask for, and what can be seen and asked of a job's deliveries."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rhizome import keys
from rhizome.jobs import State
from rhizome.registry import Registry
from rhizome.webhooks.ledger import Ledger
from rhizome.webhooks.outbox import Verdict
from tests.support.queue import Queue, succeed
from tests.support.service import eventually
from tests.support.versions import IRIS_SAMPLE
from tests.support.webhooks import SECRET, URL, build_outbox
from tests.unit.gateway.conftest import BuildApp
from tests.unit.gateway.test_health import beat_worker
from tests.unit.gateway.test_routes import Answerer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def app(build_app: BuildApp, registry: Registry) -> Flask:
    return build_app(webhook_secret=SECRET)


def submit(client: FlaskClient, webhook: str = URL, **changes: Any) -> str:
    """Submits a sample with a webhook; the job's id."""
    response = client.post("/predict", json=IRIS_SAMPLE | {"webhook": webhook}, **changes)
    assert response.status_code == 202, response.text
    return str(response.get_json()["id"])


def score_all(queue: Queue) -> None:
    for scorer in (queue.scorer(), queue.batch_scorer()):
        while claimed := scorer.claim():
            scorer.finish([succeed(entry) for entry in claimed], claim_next=False)


def attempt(redis: Redis, verdict: Verdict) -> None:
    """A deliverer's attempt at what is due."""
    outbox = build_outbox(redis)
    delivery = outbox.claim()
    assert delivery is not None
    outbox.settle(delivery, verdict, 12.5)


@pytest.mark.parametrize("place", ["body", "query"])
def test_a_webhook_is_noted_in_the_job(client: FlaskClient, redis: Redis, place: str) -> None:
    asked = {"webhook": "HTTPS://Receiver.Example/Hooks", "webhook_events": ["started", "completed"]}
    if place == "body":
        response = client.post("/predict/batch", json={"instances": [IRIS_SAMPLE]} | asked)
    else:
        query = asked | {"webhook_events": "started,completed"}
        response = client.post("/predict/batch", json={"instances": [IRIS_SAMPLE]}, query_string=query)

    record = redis.hgetall(keys.job(response.get_json()["id"]))

    assert record[b"webhook"] == b"https://receiver.example/Hooks"
    assert record[b"webhook_events"] == b"started,completed"


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", ""),
        ("nonsense", ""),
    ],
)
def test_the_trace_of_the_submit_is_noted(client: FlaskClient, redis: Redis, given: str, noted: str) -> None:
    job_id = submit(client, headers={"traceparent": given})

    assert redis.hget(keys.job(job_id), "webhook_trace") == noted.encode()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://receiver.example/",
        "receiver.example",
        "http://127.0.0.1:6379/",
        "http://localhost/",
        "https://a:b@x.example/",
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_url_that_cannot_be_a_receiver_is_refused_by_name(
    client: FlaskClient, redis: Redis, url: str, path: str
) -> None:
    body = IRIS_SAMPLE if path == "/predict" else {"instances": [IRIS_SAMPLE]}

    response = client.post(path, json=body | {"webhook": url})

    document = response.get_json()
    assert (response.status_code, document["code"]) == (422, "invalid_fields")
    assert document["errors"][0]["field"] == "webhook"
    assert document["errors"][0]["remedy"]
    assert list(redis.scan_iter(keys.job("*"))) == []


def test_without_a_secret_webhooks_are_refused_and_all_else_is_not(build_app: BuildApp, registry: Registry) -> None:
    client = build_app().test_client()

    refused = client.post("/predict", json=IRIS_SAMPLE | {"webhook": URL})
    accepted = client.post("/predict", json=IRIS_SAMPLE)

    assert (refused.status_code, refused.get_json()["code"]) == (403, "webhooks_switched_off")
    assert "RHIZOME_WEBHOOK_SECRET" in refused.get_json()["detail"]
    assert accepted.status_code == 202


def test_where_too_much_waits_for_receivers_a_webhook_is_refused(
    build_app: BuildApp, registry: Registry, queue: Queue
) -> None:
    client = build_app(webhook_secret=SECRET, webhook_max_pending=2).test_client()
    client.delete(f"/result/{submit(client)}")

    response = client.post("/predict", json=IRIS_SAMPLE | {"webhook": URL})

    assert (response.status_code, response.get_json()["code"]) == (429, "webhooks_full")
    assert response.headers["Retry-After"]
    assert client.post("/predict", json=IRIS_SAMPLE).status_code == 202


def test_a_result_says_how_its_webhook_stands(client: FlaskClient, queue: Queue, redis: Redis) -> None:
    job_id = submit(client)
    before = client.get(f"/result/{job_id}").get_json()
    score_all(queue)
    pending = client.get(f"/result/{job_id}").get_json()
    attempt(redis, Verdict("retry", 503, "unavailable", 60.0))
    failing = client.get(f"/result/{job_id}").get_json()

    assert before["webhook_status"] is None
    assert pending["webhook_status"] | {"next_attempt_at": None} == {
        "state": "pending",
        "attempts": 0,
        "last_attempt_at": None,
        "next_attempt_at": None,
        "last_status": None,
        "last_error": None,
    }
    status = failing["webhook_status"]
    assert (status["state"], status["attempts"], status["last_status"]) == ("pending", 1, 503)
    assert status["last_attempt_at"] < status["next_attempt_at"]
    assert failing | {"webhook_status": None} == pending | {"webhook_status": None}


def test_a_result_without_a_webhook_says_nothing_of_it(client: FlaskClient, queue: Queue) -> None:
    job_id = client.post("/predict", json=IRIS_SAMPLE).get_json()["id"]
    score_all(queue)

    document = client.get(f"/result/{job_id}").get_json()

    assert document["status"] == State.SUCCEEDED
    assert "webhook_status" not in document


def test_a_result_that_was_waited_for_says_how_its_webhook_stands(client: FlaskClient, queue: Queue) -> None:
    await_notices(client, queue)

    with Answerer(queue, b'{"status":"succeeded"}'):
        response = client.post("/predict?wait=30", json=IRIS_SAMPLE | {"webhook": URL})

    document = response.get_json()
    assert (response.status_code, document["status"]) == (200, "succeeded")
    assert (document["webhook_status"]["state"], document["webhook_status"]["attempts"]) == ("pending", 0)


def await_notices(client: FlaskClient, queue: Queue) -> None:
    """Until outcomes come with their notices: the first who waits has the process listen to them."""
    client.post("/predict?wait=0.01", json=IRIS_SAMPLE)
    eventually(lambda: dict(queue.redis.pubsub_numsub(keys.FINISHED))[keys.FINISHED.encode()], what="a subscription")
    score_all(queue)


def test_the_events_of_a_stream_say_how_the_webhook_stands(client: FlaskClient, queue: Queue) -> None:
    job_id = submit(client)
    score_all(queue)

    (event,) = read_stream(client, job_id)

    assert event == client.get(f"/result/{job_id}").get_json()
    assert event["webhook_status"]["state"] == "pending"


def test_a_job_without_a_webhook_is_not_looked_up_in_the_outbox(
    client: FlaskClient, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(Ledger, "last", lambda _, job_id: looked_up.append(job_id))

    await_notices(client, queue)
    with Answerer(queue, b'{"status":"succeeded"}'):
        waited = client.post("/predict?wait=30", json=IRIS_SAMPLE)
    job_id = client.post("/predict", json=IRIS_SAMPLE).get_json()["id"]
    score_all(queue)
    (event,) = read_stream(client, job_id)

    assert waited.data == b'{"status":"succeeded"}'
    assert "webhook_status" not in event
    assert looked_up == []


def test_the_answer_comes_where_the_outbox_cannot_be_read(
    client: FlaskClient, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(*_: object) -> None:
        raise RedisConnectionError("Redis went away")

    await_notices(client, queue)
    monkeypatch.setattr(Ledger, "last", be_away)

    with Answerer(queue, b'{"status":"succeeded"}'):
        response = client.post("/predict?wait=30", json=IRIS_SAMPLE | {"webhook": URL})

    assert (response.status_code, response.data) == (200, b'{"status":"succeeded"}')


def read_stream(client: FlaskClient, job_id: str) -> list[dict[str, Any]]:
    """The documents of a final job's events."""
    text = client.get(f"/result/{job_id}/stream").text
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def test_the_log_shows_deliveries_and_attempts(client: FlaskClient, queue: Queue, redis: Redis) -> None:
    job_id = submit(client)
    score_all(queue)
    attempt(redis, Verdict("failed", 404, "refused"))

    document = client.get(f"/result/{job_id}/webhook").get_json()

    (delivery,), (tried,) = document["deliveries"], document["attempts"]
    assert (delivery["id"], delivery["event"], delivery["url"]) == (f"{job_id}_completed", "completed", URL)
    assert (delivery["state"], delivery["last_status"], delivery["last_error"]) == ("failed", 404, "refused")
    assert (tried["id"], tried["attempt"], tried["outcome"]) == (delivery["id"], 1, "failed")
    assert (tried["status"], tried["duration_ms"], tried["next_attempt_at"]) == (404, 12.5, None)


def test_a_job_that_has_had_no_event_has_an_empty_log(client: FlaskClient) -> None:
    document = client.get(f"/result/{submit(client)}/webhook").get_json()

    assert (document["deliveries"], document["attempts"]) == ([], [])


def test_a_delivery_can_be_asked_for_again(client: FlaskClient, queue: Queue, redis: Redis) -> None:
    job_id = submit(client)
    score_all(queue)
    attempt(redis, Verdict("failed", 404, "refused"))

    response = client.post(f"/result/{job_id}/webhook/redeliver")

    assert response.status_code == 202
    assert response.get_json()["id"] == f"{job_id}_completed"
    assert response.headers["Location"] == f"/result/{job_id}/webhook"
    again = build_outbox(redis).claim()
    assert again is not None
    assert again.id == f"{job_id}_completed"


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", "/redeliver")])
def test_there_is_nothing_to_see_of_a_job_without_a_webhook(client: FlaskClient, method: str, path: str) -> None:
    job_id = client.post("/predict", json=IRIS_SAMPLE).get_json()["id"]

    response = getattr(client, method)(f"/result/{job_id}/webhook{path}")

    assert (response.status_code, response.get_json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", "/redeliver")])
@pytest.mark.parametrize("job_id", ["a" * 32, "x", "rhizome:job:1"])
def test_an_unknown_job_has_no_webhook(client: FlaskClient, method: str, path: str, job_id: str) -> None:
    response = getattr(client, method)(f"/result/{job_id}/webhook{path}")

    assert (response.status_code, response.get_json()["code"]) == (404, "job_not_found")


def test_nothing_can_be_sent_again_before_the_first_event(client: FlaskClient) -> None:
    response = client.post(f"/result/{submit(client)}/webhook/redeliver")

    assert (response.status_code, response.get_json()["code"]) == (404, "webhook_not_found")


def test_the_log_outlives_the_job(client: FlaskClient, queue: Queue, redis: Redis) -> None:
    job_id = submit(client)
    score_all(queue)
    redis.delete(keys.job(job_id))

    assert client.get(f"/result/{job_id}/webhook").status_code == 200
    assert client.post(f"/result/{job_id}/webhook/redeliver").status_code == 202


def test_health_tells_how_full_the_outbox_is(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)
    beat_worker(redis, pid=2, lane="batch")
    client.delete(f"/result/{submit(client)}")

    alone = client.get("/health")
    beat_worker(redis, role="webhooks", state="waiting", version="")
    mute = client.get("/health")
    beat_worker(redis, role="webhooks", version="")
    well = client.get("/health")

    assert {alone.status_code, mute.status_code, well.status_code} == {200}
    assert (alone.get_json()["webhooks"]["pending"], alone.get_json()["webhooks"]["due"]) == (1, 1)
    assert "none lives" in alone.get_json()["problems"][0]
    assert "RHIZOME_WEBHOOK_SECRET" in mute.get_json()["problems"][0]
    assert (well.get_json()["status"], well.get_json()["webhooks"]["deliverers"]) == ("ok", 1)


def test_a_deliverer_is_no_worker(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, role="webhooks")

    assert client.get("/readyz").status_code == 503


def test_the_interface_describes_what_receivers_get(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()

    message = document["webhooks"]["jobEvent"]["post"]
    assert {parameter["name"] for parameter in message["parameters"]} >= {"webhook-id", "webhook-signature"}
    kinds = document["components"]["schemas"]["WebhookMessage"]["properties"]["type"]["enum"]
    assert {"job.started", "job.progress", "job.succeeded", "job.failed", "job.cancelled", "job.expired"} == set(kinds)
