"""Files in a bucket instead of a folder, and files whose worker dies in the middle."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.object_store import BUCKET, CREDENTIALS, run_object_store
from tests.support.service import SAMPLE, Service, eventually

ROWS = 40_000
HEADER = (",".join(SAMPLE) + "\n").encode()
FILE = HEADER + (",".join(map(str, SAMPLE.values())) + "\n").encode() * ROWS


def submit(service: Service) -> str:
    response = service.http.post("/predict/batch", content=FILE, headers={"Content-Type": "text/csv"})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with run_object_store() as running:
        yield running


def test_a_bucket_serves_as_well_as_a_folder(tmp_path: Path, endpoint: str) -> None:
    service = Service(tmp_path, blob_url=f"s3://{BUCKET}/rhizome", blob_endpoint=endpoint)
    service.start()
    try:
        job_id = submit(service)
        document = service.result(job_id, wait=60)
        lines = service.http.get(f"/result/{job_id}", params={"format": "ndjson"}).text.splitlines()
        part = service.http.get(f"/result/{job_id}", params={"format": "csv"}, headers={"Range": "bytes=0-4"})
        parquet = service.http.get(f"/result/{job_id}", params={"format": "parquet", "wait": 60})
        refused = service.http.post("/predict/batch", content=b"a\n1\n", headers={"Content-Type": "text/csv"})
    finally:
        service.stop()

    assert (document["status"], document["rows"]["done"], document["rows"]["failed"]) == ("succeeded", ROWS, 0)
    assert {json.loads(line)["label"] for line in lines} == {"setosa"}
    assert (len(lines), part.content, parquet.content[:4]) == (ROWS, b"label", b"PAR1")
    assert refused.status_code == 422
    held = httpx.get(f"{endpoint}/{BUCKET}", params={"list-type": "2"}).text
    assert held.count("<Key>") == held.count(f"<Key>rhizome/{job_id}/")
    assert not (service.var / "blobs").exists()


def test_a_file_goes_on_where_its_worker_died(tmp_path: Path) -> None:
    service = Service(tmp_path, worker_processes=2, lease_seconds=1, file_chunk_bytes=8 * 1024)
    service.start()
    try:
        job_id = submit(service)
        eventually(lambda: service.http.get(f"/result/{job_id}?limit=1").json()["rows"]["done"] > 0, what="progress")
        killed = service.worker_children()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        document = service.result(job_id, wait=60)
        lines = service.http.get(f"/result/{job_id}", params={"format": "ndjson"}).text.splitlines()
    finally:
        service.stop()

    folder = service.var / "blobs" / job_id / "rows"
    written = {path.name for path in folder.glob("*.csv")}
    chunks = {name.partition("-")[0] for name in written}
    assert (document["status"], document["rows"]["total"], len(lines)) == ("succeeded", ROWS, ROWS)
    assert len(chunks) > 50
    assert len(written) <= len(chunks) + len(killed)  # what was finished was not scored again
