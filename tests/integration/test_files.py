"""Large batches as files, through a whole service: every format in, every form out."""

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gateway.uploads.decoding import load_zstd
from tests.support.service import SAMPLE, Service, children_of, eventually
from worker.sweeping import SWEEP_SECONDS

NAMES = tuple(SAMPLE)
ROWS = 30_000
CHOOSER = random.Random(7)
VALUES = [[CHOOSER.randint(10, 70) / 10 for _ in NAMES] for _ in range(ROWS)]
WAIT = {"wait": 60}
HEADER = (",".join(NAMES) + "\n").encode()


def as_csv(values: list[list[float]] = VALUES) -> bytes:
    return HEADER + b"".join(",".join(map(str, row)).encode() + b"\n" for row in values)


def as_ndjson(values: list[list[float]] = VALUES) -> bytes:
    return b"".join(json.dumps(dict(zip(NAMES, row, strict=True))).encode() + b"\n" for row in values)


def as_parquet() -> bytes:
    out = io.BytesIO()
    columns = dict(zip(NAMES, map(list, zip(*VALUES, strict=True)), strict=True))
    pq.write_table(pa.table(columns), out, row_group_size=7_000)
    return out.getvalue()


def send(service: Service, body: Any, mimetype: str, expect: int = 200, **headers: str) -> dict[str, Any]:
    response = service.http.post(
        "/predict/batch", params=WAIT, content=body, headers={"Content-Type": mimetype, **headers}
    )
    assert response.status_code == expect, response.text
    return dict(response.json())


def rows_of(service: Service, job_id: str, form: str = "ndjson") -> bytes:
    response = service.http.get(f"/result/{job_id}", params={"format": form, **WAIT})
    assert response.status_code == 200, response.text
    return response.content


def files_of(service: Service, job_id: str) -> list[str]:
    folder = service.var / "blobs" / job_id
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def expected(service: Service) -> list[Any]:
    """The answers of JSON batches to the same rows."""
    answers: list[Any] = []
    for start in range(0, ROWS, 10_000):
        instances = [dict(zip(NAMES, row, strict=True)) for row in VALUES[start : start + 10_000]]
        document = service.http.post("/predict/batch", params=WAIT, json={"instances": instances}).json()
        answers += document["results"]
    return answers


@pytest.fixture(scope="module")
def job(service: Service) -> dict[str, Any]:
    """A finished job whose rows came as CSV."""
    return send(service, as_csv(), "text/csv")


def zstd(data: bytes) -> bytes:
    return bytes(load_zstd().compress(data))


@pytest.mark.parametrize(
    ("body", "mimetype", "encoding"),
    [
        (as_csv(), "text/csv", ""),
        (as_csv().replace(b"\n", b"\r\n"), "text/csv; charset=utf-8", ""),
        (gzip.compress(as_csv(), 1), "text/csv", "gzip"),
        (zstd(as_ndjson()), "application/x-ndjson", "zstd"),
        (as_ndjson(), "application/jsonl", ""),
        (as_parquet(), "application/vnd.apache.parquet", ""),
    ],
)
def test_a_file_is_answered_as_the_same_rows_in_json(
    service: Service, expected: list[Any], body: bytes, mimetype: str, encoding: str
) -> None:
    document = send(service, body, mimetype, **({"Content-Encoding": encoding} if encoding else {}))

    assert document["status"] == "succeeded"
    assert document["rows"] == {"total": ROWS, "done": ROWS, "failed": 0}
    answers = [json.loads(line) for line in rows_of(service, document["id"]).splitlines()]
    assert answers == expected


def test_a_form_holds_a_file_and_its_options(service: Service, expected: list[Any]) -> None:
    response = service.http.post(
        "/predict/batch",
        params=WAIT,
        files={"file": ("rows.csv.gz", gzip.compress(as_csv(), 1))},
        data={"return": "label"},
    )

    assert response.status_code == 200, response.text
    labels = [json.loads(line) for line in rows_of(service, response.json()["id"]).splitlines()]
    assert labels == [{"label": answer["label"]} for answer in expected]


