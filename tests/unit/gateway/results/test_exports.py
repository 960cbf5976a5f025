"""Parquet of a batch's rows is made on demand: who cannot or will not wait for it is told so at once."""

import time
from pathlib import Path

import pytest

from tests.support.queue import Queue
from tests.unit.gateway.conftest import CHAMPION, BuildApp, service_of
from tests.unit.gateway.test_batch_routes import assert_is_problem, batch_of, finish

pytestmark = pytest.mark.usefixtures("registry")


def test_without_a_place_to_wait_nobody_waits_for_an_export(build_app: BuildApp, queue: Queue, tmp_path: Path) -> None:
    app = build_app(blob_url=tmp_path.as_uri(), max_waiters=1)
    client = app.test_client()
    path = client.post("/predict/batch", json=batch_of(2)).headers["Location"]
    queue.scorer().bind_version(path.removeprefix("/result/"), CHAMPION.version)
    finish(queue)
    waiter = service_of(app).notices.register("another job")
    assert waiter is not None
    began = time.monotonic()

    with waiter:
        response = client.get(f"{path}?format=parquet&wait=20")

    assert_is_problem(response, 409, "export_not_ready")
    assert time.monotonic() - began < 3


def test_who_says_not_to_wait_does_not_wait_for_an_export(build_app: BuildApp, queue: Queue, tmp_path: Path) -> None:
    client = build_app(blob_url=tmp_path.as_uri()).test_client()
    path = client.post("/predict/batch", json=batch_of(2)).headers["Location"]
    queue.scorer().bind_version(path.removeprefix("/result/"), CHAMPION.version)
    finish(queue)
    began = time.monotonic()

    response = client.get(f"{path}?format=parquet&wait=0")

    assert_is_problem(response, 409, "export_not_ready")
    assert time.monotonic() - began < 3
