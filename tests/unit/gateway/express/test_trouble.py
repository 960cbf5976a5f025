"""The short way in trouble: whoever asked is answered, once, on time, and with the truth."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from gateway.app import create_app
from gateway.dispatching import Dispatcher
from gateway.round_trips import RoundTrips
from rhizome.connection import connect
from rhizome.registry import Registry
from rhizome.settings import Settings
from tests.support.dispatched import Answer, Dispatched, build_scope, dispatched
from tests.support.queue import Queue
from tests.support.redis_server import RedisServer
from tests.support.service import eventually
from tests.support.versions import IRIS_SAMPLE, MODEL_NAME
from tests.unit.gateway.conftest import CHAMPION, BuildApp, service_of

SAMPLE = json.dumps(IRIS_SAMPLE).encode()
SHOWN = ("status", "code", "title", "detail")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", fsync="no")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def app_alone(server: RedisServer) -> Iterator[Flask]:
    """An application on a Redis of its own, which knows its champion."""
    redis = connect(server.url)
    registry = Registry(redis, MODEL_NAME)
    registry.register(CHAMPION)
    registry.promote(CHAMPION.version, reason="a test")
    app = create_app(Settings(redis_url=server.url), redis)
    yield app
    service_of(app).notices.stop()


@pytest.fixture
def alone(app_alone: Flask) -> Iterator[Dispatched]:
    with dispatched(app_alone) as sender:
        yield sender


@pytest.mark.parametrize("path", ["/predict", "/predict?wait=5"])
def test_without_redis_a_submit_is_told_as_by_the_routes(
    alone: Dispatched, app_alone: Flask, server: RedisServer, path: str
) -> None:
    assert alone.send("POST", "/predict", SAMPLE).status == 202
    server.kill()

    answer = alone.send("POST", path, SAMPLE)
    by_routes = app_alone.test_client().post(path, data=SAMPLE, content_type="application/json")

    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "queue_unavailable", "1")
    assert by_routes.status_code == 503
    assert {name: answer.json[name] for name in SHOWN} == {name: by_routes.get_json()[name] for name in SHOWN}


@pytest.mark.parametrize("wait", ["", "?wait=5"])
def test_without_redis_a_read_is_told(alone: Dispatched, server: RedisServer, wait: str) -> None:
    job_id = alone.send("POST", "/predict", SAMPLE).json["id"]
    server.kill()

    answer = alone.send("GET", f"/result/{job_id}{wait}")

    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert answer.times == 1


def test_a_wait_ends_on_time_while_redis_hangs(alone: Dispatched, server: RedisServer) -> None:
    begun = time.monotonic()
    answer = alone.begin("POST", "/predict?wait=2", SAMPLE)
    redis = connect(server.url)
    eventually(lambda: redis.keys("rhizome:job:*"), what="the job")
    server.pause()
    try:
        answer.wait()
    finally:
        server.resume()

    assert answer.status == 202
    assert time.monotonic() - begun < 3.5  # a read of a Redis that hangs takes 8 s


def test_a_process_lives_though_all_its_routes_wait_for_a_redis_that_hangs(
    alone: Dispatched, app_alone: Flask, server: RedisServer
) -> None:
    threads = service_of(app_alone).settings.gateway_threads
    server.pause()
    try:
        waiting = [alone.begin("GET", "/models") for _ in range(2 * threads)]
        alive = alone.begin("GET", "/livez")
        answered = [answer.arrived.is_set() for answer in (alive, *waiting)]
    finally:
        server.resume()

    assert answered == [True] + [False] * len(waiting)
    assert {answer.wait().status for answer in waiting} <= {200, 503}


@pytest.mark.parametrize("path", ["/predict", "/predict?wait=5"])
def test_what_nobody_foresaw_is_an_internal_error_for_all_and_the_next_are_served(
    gateway: Dispatched, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("inside")

    with monkeypatch.context() as patch:
        patch.setattr(RoundTrips, "_exchange", fail)
        submit, read = gateway.send("POST", path, SAMPLE), gateway.send("GET", f"/result/{'a' * 32}")
    again = gateway.send("POST", "/predict", SAMPLE)

    assert [(answer.status, answer.json["code"]) for answer in (submit, read)] == [
        (500, "internal_error"),
        (404, "job_not_found"),  # that id was not minted here: Redis is not asked
    ]
    assert b"inside" not in submit.body
    assert again.status == 202


def test_a_read_that_fails_is_answered_once(gateway: Dispatched, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queue.submit()

    def fail(*_: Any) -> None:
        raise ValueError("inside")

    monkeypatch.setattr(RoundTrips, "_exchange", fail)
    answer = gateway.send("GET", f"/result/{job_id}?wait=0.3")
    time.sleep(0.5)

    assert (answer.status, answer.json["code"], answer.times) == (500, "internal_error", 1)


def test_a_body_above_the_settings_bound_is_refused_as_by_the_routes(build_app: BuildApp, registry: Registry) -> None:
    app = build_app(max_body_bytes=len(SAMPLE) - 1)
    with dispatched(app) as gateway:
        answer = gateway.send("POST", "/predict", SAMPLE)
    by_routes = app.test_client().post("/predict", data=SAMPLE, content_type="application/json")

    assert (answer.status, answer.json["code"]) == (by_routes.status_code, by_routes.get_json()["code"])
    assert answer.status == 413


def test_an_http2_body_of_unknown_length_is_read(gateway: Dispatched) -> None:
    answer = Answer()
    scope = build_scope("POST", "/predict", None, {"Content-Type": "application/json"}, io.BytesIO(SAMPLE))
    scope["SERVER_PROTOCOL"] = "HTTP/2.0"

    gateway.dispatcher(answer, scope)

    assert answer.wait().status == 202


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_who_waits_is_answered_when_the_process_is_about_to_end(
    gateway: Dispatched, app: Flask, queue: Queue, method: str
) -> None:
    notices = service_of(app).notices
    job_id = queue.submit()
    asked = ("POST", "/predict?wait=30", SAMPLE) if method == "POST" else ("GET", f"/result/{job_id}?wait=30")
    answer = gateway.begin(*asked)
    eventually(lambda: notices.waiting, what="the wait")

    notices.end_waits()

    assert answer.wait().json["status"] == "queued"
    assert answer.status == (202 if method == "POST" else 200)
    assert gateway.send(*asked).json["status"] == "queued"  # at once: nobody waits any more


def test_the_routes_end_their_waits_too(gateway: Dispatched, app: Flask) -> None:
    notices = service_of(app).notices
    batch = json.dumps({"instances": [IRIS_SAMPLE]}).encode()
    answer = gateway.begin("POST", "/predict/batch?wait=30", batch)
    eventually(lambda: notices.waiting, what="the wait")

    notices.end_waits()

    assert answer.wait().status == 202
    assert isinstance(gateway.dispatcher, Dispatcher)