def test_rows_come_as_csv_and_parquet_with_the_same_numbers(
    service: Service, job: dict[str, Any], expected: list[Any]
) -> None:
    table = list(csv.DictReader(io.StringIO(rows_of(service, job["id"], "csv").decode())))
    parquet = pq.read_table(io.BytesIO(rows_of(service, job["id"], "parquet"))).to_pylist()

    flat = [
        {"label": answer["label"], **{f"probability_{name}": p for name, p in answer["probabilities"].items()}}
        for answer in expected
    ]
    assert parquet == [row | {"error": None} for row in flat]
    assert [
        {name: cell if name == "label" else float(cell) for name, cell in row.items() if name != "error"}
        for row in table
    ] == flat


def test_a_json_page_shows_any_rows(service: Service, job: dict[str, Any], expected: list[Any]) -> None:
    page = service.http.get(f"/result/{job['id']}", params={"offset": 29_990, "limit": 20}).json()

    assert page["results"] == expected[29_990:]
    assert page["urls"]["rows"]["csv"] == f"/result/{job['id']}?format=csv"


def test_part_of_the_rows_can_be_fetched(service: Service, job: dict[str, Any]) -> None:
    whole, path = rows_of(service, job["id"], "csv"), f"/result/{job['id']}"
    headers = {"Accept": "text/csv"}

    some = service.http.get(path, headers=headers | {"Range": "bytes=70000-2100000"})
    rest = service.http.get(path, headers=headers | {"Range": f"bytes=-{len(whole)}"})
    beyond = service.http.get(path, headers=headers | {"Range": f"bytes={len(whole)}-"})
    stale = service.http.get(path, headers=headers | {"Range": "bytes=0-9", "If-Range": '"another"'})

    assert (some.status_code, some.content) == (206, whole[70_000:2_100_001])
    assert some.headers["Content-Range"] == f"bytes 70000-{min(2_100_000, len(whole) - 1)}/{len(whole)}"
    assert rest.content == whole
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"
    assert (stale.status_code, len(stale.content)) == (200, len(whole))


def test_rows_are_compressed_for_who_takes_it_and_known_by_their_tag(service: Service, job: dict[str, Any]) -> None:
    path, headers = f"/result/{job['id']}?format=ndjson", {"Accept-Encoding": "identity"}
    plain = service.http.get(path, headers=headers)

    zipped = service.http.get(path, headers={"Accept-Encoding": "gzip"})
    with service.http.stream("GET", path, headers={"Accept-Encoding": "zstd"}) as response:
        frame = b"".join(response.iter_raw())
    again = service.http.get(path, headers=headers | {"If-None-Match": plain.headers["ETag"]})

    assert (zipped.headers["Content-Encoding"], zipped.content) == ("gzip", plain.content)
    assert bytes(load_zstd().decompress(frame)) == plain.content
    assert int(plain.headers["Content-Length"]) == len(plain.content)
    assert len({plain.headers["ETag"], zipped.headers["ETag"], response.headers["ETag"]}) == 3
    assert (again.status_code, again.content) == (304, b"")


def test_the_rows_of_a_json_batch_come_in_every_form_too(service: Service) -> None:
    document = service.http.post("/predict/batch", params=WAIT, json={"instances": [SAMPLE] * 3}).json()

    lines = rows_of(service, document["id"]).splitlines()
    table = list(csv.DictReader(io.StringIO(rows_of(service, document["id"], "csv").decode())))
    parquet = pq.read_table(io.BytesIO(rows_of(service, document["id"], "parquet"))).to_pylist()

    assert [json.loads(line) for line in lines] == document["results"]
    assert [row["label"] for row in table] == [row["label"] for row in parquet] == ["setosa"] * 3


