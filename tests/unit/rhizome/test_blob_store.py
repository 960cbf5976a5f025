"""One suite for both kinds of store: a folder, and a bucket of a real S3-compatible server."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rhizome import blob_folder
from rhizome.blob_folder import FolderStore
from rhizome.blob_store import BlobReader, BlobStore, open_store, read_blocks
from rhizome.errors import BlobNotFound, BlobStoreFull, BlobStoreUnavailable
from tests.support.object_store import BUCKET, CREDENTIALS, run_object_store

LARGE = os.urandom(12 * 1024 * 1024)  # more than one part of a multipart upload


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with run_object_store() as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    if request.param == "folder":
        return open_store(f"{tmp_path.as_uri()}/blobs")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    prefix = request.node.name.partition("[")[0]
    return open_store(f"s3://{BUCKET}/{prefix}", request.getfixturevalue("endpoint"))


def write(store: BlobStore, path: str, *blocks: bytes) -> None:
    with store.open_writer(path) as writer:
        for block in blocks:
            writer.write(block)
        writer.commit()


def test_what_was_committed_is_read_back_whole_and_in_part(store: BlobStore) -> None:
    write(store, "job/rows/0.csv", LARGE[:1000], memoryview(LARGE)[1000:])

    assert store.size("job/rows/0.csv") == len(LARGE)
    assert store.read("job/rows/0.csv", 5, 20) == LARGE[5:20]
    assert b"".join(read_blocks(store, "job/rows/0.csv", 3, len(LARGE))) == LARGE[3:]


def test_nothing_is_there_before_the_commit_and_nothing_without_it(store: BlobStore) -> None:
    with store.open_writer("job/input.csv") as writer:
        writer.write(b"some")
        with pytest.raises(BlobNotFound):
            store.size("job/input.csv")

    with pytest.raises(BlobNotFound):
        store.read("job/input.csv", 0, 4)


def test_a_missing_blob_is_told_from_a_store_that_is_away(store: BlobStore) -> None:
    with pytest.raises(BlobNotFound):
        store.size("nobody/knows")


def test_deleting_takes_one_blob_or_all_of_a_job_and_no_other(store: BlobStore) -> None:
    for path in ("one/input.csv", "one/rows/0.csv", "one-more/input.csv"):
        write(store, path, b"x")

    store.delete("one/input.csv")
    left = store.size("one/rows/0.csv")
    store.delete("one")
    store.delete("one")  # once more changes nothing

    assert left == 1
    assert store.prefixes() == ["one-more"]


def test_a_jobs_newest_file_tells_its_age(store: BlobStore) -> None:
    before = time.time() - 2  # a server may round to seconds
    write(store, "job/rows/0.csv", b"x")

    assert before <= store.newest("job") <= time.time() + 2
    assert store.newest("nobody") == 0.0


def test_a_blob_can_be_read_like_a_file(store: BlobStore) -> None:
    write(store, "job/input.parquet", b"0123456789")
    reader = BlobReader(store, "job/input.parquet")

    reader.seek(-4, 2)
    end = reader.read(2)
    reader.seek(1)

    assert (end, reader.read(3), reader.tell(), reader.read()) == (b"67", b"123", 4, b"456789")
    assert reader.read() == b""


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("no folder")

    with pytest.raises(BlobStoreUnavailable):
        open_store(f"{tmp_path.as_uri()}/blobs").open_writer("job/input.csv")


def test_a_bucket_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(BlobStoreUnavailable):
        open_store("s3://no-such-bucket/x", endpoint).prefixes()


def test_a_bucket_that_is_silent_does_not_hold_its_caller_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rhizome.blob_bucket.REQUEST_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr("rhizome.blob_bucket.RETRY_TIMEOUT", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = open_store("s3://bucket/x", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()

        with pytest.raises(BlobStoreUnavailable):
            store.size("job/input.csv")

    assert time.monotonic() - began < 10


def test_a_folder_has_as_much_room_as_its_file_system_and_a_bucket_any(store: BlobStore, tmp_path: Path) -> None:
    store.check_room(10**18)

    if isinstance(store, FolderStore):
        assert 0 < store.free_bytes() <= shutil.disk_usage(tmp_path).total


def test_a_folder_without_room_takes_no_blob(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri(), min_free_bytes=10**17)

    with pytest.raises(BlobStoreFull, match="RHIZOME_BLOB_MIN_FREE_BYTES"):
        store.open_writer("job/rows/000000.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_blob_in_whose_course_the_folder_fills_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([10**9, 999])
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: next(left))
    store = open_store(tmp_path.as_uri(), min_free_bytes=1000)
    block = bytes(blob_folder.SPACE_BYTES)

    with store.open_writer("job/rows/000000.csv") as writer, pytest.raises(BlobStoreFull):
        writer.write(block)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_room_of_a_folder_is_looked_at_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: looks.append(1) or 10**9)
    block = bytes(1024 * 1024)

    with open_store(tmp_path.as_uri(), min_free_bytes=1000).open_writer("a/b") as writer:
        for _ in range(2 * blob_folder.SPACE_BYTES // len(block)):
            writer.write(block)

    assert len(looks) == 3


def test_a_folders_files_reach_the_disk_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(blob_folder, "_sync_data", lambda handle: sizes.append(os.fstat(handle).st_size))
    data = os.urandom(blob_folder.SYNC_BYTES * 2 + 17)

    store = open_store(tmp_path.as_uri())
    with store.open_writer("a/b") as writer:
        for piece in (data[:100], data[100:-1], data[-1:]):
            writer.write(piece)
        writer.commit()

    assert sizes == [blob_folder.SYNC_BYTES, 2 * blob_folder.SYNC_BYTES]
    assert store.read("a/b", 0, len(data)) == data


def test_a_large_file_reaches_the_disk_in_larger_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = [0]
    monkeypatch.setattr(blob_folder, "_sync_data", lambda handle: sizes.append(os.fstat(handle).st_size))

    with open_store(tmp_path.as_uri()).open_writer("a/b") as writer:
        for _ in range(3):
            writer.write(LARGE)
        writer.commit()

    steps = np.diff(sizes)
    assert steps.min() == steps[0] == blob_folder.SYNC_BYTES
    assert steps.max() == steps[-1] == blob_folder.MOST_SYNC_BYTES
