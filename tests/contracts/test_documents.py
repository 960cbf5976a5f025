"""What the worker writes and the gateway passes on is what the OpenAPI document promises."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from gateway.app import create_app
from gateway.service import EXTENSION
from rhizome.blob_store import open_store
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from tests.support.queue import Queue
from tests.support.versions import IRIS_SAMPLE, MODEL_NAME, promote, write_iris
from worker.file_chunks import FileChunks
from worker.latencies import Latencies
from worker.pace import WorkPace
from worker.scorer import Scorer
from worker.scoring import Scoring
from worker.shelf import Shelf

#: A job is single or batch, and succeeded or failed: what only the others have.
ONLY_BATCH = {"results", "rows"}
#: Of a batch whose rows came as a file.
ONLY_FILE = {"source"}
ONLY_FAILED, ONLY_SUCCEEDED = {"error"}, {"result"}
#: What only a job has that was submitted with a deadline, or with a webhook.
ONLY_ASKED_FOR = {"expires_at", "webhook_status"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "object": dict,
    "array": list,
    "number": (int, float),
    "integer": int,
    "null": type(None),
}


@pytest.fixture
def client(redis: Redis, redis_server: str, tmp_path: Path) -> Iterator[FlaskClient]:
    """The gateway before a worker that answers nothing by itself."""
    promote(redis, write_iris(tmp_path))
    app = create_app(Settings(redis_url=redis_server, chunk_rows=2), redis)
    yield app.test_client()
    app.extensions[EXTENSION].notices.stop()


@pytest.fixture
def score(redis: Redis, tmp_path: Path) -> Any:
    """Answers what waits, as a worker would."""
    queue = Queue(redis)
    store = VersionStore(tmp_path, MODEL_NAME)
    shelf, blobs = Shelf(store, None), open_store(f"{tmp_path.as_uri()}/blobs")

    def run() -> None:
        shelf.champion = shelf.get(store.names()[0])
        for claims in (queue.scorer(), queue.batch_scorer()):
            scoring = Scoring(shelf, claims, Latencies(), FileChunks(blobs, claims, queue.settings))
            Scorer(claims, scoring, queue.settings, lambda: False, WorkPace(256)).run()

    return run


def schemas_of(client: FlaskClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").get_json()["components"]["schemas"])


def assert_fits(document: dict[str, Any], schema: dict[str, Any]) -> None:
    """Checks what a client relies on: required fields, types, constants and enumerations."""
    assert set(schema["required"]) <= set(document)
    for name, facts in schema["properties"].items():
        if name not in document:
            continue
        value = document[name]
        if "enum" in facts:
            assert value in facts["enum"], name
        if "const" in facts:
            assert value == facts["const"], name
        if "type" in facts:
            types = facts["type"] if isinstance(facts["type"], list) else [facts["type"]]
            assert any(isinstance(value, TYPES[kind]) for kind in types), name


def test_a_single_jobs_result_has_every_promised_field(client: FlaskClient, score: Any) -> None:
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    score()

    document, schema = client.get(path).get_json(), schemas_of(client)["Job"]

    assert_fits(document, schema)
    assert set(schema["properties"]) - ONLY_BATCH - ONLY_FAILED - ONLY_FILE - ONLY_ASKED_FOR <= set(document)
    assert not set(document) & (ONLY_BATCH | ONLY_FAILED)
    assert set(document["result"]) == set(schema["properties"]["result"]["properties"])
    assert document["result"]["label"] in schema["properties"]["result"]["properties"]["label"]["enum"]


def test_a_failed_jobs_result_has_every_promised_field(
    client: FlaskClient, score: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhizome.job_queue.claiming.REFUSALS_END_SECONDS", 0.0)
    path = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    job_id = path.rpartition("/")[2]
    stream = "rhizome:lane:interactive"
    redis.delete(stream)
    redis.delete(f"rhizome:job:{job_id}")
    Queue(redis).resubmit(broken_request(job_id))
    score()

    document, schema = client.get(path).get_json(), schemas_of(client)["Job"]

    assert_fits(document, schema)
    assert document["status"] == "failed"
    assert set(schema["properties"]) - ONLY_BATCH - ONLY_SUCCEEDED - ONLY_FILE - ONLY_ASKED_FOR <= set(document)
    assert set(document["error"]) == {"code", "detail"}


def broken_request(job_id: str) -> Any:
    from tests.support.queue import build_request

    return build_request(job_id, payload=b"short", version="20250101T000000Z-00000000", pinned=True)


def test_a_batchs_result_has_every_promised_field(client: FlaskClient, score: Any) -> None:
    path = client.post("/predict/batch", json={"instances": [IRIS_SAMPLE] * 3}).headers["Location"]
    score()

    document, schema = client.get(path).get_json(), schemas_of(client)["Job"]

    assert_fits(document, schema)
    assert set(schema["properties"]) - ONLY_SUCCEEDED - ONLY_FAILED - ONLY_FILE - ONLY_ASKED_FOR <= set(document)
    assert len(document["results"]) == 3
    assert all(set(answer) == {"label", "probabilities"} for answer in document["results"])
    assert set(document["timings"]) == {"queued_ms", "compute_ms", "total_ms"}


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_receipt_is_what_is_promised(client: FlaskClient, path: str) -> None:
    body = IRIS_SAMPLE if path == "/predict" else {"instances": [IRIS_SAMPLE]}

    document, schemas = client.post(path, json=body).get_json(), schemas_of(client)

    assert_fits(document, schemas["Receipt"])
    assert set(schemas["Receipt"]["properties"]) <= set(document)
    pending = client.get(document["urls"]["result"]).get_json()
    assert_fits(pending, schemas["Job"])
    id_pattern = client.get("/openapi.json").get_json()["paths"]["/result/{id}"]["get"]["parameters"][0]
    assert re.fullmatch(id_pattern["schema"]["pattern"], document["id"])


def test_a_problem_is_what_is_promised(client: FlaskClient) -> None:
    document, schema = client.post("/predict", json={}).get_json(), schemas_of(client)["Problem"]

    assert_fits(document, schema)
    assert set(document) == set(schema["properties"])
    assert all(set(error) == {"field", "problem", "remedy"} for error in document["errors"])


def test_a_single_and_a_batch_job_share_their_head(client: FlaskClient, score: Any) -> None:
    single = client.post("/predict", json=IRIS_SAMPLE).headers["Location"]
    batch = client.post("/predict/batch", json={"instances": [IRIS_SAMPLE]}).headers["Location"]
    pending = set(client.get(single).get_json())
    score()

    documents = [client.get(path).get_json() for path in (single, batch)]

    head = {"id", "status", "kind", "lane", "request_id", "submitted_at", "finished_at", "version", "timings"}
    assert all(head <= set(document) for document in documents)
    assert pending - {"urls"} <= set(documents[0])
    assert json.dumps(documents)
