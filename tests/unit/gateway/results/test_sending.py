"""Rows as a response: whole or in part, compressed or not, or not changed since; never more than there is room for."""

import gzip
import threading

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.results import sending
from gateway.uploads.decoding import load_zstd
from rhizome.blob_slices import FileFormat, export_path
from tests.support.queue import Queue
from tests.unit.gateway.results.conftest import SETOSA, VIRGINICA, Results
from tests.unit.gateway.test_batch_routes import assert_is_problem, batch_of, finish

DECOMPRESS = {"gzip": gzip.decompress, "zstd": load_zstd().decompress}
CHUNKS = ([SETOSA, VIRGINICA] * 20, [VIRGINICA] * 10)
BOTH_WAYS = pytest.mark.parametrize("way", ["answer_request", "answer_file"])
FORMS = pytest.mark.parametrize("form", ["ndjson", "csv"])


@pytest.mark.parametrize(("condition", "status"), [("{tag}", 206), ("W/{tag}", 200), ('"another"', 200)])
def test_a_part_is_sent_under_a_strong_tag_of_these_rows_only(
    client: FlaskClient, queue: Queue, condition: str, status: int
) -> None:
    path = client.post("/predict/batch", json=batch_of(3)).headers["Location"]
    finish(queue)
    address = f"{path}?format=ndjson"
    whole = client.get(address)

    headers = {"Range": "bytes=2-5", "If-Range": condition.format(tag=whole.headers["ETag"])}
    response = client.get(address, headers=headers)

    assert response.status_code == status
    assert response.data == (whole.data[2:6] if status == 206 else whole.data)


@BOTH_WAYS
@FORMS
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=5-14", slice(5, 15)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=10-999999999", slice(10, None)),
        ("bytes=700-900", slice(700, 901)),
    ],
)
def test_a_part_is_those_bytes_of_the_whole(
    results: Results, client: FlaskClient, way: str, form: str, asked: str, part: slice
) -> None:
    address = f"/result/{results.answer(way, form, *CHUNKS)}?format={form}"
    whole = client.get(address)

    response = client.get(address, headers={"Range": asked, "Accept-Encoding": "gzip"})

    places = range(len(whole.data))[part]
    assert response.status_code == 206
    assert response.data == whole.data[part]
    assert response.headers["Content-Range"] == f"bytes {places[0]}-{places[-1]}/{len(whole.data)}"
    assert response.headers["Content-Length"] == str(len(places))
    assert "Content-Encoding" not in response.headers
    assert response.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    "asked", ["lines=0-5", "bytes=0-1,4-5", "bytes=5-2", "bytes", "bytes=x-y", "bytes=0-", "bytes=0-999999999"]
)
def test_a_range_that_is_none_or_everything_is_the_whole(results: Results, client: FlaskClient, asked: str) -> None:
    address = f"/result/{results.answer_request(*CHUNKS)}?format=csv"

    response = client.get(address, headers={"Range": asked})

    assert (response.status_code, response.data) == (200, client.get(address).data)


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=999999-9999999"])
def test_a_range_beyond_the_end_is_told_the_size(results: Results, client: FlaskClient, asked: str) -> None:
    address = f"/result/{results.answer_file(*CHUNKS)}?format=csv"
    size = len(client.get(address).data)

    response = client.get(address, headers={"Range": asked})

    assert_is_problem(response, 416, "range_not_satisfiable")
    assert response.headers["Content-Range"] == f"bytes */{size}"


@BOTH_WAYS
@FORMS
@pytest.mark.parametrize("encoding", DECOMPRESS)
def test_compressed_rows_are_the_same_rows(
    results: Results, client: FlaskClient, way: str, form: str, encoding: str
) -> None:
    address = f"/result/{results.answer(way, form, *CHUNKS)}?format={form}"
    plain = client.get(address)

    response = client.get(address, headers={"Accept-Encoding": encoding})

    assert response.headers["Content-Encoding"] == encoding
    assert DECOMPRESS[encoding](response.data) == plain.data
    assert "Content-Length" not in response.headers
    assert response.headers["Content-Type"] == plain.headers["Content-Type"]
    assert "Accept-Encoding" in response.headers["Vary"]


