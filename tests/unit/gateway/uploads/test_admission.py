"""What speaks against a file before it is read is said before it is read; what arises meanwhile, at once."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from rhizome import blob_folder, keys
from rhizome.blob_folder import FolderStore
from rhizome.jobs import Lane
from tests.support.queue import Queue
from tests.support.versions import IRIS_FEATURES
from tests.support.webhooks import URL
from tests.unit.gateway.uploads.conftest import BuildClient, files_in

CSV = (",".join(IRIS_FEATURES) + "\n5.1,3.5,1.4,0.2\n").encode()
LARGE = 100 * 1024 * 1024


class Endless(io.RawIOBase):
    """A body that is made while it is read, and counts."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"\n" * len(buffer)
        self.read_bytes += len(buffer)
        return len(buffer)


@pytest.fixture
def full_redis(redis: Redis) -> Iterator[None]:
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 1.2))
    yield
    redis.config_set("maxmemory", "0")


def offer(client: FlaskClient, query: dict[str, str] | None = None) -> tuple[Any, int]:
    """Begins to send a large file; the answer, and how much of the file was read."""
    sent = Endless()
    response = client.post(
        "/predict/batch",
        content_type="text/csv",
        query_string=query,
        environ_overrides={"wsgi.input": sent, "CONTENT_LENGTH": str(LARGE)},
    )
    return response, sent.read_bytes


def assert_is_refused_unread(client: FlaskClient, status: int, code: str, query: dict[str, str] | None = None) -> Any:
    response, read_bytes = offer(client, query)

    assert (response.status_code, response.get_json()["code"]) == (status, code), response.text
    assert read_bytes == 0
    return response.get_json()


def test_webhooks_that_are_switched_off_are_told_first(build_client: BuildClient) -> None:
    client = build_client(webhook_secret=None)

    assert_is_refused_unread(client, 403, "webhooks_switched_off", {"webhook": URL})


def test_a_webhook_that_can_be_none_is_told_first(build_client: BuildClient) -> None:
    problem = assert_is_refused_unread(build_client(), 422, "invalid_fields", {"webhook": "http://127.0.0.1/hook"})

    assert [error["field"] for error in problem["errors"]] == ["webhook"]
    assert problem["errors"][0]["remedy"]


def test_too_many_pending_webhooks_are_told_first(build_client: BuildClient) -> None:
    client = build_client(webhook_max_pending=2)
    job = client.post("/predict/batch", data=CSV, content_type="text/csv", query_string={"webhook": URL})
    client.delete(job.headers["Location"])

    assert_is_refused_unread(client, 429, "webhooks_full", {"webhook": URL})


def test_a_full_lane_is_told_first(build_client: BuildClient, queue: Queue) -> None:
    client = build_client(max_waiting_batch=1)
    client.post("/predict/batch", data=CSV, content_type="text/csv")

    assert_is_refused_unread(client, 429, "lane_full")


@pytest.mark.usefixtures("full_redis")
def test_a_full_redis_is_told_first(build_client: BuildClient) -> None:
    problem = assert_is_refused_unread(build_client(), 503, "storage_full")

    assert "Redis" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"version": "never"}, 404, "version_not_found", "version"),
        ({"deadline_ms": "soon"}, 400, "bad_parameter", "deadline_ms"),
        ({"webhook": ""}, 400, "bad_parameter", "webhook"),
    ],
)
def test_an_option_that_is_unusable_is_told_first(
    build_client: BuildClient, query: dict[str, str], status: int, code: str, field: str
) -> None:
    response, read_bytes = offer(build_client(), query)

    assert (response.status_code, response.get_json()["code"]) == (status, code)
    assert [error["field"] for error in response.get_json()["errors"]] == [field]
    assert read_bytes == 0


def test_a_full_store_is_told_first(build_client: BuildClient, store: Path) -> None:
    problem = assert_is_refused_unread(build_client(blob_min_free_bytes=10**17), 503, "file_store_full")

    assert "RHIZOME_BLOB_MIN_FREE_BYTES" in problem["detail"]
    assert files_in(store) == []


def test_a_file_that_would_fill_the_store_is_told_first(
    build_client: BuildClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: 1000 + LARGE - 1)
    client = build_client(blob_min_free_bytes=1000)

    assert_is_refused_unread(client, 503, "file_store_full")
    assert client.post("/predict/batch", data=CSV, content_type="text/csv").status_code == 202


def test_without_a_bound_nobody_looks_at_the_room(build_client: BuildClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: 0)
    client = build_client(blob_min_free_bytes=0)

    assert client.post("/predict/batch", data=CSV, content_type="text/csv").status_code == 202


def test_a_store_that_fills_up_meanwhile_ends_the_upload(
    build_client: BuildClient, queue: Queue, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([10**9] * 2 + [999] * 9)  # before the file, at its beginning, and then
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: next(left))
    client = build_client(blob_min_free_bytes=1000)
    rows = 2 * blob_folder.SPACE_BYTES // len(b"5.1,3.5,1.4,0.2\n")

    response = client.post("/predict/batch", data=CSV + b"5.1,3.5,1.4,0.2\n" * rows, content_type="text/csv")

    assert (response.status_code, response.get_json()["code"]) == (503, "file_store_full")
    assert response.headers["Retry-After"]
    assert files_in(store) == []
    assert queue.waiting(Lane.BATCH) == 0


def test_the_room_of_a_folder_that_is_still_to_be_made_is_known(tmp_path: Path) -> None:
    free = FolderStore(tmp_path / "not" / "there").free_bytes()

    assert free > 0


@pytest.mark.parametrize(("asked", "kept"), [(None, b"10"), ("-1", b"10"), ("3", b"3"), ("2000", b"10"), ("0", b"0")])
def test_a_file_may_have_no_more_bad_rows_than_is_set(
    build_client: BuildClient, queue: Queue, asked: str | None, kept: bytes
) -> None:
    client, query = build_client(max_failed_rows=10), {} if asked is None else {"error_threshold": asked}

    response = client.post("/predict/batch", data=CSV, content_type="text/csv", query_string=query)

    job_id = response.get_json()["id"]
    assert queue.redis.hget(keys.job(job_id), "error_threshold") == kept


def test_a_file_of_too_many_rows_becomes_no_job(build_client: BuildClient, queue: Queue, store: Path) -> None:
    client = build_client(max_file_rows=10)

    response = client.post("/predict/batch", data=CSV + b"5.1,3.5,1.4,0.2\n" * 10, content_type="text/csv")

    assert (response.status_code, response.get_json()["code"]) == (413, "body_too_large")
    assert "RHIZOME_MAX_FILE_ROWS" in response.get_json()["detail"]
    assert files_in(store) == []
    assert queue.waiting(Lane.BATCH) == 0
