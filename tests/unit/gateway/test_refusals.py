"""What the job routes refuse: each with its status and code, and without a trace in the queue."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from gateway.problems import CONTENT_TYPE
from rhizome.embedded_redis import find_free_port
from rhizome.jobs import Lane
from rhizome.registry import Registry
from tests.support.queue import Queue
from tests.support.versions import IRIS_SAMPLE
from tests.unit.gateway.conftest import OTHER, BuildApp


def assert_is_problem(response: TestResponse, status: int, code: str) -> None:
    assert (response.status_code, response.content_type) == (status, CONTENT_TYPE), response.text
    assert response.get_json()["code"] == code


@pytest.mark.parametrize("wait", ["abc", "-1", "nan", "inf", ""])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", f"/result/{'a' * 32}"])
def test_a_bad_wait_is_refused(client: FlaskClient, path: str, wait: str) -> None:
    send = client.get if path.startswith("/result") else client.post

    assert_is_problem(send(f"{path}?wait={wait}", json={}), 400, "bad_parameter")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"{", 400, "malformed_json"),
        (b"[" * 10_000, 400, "malformed_json"),
        (b"\xff", 400, "malformed_json"),
        (b"[]", 422, "invalid_fields"),
        (b"{}", 422, "invalid_fields"),
        (b'{"sepal_length": NaN}', 422, "invalid_fields"),
        (b'{"sepal_length": 1' + b"0" * 400 + b"}", 422, "invalid_fields"),
        (b'{"instances": []}', 422, "invalid_fields"),
    ],
    ids=lambda value: str(value)[:24],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_bad_body_is_a_problem_and_no_job(
    client: FlaskClient, queue: Queue, path: str, body: bytes, status: int, code: str
) -> None:
    response = client.post(path, data=body, content_type="application/json")

    assert_is_problem(response, status, code)
    assert response.get_json().get("errors") or code == "empty_body"
    assert queue.submissions.depths()[Lane.INTERACTIVE].waiting == 0
    assert queue.bells() == 0


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_an_oversized_body_is_refused(build_app: BuildApp, registry: Registry, path: str) -> None:
    client = build_app(max_body_bytes=100).test_client()

    response = client.post(path, data=b" " * 101, content_type="application/json")

    assert_is_problem(response, 413, "body_too_large")
    assert "100 bytes accepted (RHIZOME_MAX_BODY_BYTES)" in response.get_json()["detail"]


def test_a_setting_that_sets_no_bound_is_not_named(build_app: BuildApp, registry: Registry) -> None:
    response = build_app().test_client().post("/predict", data=b" " * (1024**2 + 1), content_type="application/json")

    assert_is_problem(response, 413, "body_too_large")
    assert "RHIZOME_MAX_BODY_BYTES" not in response.get_json()["detail"]


def test_an_oversized_body_without_a_length_is_refused(build_app: BuildApp, registry: Registry) -> None:
    client = build_app(max_body_bytes=100).test_client()
    as_granian_sends_it = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}

    response = client.post(
        "/predict", data=b" " * 101, content_type="application/json", environ_overrides=as_granian_sends_it
    )

    assert_is_problem(response, 413, "body_too_large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/html", None])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_another_content_type_is_refused(client: FlaskClient, path: str, content_type: str | None) -> None:
    response = client.post(path, data=json.dumps(IRIS_SAMPLE), content_type=content_type)

    assert_is_problem(response, 415, "unsupported_media_type")


def test_a_batch_of_another_content_type_is_told_of_files(client: FlaskClient) -> None:
    detail = client.post("/predict/batch", data="a,b", content_type="text/plain").get_json()["detail"]

    assert [form for form in ("application/json", "CSV", "NDJSON", "Parquet") if form not in detail] == []


def test_a_full_lane_is_told(build_app: BuildApp, registry: Registry) -> None:
    client = build_app(max_waiting_interactive=1).test_client()
    client.post("/predict", json=IRIS_SAMPLE)

    response = client.post("/predict", json=IRIS_SAMPLE)

    assert_is_problem(response, 429, "lane_full")
    assert response.headers["Retry-After"].isdigit()


def test_without_a_champion_nothing_is_accepted(build_app: BuildApp, redis: Redis) -> None:
    assert_is_problem(build_app().test_client().post("/predict", json=IRIS_SAMPLE), 503, "no_champion")


def test_without_redis_every_call_but_livez_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.app import create_app
    from rhizome.connection import connect
    from rhizome.settings import Settings

    url = f"redis://127.0.0.1:{find_free_port()}/0"
    app = create_app(Settings(redis_url=url, admin_key="k"), connect(url))
    client = app.test_client()

    for response in (
        client.post("/predict", json=IRIS_SAMPLE),
        client.post("/predict/batch", json={"instances": [IRIS_SAMPLE]}),
        client.get(f"/result/{'a' * 32}"),
        client.get("/models"),
        client.get("/openapi.json"),
        client.post("/retrain", headers={"Authorization": "Bearer k"}),
    ):
        assert_is_problem(response, 503, "queue_unavailable")
        assert response.headers["Retry-After"].isdigit()
    assert client.get("/livez").status_code == 200
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"version": 5}, "invalid_fields"),
        ({"version": ["x"]}, "invalid_fields"),
        ({"version": None, "sepal_length": "x"}, "invalid_fields"),
        ({"version": OTHER.version, "sepal_length": "x"}, "invalid_fields"),
        ({"version": "v" * 10_000}, "invalid_fields"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_bad_body_that_names_a_version_is_still_a_bad_body(
    client: FlaskClient, queue: Queue, path: str, body: dict[str, Any], code: str
) -> None:
    response = client.post(path, json=body)

    assert_is_problem(response, 422, code)
    assert len(response.text) < 5000
    assert queue.waiting(Lane.INTERACTIVE) + queue.waiting(Lane.BATCH) == 0


def test_a_deep_body_that_names_a_version_is_malformed(client: FlaskClient) -> None:
    body = b'{"version": "v1", "a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"

    response = client.post("/predict", data=body, content_type="application/json")

    assert_is_problem(response, 400, "malformed_json")