def test_each_form_and_encoding_has_a_tag_of_its_own(results: Results, client: FlaskClient) -> None:
    job_id = results.answer_request(*CHUNKS)

    tags = [
        client.get(f"/result/{job_id}?format={form}", headers={"Accept-Encoding": encoding}).headers["ETag"]
        for form in ("csv", "ndjson")
        for encoding in ("identity", "gzip", "zstd")
    ]

    assert len(set(tags)) == len(tags)
    assert not any(tag.startswith("W/") for tag in tags)


def test_rows_that_are_known_are_not_sent_again(results: Results, client: FlaskClient) -> None:
    address = f"/result/{results.answer_file(*CHUNKS)}?format=csv"
    tag = client.get(address).headers["ETag"]

    known = client.get(address, headers={"If-None-Match": tag})
    other = client.get(address, headers={"If-None-Match": '"another"'})

    assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", tag)
    assert other.status_code == 200


@pytest.mark.parametrize(("form", "mimetype"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")])
def test_rows_are_a_file_to_save(results: Results, client: FlaskClient, form: str, mimetype: str) -> None:
    job_id = results.answer_request(*CHUNKS)

    response = client.get(f"/result/{job_id}", headers={"Accept": mimetype})

    assert response.mimetype == mimetype
    assert response.headers["Content-Disposition"] == f'attachment; filename="{job_id}.{form}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Length"] == str(len(response.data))


def test_parquet_is_never_compressed_again(results: Results, client: FlaskClient) -> None:
    job_id = results.answer_file(*CHUNKS)
    with results.here.blobs.open_writer(export_path(job_id, FileFormat.PARQUET)) as writer:
        writer.write(b"PAR1....PAR1")
        writer.commit()

    response = client.get(f"/result/{job_id}?format=parquet", headers={"Accept-Encoding": "gzip, zstd"})
    part = client.get(f"/result/{job_id}?format=parquet", headers={"Range": "bytes=-4"})

    assert (response.status_code, response.data) == (200, b"PAR1....PAR1")
    assert response.mimetype == "application/vnd.apache.parquet"
    assert "Content-Encoding" not in response.headers
    assert (part.status_code, part.data) == (206, b"PAR1")


def test_a_head_tells_the_size_and_sends_nothing(results: Results, client: FlaskClient) -> None:
    address = f"/result/{results.answer_file(*CHUNKS)}?format=csv"
    whole = client.get(address)

    response = client.head(address)

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == str(len(whole.data))


@pytest.fixture
def one_download(results: Results, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    monkeypatch.setattr(sending, "SLOT_SECONDS", 0.05)
    slots = threading.Semaphore(1)
    object.__setattr__(results.here, "download_slots", slots)
    return slots


def test_a_download_too_many_is_refused_until_another_ends(
    results: Results, client: FlaskClient, one_download: threading.Semaphore
) -> None:
    address = f"/result/{results.answer_file(*CHUNKS)}?format=csv"

    first: TestResponse = client.get(address, buffered=False)
    refused = client.get(address)
    first.close()
    first.close()  # as servers may
    again = client.get(address)

    assert_is_problem(refused, 503, "too_many_waiters")
    assert refused.headers["Retry-After"]
    assert again.status_code == 200
    again.close()
    assert one_download.acquire(blocking=False)
    assert not one_download.acquire(blocking=False)


def test_what_is_not_sent_takes_no_slot(
    results: Results, client: FlaskClient, one_download: threading.Semaphore
) -> None:
    address = f"/result/{results.answer_file(*CHUNKS)}?format=csv"
    whole = client.get(address)
    whole.close()

    for headers in ({"If-None-Match": whole.headers["ETag"]}, {"Range": "bytes=999999-"}):
        for _ in range(2):
            assert client.get(address, headers=headers).status_code in (304, 416)

    assert one_download.acquire(blocking=False)
