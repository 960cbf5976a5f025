"""Rows in a form that is not at hand are made on demand: who cannot or will not wait for it is told so at once."""

import threading
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gateway.results.negotiation import TYPE_OF_FORMAT
from rhizome import keys
from rhizome.blob_slices import FileFormat, export_path
from rhizome.job_queue.exporting import end_export, fail_export
from tests.support.queue import Queue
from tests.unit.gateway.conftest import CHAMPION, BuildApp, service_of
from tests.unit.gateway.results.conftest import BAD, SETOSA, Results
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


@pytest.mark.parametrize(
    ("source", "form"), [("csv", "parquet"), ("parquet", "parquet"), ("csv", "ndjson"), ("ndjson", "csv")]
)
def test_who_waits_gets_the_file_once_a_worker_has_made_it(
    results: Results, client: FlaskClient, source: str, form: str
) -> None:
    job_id, content, form = results.answer_file([SETOSA], source=source), b"made by a worker", FileFormat(form)

    def make() -> None:
        with results.here.blobs.open_writer(export_path(job_id, form)) as writer:
            writer.write(content)
            writer.commit()
        end_export(results.here.redis, job_id, form)

    worker = threading.Timer(0.2, make)
    worker.start()
    response = client.get(f"/result/{job_id}?wait=20", headers={"Accept": TYPE_OF_FORMAT[form]})
    worker.join()

    assert (response.status_code, response.data) == (200, content)
    assert response.headers["Content-Disposition"] == f'attachment; filename="{job_id}.{form}"'


def test_who_waits_is_told_that_it_cannot_be_made(results: Results, client: FlaskClient) -> None:
    job_id = results.answer_request([SETOSA])
    worker = threading.Timer(0.2, fail_export, args=(results.here.redis, job_id, FileFormat.PARQUET))
    worker.start()

    response = client.get(f"/result/{job_id}?format=parquet&wait=20")
    worker.join()

    assert_is_problem(response, 409, "rows_incomplete")
    assert "another form" in response.get_json()["detail"]
    assert "Retry-After" not in response.headers


def test_one_that_is_still_made_is_told_with_the_time_to_ask_again(results: Results, client: FlaskClient) -> None:
    job_id = results.answer_request([SETOSA])

    responses = [client.get(f"/result/{job_id}?format=parquet&wait=0") for _ in range(3)]

    for response in responses:
        assert_is_problem(response, 409, "export_not_ready")
        assert response.headers["Retry-After"] == "1"
    assert results.here.redis.llen(keys.EXPORT_QUEUE) == 1


def test_rows_that_can_be_no_table_are_asked_of_no_worker(results: Results, client: FlaskClient) -> None:
    unbound, waiting = results.answer_request([BAD], is_bound=False), results.queue.submit_batch(1)

    for job_id in (unbound, waiting):
        assert_is_problem(client.get(f"/result/{job_id}?format=parquet"), 409, "rows_incomplete")

    assert results.here.redis.llen(keys.EXPORT_QUEUE) == 0
