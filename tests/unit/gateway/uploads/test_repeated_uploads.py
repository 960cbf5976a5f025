"""An upload that is repeated under its Idempotency-Key is its first job, whatever has changed since."""

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from rhizome.blob_slices import ChunkParts, encode_parts
from rhizome.jobs import Lane
from rhizome.registry import Registry
from tests.support.queue import Queue, succeed
from tests.support.versions import IRIS_FEATURES, build_manifest, iris_signature, line_signature
from tests.support.webhooks import URL
from tests.unit.gateway.conftest import CHAMPION, OTHER, service_of
from tests.unit.gateway.uploads.conftest import BuildClient, files_in

NAMES = ",".join(IRIS_FEATURES)
CSV = f"{NAMES}\n5.1,3.5,1.4,0.2\n6.9,3.1,5.7,2.3\n".encode()
NDJSON = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}\n'
PARQUET = b"PAR1 whatever stands here, a worker reads it PAR1"
KEY = {"Idempotency-Key": "k-1"}
RENAMED = build_manifest(
    version="20260101T000003Z-89ab0123", signature=iris_signature(("length", "width", "depth", "height"))
)
REGRESSION = build_manifest(version="20260101T000004Z-89ab0124", signature=line_signature())

WAYS: dict[str, Any] = {
    "csv": lambda: {"data": CSV, "content_type": "text/csv"},
    "compressed csv": lambda: {
        "data": gzip.compress(CSV, mtime=0),
        "content_type": "text/csv",
        "headers": {"Content-Encoding": "gzip"},
    },
    "ndjson": lambda: {"data": NDJSON, "content_type": "application/x-ndjson"},
    "form": lambda: {"data": {"file": (io.BytesIO(CSV), "flowers.csv"), "return": "label"}},
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def client(build_client: BuildClient) -> FlaskClient:
    return build_client()


def send(client: FlaskClient, way: str = "csv", query: str = "", **changes: Any) -> TestResponse:
    facts = WAYS[way]() | changes
    facts["headers"] = KEY | facts.get("headers", {})
    return client.post(f"/predict/batch{query}", **facts)


def promote(client: FlaskClient, registry: Registry, manifest: Any) -> None:
    registry.register(manifest)
    registry.promote(manifest.version, reason="a test")
    service_of(client.application).champion.forget()


def assert_is_replay(response: TestResponse, first: TestResponse) -> None:
    assert response.status_code == 202, response.text
    assert response.get_json()["id"] == first.get_json()["id"]
    assert response.headers["Idempotency-Replayed"] == "true"
    assert response.headers["Location"] == first.headers["Location"]


@EVERY_WAY
def test_it_is_the_first_job_after_the_champion_changed_its_columns(
    client: FlaskClient, registry: Registry, queue: Queue, way: str
) -> None:
    first = send(client, way)

    promote(client, registry, RENAMED)
    again = send(client, way)

    assert_is_replay(again, first)
    assert queue.waiting(Lane.BATCH) == 1


@EVERY_WAY
def test_nothing_of_it_stays_in_the_store(client: FlaskClient, registry: Registry, store: Path, way: str) -> None:
    send(client, way)
    kept = files_in(store)

    promote(client, registry, RENAMED)
    send(client, way)

    assert len(kept) == 1
    assert files_in(store) == kept


def test_a_large_one_is_read_to_its_end(client: FlaskClient, registry: Registry, queue: Queue) -> None:
    body = CSV + b"5.1,3.5,1.4,0.2\n" * 100_000
    first = send(client, data=body)

    promote(client, registry, RENAMED)
    again = send(client, data=body)

    assert_is_replay(again, first)


def test_the_first_jobs_result_is_given_once_it_is_there(client: FlaskClient, registry: Registry, queue: Queue) -> None:
    send(client)
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()
    scorer.bind_version(chunk.request.job_id, CHAMPION.version)
    parts = ChunkParts(rows=0, failed=0, name="x", form="csv", size=0)
    scorer.finish([succeed(chunk, encode_parts(parts))], claim_next=False)

    promote(client, registry, RENAMED)
    again = send(client, query="?wait=1")

    assert again.status_code == 200, again.text
    assert (again.get_json()["status"], again.get_json()["version"]) == ("succeeded", CHAMPION.version)


@pytest.mark.parametrize(
    "changes",
    [{"data": CSV + b"1,1,1,1\n"}, {"query": "?return=label"}, {"way": "ndjson"}],
    ids=["another file", "another parameter", "another format"],
)
def test_another_request_under_its_key_is_refused_as_without(
    client: FlaskClient, registry: Registry, store: Path, changes: dict[str, Any]
) -> None:
    send(client)
    kept = files_in(store)

    promote(client, registry, RENAMED)
    response = send(client, **changes)

    assert (response.status_code, response.get_json()["code"]) == (422, "invalid_fields")
    assert {problem["field"] for problem in response.get_json()["errors"]} >= {"length", "width"}
    assert files_in(store) == kept


def test_another_file_that_could_be_accepted_is_a_conflict(client: FlaskClient, store: Path) -> None:
    send(client)
    kept = files_in(store)

    response = send(client, data=CSV + b"1,1,1,1\n")

    assert (response.status_code, response.get_json()["code"]) == (409, "idempotency_conflict")
    assert files_in(store) == kept


def test_it_is_the_first_job_though_the_champion_can_no_longer_give_what_is_wanted(
    client: FlaskClient, registry: Registry
) -> None:
    first = send(client, query="?return=probabilities")

    promote(client, registry, REGRESSION)
    again = send(client, query="?return=probabilities")

    assert_is_replay(again, first)


@pytest.mark.parametrize("place", ["query", "form"])
def test_it_is_the_first_job_though_its_version_is_gone(client: FlaskClient, registry: Registry, place: str) -> None:
    def submit() -> TestResponse:
        if place == "query":
            return send(client, query=f"?version={OTHER.version}")
        return send(client, data={"file": (io.BytesIO(CSV), "a.csv"), "version": OTHER.version}, content_type=None)

    first = submit()

    registry.forget(OTHER.version)
    service_of(client.application).champion._known.clear()
    again = submit()

    assert_is_replay(again, first)


def test_it_is_the_first_job_though_the_lane_is_full(build_client: BuildClient, queue: Queue) -> None:
    client = build_client(max_waiting_batch=1)

    first, again = send(client), send(client)

    assert_is_replay(again, first)


def test_it_is_the_first_job_though_the_store_is_full(build_client: BuildClient) -> None:
    first = send(build_client())

    again = send(build_client(blob_min_free_bytes=10**17))

    assert_is_replay(again, first)


def test_it_is_the_first_job_though_redis_is_full(client: FlaskClient, redis: Redis) -> None:
    first = send(client)

    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 1.2))
    try:
        again = send(client)
    finally:
        redis.config_set("maxmemory", "0")

    assert_is_replay(again, first)


def test_it_is_the_first_job_though_its_webhook_could_not_be_had_any_more(build_client: BuildClient) -> None:
    client = build_client(webhook_max_pending=2)
    first = send(client, query=f"?webhook={URL}")
    other = client.post("/predict/batch", data=CSV, content_type="text/csv", query_string={"webhook": URL})
    client.delete(other.headers["Location"])

    again = send(client, query=f"?webhook={URL}")

    assert_is_replay(again, first)


def test_it_is_the_first_job_though_its_format_is_read_by_nobody_yet(client: FlaskClient, registry: Registry) -> None:
    facts = {"data": PARQUET, "content_type": "application/vnd.apache.parquet"}
    first = send(client, **facts)

    promote(client, registry, RENAMED)
    again = send(client, **facts)

    assert_is_replay(again, first)