def test_a_bad_row_is_answered_in_its_place_with_its_line(service: Service) -> None:
    body = HEADER + b"5.1,3.5,1.4,0.2\n5.1,x,1.4,0.2\n5.1,3.5\n5.1,3.5,1.4,0.2\n"

    document = send(service, body, "text/csv")

    first, second, third, fourth = document["results"]
    assert document["status"] == "succeeded"
    assert document["rows"]["failed"] == 2
    assert first == fourth
    assert (second["line"], second["error"]["code"], second["error"]["field"]) == (3, "invalid_row", "sepal_width")
    assert third["line"] == 4


def test_too_many_bad_rows_fail_the_job(service: Service) -> None:
    response = service.http.post(
        "/predict/batch",
        params=WAIT | {"error_threshold": 1},
        content=HEADER + b"x,1,1,1\n" * 2,
        headers={"Content-Type": "text/csv"},
    )
    document = response.json()

    assert (document["status"], document["error"]["code"]) == ("failed", "too_many_errors")
    rows = service.http.get(f"/result/{document['id']}", params={"format": "csv"})
    assert (rows.status_code, rows.json()["code"]) == (409, "rows_incomplete")


def test_a_file_that_is_no_parquet_file_fails_its_job_and_says_why(service: Service) -> None:
    document = send(service, b"PAR1" + b"\0" * 100 + b"PAR1", "application/vnd.apache.parquet")

    assert (document["status"], document["error"]["code"]) == ("failed", "invalid_file")


@pytest.mark.parametrize(
    ("body", "mimetype", "encoding", "status", "code"),
    [
        (b"size,colour\n1,red\n", "text/csv", "", 422, "invalid_fields"),
        (b"", "text/csv", "", 400, "empty_body"),
        (HEADER, "text/csv", "", 422, "invalid_file"),
        (as_csv() + b'"1,1,1,1\n', "text/csv", "", 422, "invalid_file"),
        (gzip.compress(as_csv(), 1)[:-9], "text/csv", "gzip", 422, "invalid_file"),
        (as_csv(), "text/csv", "br", 415, "unsupported_media_type"),
        (b"[]\n", "application/x-ndjson", "", 422, "invalid_file"),
        (as_csv(), "application/vnd.apache.parquet", "", 422, "invalid_file"),
        (as_csv(), "text/html", "", 415, "unsupported_media_type"),
    ],
)
def test_a_file_that_cannot_be_accepted_is_refused_and_leaves_nothing(
    service: Service, body: bytes, mimetype: str, encoding: str, status: int, code: str
) -> None:
    blobs = service.var / "blobs"
    before = set(blobs.iterdir())

    problem = send(service, body, mimetype, status, **({"Content-Encoding": encoding} if encoding else {}))

    assert problem["code"] == code
    assert set(blobs.iterdir()) == before


def test_an_idempotency_key_covers_the_file_and_a_replay_leaves_no_second_one(service: Service) -> None:
    key = {"Idempotency-Key": "one-file"}
    first = send(service, as_csv(), "text/csv", **key)
    before = set((service.var / "blobs").iterdir())

    again = send(service, zstd(as_csv()), "text/csv", **key, **{"Content-Encoding": "zstd"})
    other = send(service, as_csv() + b"1,1,1,1\n", "text/csv", 409, **key)

    assert again["id"] == first["id"]
    assert other["code"] == "idempotency_conflict"
    assert set((service.var / "blobs").iterdir()) == before


def test_cancelling_removes_the_file(service: Service) -> None:
    response = service.http.post("/predict/batch", content=as_csv(VALUES * 30), headers={"Content-Type": "text/csv"})
    job_id = response.json()["id"]
    under_way = service.http.get(f"/result/{job_id}", params={"format": "csv"})

    document = service.http.delete(f"/result/{job_id}").json()

    assert (under_way.status_code, under_way.json()["code"]) == (409, "rows_incomplete")
    assert document["status"] == "cancelled"
    assert "input.csv" not in files_of(service, job_id)


@pytest.mark.parametrize("is_awaited", [True, False])
def test_purging_leaves_nothing_of_a_file(service: Service, is_awaited: bool) -> None:
    response = service.http.post("/predict/batch", content=as_csv(VALUES * 3), headers={"Content-Type": "text/csv"})
    where = f"/result/{response.json()['id']}"
    if is_awaited:
        assert service.http.get(where, params={"wait": 30}).json()["status"] == "succeeded"

    purged = service.http.delete(where, params={"purge": "true"})
    after = service.http.get(where)

    assert (purged.status_code, purged.content) == (204, b"")
    assert (after.status_code, after.json()["code"]) == (410, "job_expired")
    assert "input.csv" not in files_of(service, response.json()["id"])
    assert service.http.delete(where, params={"purge": "true"}).status_code == 410


def test_a_flag_that_is_neither_on_nor_off_is_refused(service: Service) -> None:
    job_id = service.http.post("/predict", json=SAMPLE).json()["id"]

    response = service.http.delete(f"/result/{job_id}", params={"purge": "yes"})

    assert (response.status_code, response.json()["code"]) == (400, "bad_parameter")
    assert response.json()["errors"][0]["field"] == "purge"


def test_a_body_that_breaks_off_leaves_nothing(service: Service) -> None:
    before = set((service.var / "blobs").iterdir())

    def broken() -> Any:
        yield as_csv()
        raise RuntimeError("the line went dead")

    with pytest.raises(RuntimeError):
        service.http.post(
            "/predict/batch", content=broken(), headers={"Content-Type": "text/csv", "Content-Length": "999999999"}
        )

    # What earlier tests left may be swept meanwhile, also what a scorer wrote for a job while that was purged.
    eventually(lambda: set((service.var / "blobs").iterdir()) <= before, 2.0 * SWEEP_SECONDS, "an empty store")


def test_no_process_holds_a_large_file_in_memory(service: Service) -> None:
    block = as_csv(VALUES)[len(HEADER) :]
    blocks = 64 * 1024 * 1024 // len(block)
    before = {pid: resident_megabytes(pid) for pid in processes_of(service)}

    def body() -> Any:
        yield HEADER
        yield from (block for _ in range(blocks))

    response = service.http.post(
        "/predict/batch", params=WAIT | {"return": "label"}, content=body(), headers={"Content-Type": "text/csv"}
    )
    document = service.result(response.json()["id"], wait=60)

    assert document["rows"]["done"] == blocks * ROWS
    grown = {pid: resident_megabytes(pid) - before[pid] for pid in processes_of(service) if pid in before}
    assert max(grown.values()) < 110, grown  # Arrow's libraries among it


def processes_of(service: Service) -> list[int]:
    found, left = [], [service.pid]
    while left:
        pid = left.pop()
        found.append(pid)
        left += children_of(pid)
    return found


def resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):  # the most it ever was
            return int(line.split()[1]) / 1000
    return 0.0


def test_an_unknown_form_is_refused(service: Service, job: dict[str, Any]) -> None:
    named = service.http.get(f"/result/{job['id']}", params={"format": "xlsx"})
    accepted = service.http.get(f"/result/{job['id']}", headers={"Accept": "image/png"})

    assert (named.status_code, named.json()["code"]) == (400, "bad_parameter")
    assert (accepted.status_code, accepted.json()["code"]) == (406, "not_acceptable")


def test_a_file_jobs_events_tell_how_far_it_is_but_not_its_rows(service: Service, job: dict[str, Any]) -> None:
    with httpx.stream("GET", f"{service.http.base_url}/result/{job['id']}/stream", timeout=30) as response:
        text = "".join(response.iter_text())

    event = json.loads(text.partition("data: ")[2].partition("\n")[0])
    assert event["rows"] == {"total": ROWS, "done": ROWS, "failed": 0}
    assert "results" not in event
