"""What a Parquet file's pages take is known before they are decoded, whatever its footer says."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizome.blob_slices import PLAN, BlobSlice, FileFormat
from rhizome.blob_store import BlobStore, open_store
from tests.support.versions import mixed_signature
from worker.file_chunks import InvalidFile
from worker.files import parquet_pages, parquet_rows
from worker.files.parquet import plan_file
from worker.files.parquet_footer import Column, read_groups
from worker.files.parquet_pages import check_pages
from worker.files.parquet_rows import ParquetRows

WHOLE = BlobSlice(FileFormat.PARQUET, "job/input.parquet", 0, 0, row_group=PLAN)
BOUNDS = {"max_bytes": 10**9, "chunk_bytes": 512 * 1024, "max_rows": 10**9}
ROWS = 30_000


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    (tmp_path / "job").mkdir()
    return open_store(tmp_path.as_uri())


def some(rows: int = ROWS) -> dict[str, Any]:
    return {"colour": ["red", "blue"] * (rows // 2), "size": np.arange(rows) % 90.0}


def write(columns: dict[str, Any], **options: Any) -> bytes:
    pq.write_table(pa.table(columns), out := io.BytesIO(), **options)
    return out.getvalue()


class Held:
    """A store that holds one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self, _: str) -> int:
        return len(self.data)

    def read(self, _: str, start: int, end: int) -> bytes:
        return self.data[start:end]


def columns_of(data: bytes) -> list[list[Column]]:
    """The columns of each row group."""
    return [group.columns for group in read_groups(cast(BlobStore, Held(data)), "")]


def check(data: bytes) -> None:
    for columns in columns_of(data):
        check_pages(lambda start, end: data[start:end], columns)


def read_all(store: BlobStore, data: bytes) -> list[Any]:
    """All rows of a file that a worker scores."""
    with store.open_writer(WHOLE.path) as writer:
        writer.write(data)
        writer.commit()
    reader = ParquetRows(store)
    chunks = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)
    return [row for chunk in chunks for row in reader.read(chunk, mixed_signature()).array.tolist()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": False, "compression": "gzip"},
        {"data_page_size": 100, "write_batch_size": 10},
        {"write_page_index": True, "write_page_checksum": True},
        {"use_dictionary": False, "column_encoding": {"size": "BYTE_STREAM_SPLIT"}},
        {"row_group_size": 1_000},
    ],
    ids=str,
)
def test_files_as_they_are_written_are_read(store: BlobStore, options: dict[str, Any]) -> None:
    data = write(some(), **options)

    check(data)

    assert [row[0] for row in read_all(store, data)] == some()["size"].tolist()


@pytest.mark.parametrize("options", [{"use_dictionary": True}, {"use_dictionary": False}], ids=str)
def test_pages_that_take_too_much_are_not_decoded(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_HELD_BYTES", 100_000)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.iter_batches", lambda *_, **__: iter(()))
    data = write({"colour": ["x" * 200_000], "size": [1.0]}, compression="zstd", **options)
    assert len(data) < 10_000

    with pytest.raises(InvalidFile, match="more than 100000 bytes"):
        read_all(store, data)


def test_pages_of_a_later_row_group_are_looked_at_too(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_HELD_BYTES", 500_000)
    texts = ["red"] * ROWS + ["x" * 600_000]
    data = write({"colour": texts, "size": [1.0] * len(texts)}, compression="zstd", row_group_size=1000)

    with pytest.raises(InvalidFile, match="more than 500000 bytes"):
        read_all(store, data)


def test_a_dictionary_that_cannot_hold_its_values_is_refused() -> None:
    data = write(some(4), compression="none")
    ((colour, _),) = columns_of(data)
    at = data.index(b"L\x15\x04", colour.start) + 1  # its number of values, 2
    forged = data[: at + 1] + b"\x7e" + data[at + 2 :]  # 63

    check(data)
    with pytest.raises(InvalidFile, match="cannot be read"):
        check(forged)


def test_pages_of_more_values_than_the_footer_says_are_refused() -> None:
    data = write(some(4))
    ((_, size),) = columns_of(data)

    with pytest.raises(InvalidFile):
        check_pages(lambda start, end: data[start:end], [size._replace(values=3)])


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", 10)

    with pytest.raises(InvalidFile, match="more than 10 pages"):
        check(write(some(), data_page_size=100, write_batch_size=10))


def test_what_takes_too_much_memory_all_the_same_is_no_fault_of_the_files_form(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_too_much(*_: Any) -> None:
        raise pa.ArrowMemoryError("malloc of size 9999999999 failed")

    monkeypatch.setattr(parquet_rows, "check_table", take_too_much)

    with pytest.raises(MemoryError):
        read_all(store, write(some()))


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=200), start=st.integers(0, 50), size=st.integers(0, 400))
def test_whatever_stands_there_is_read_or_refused(noise: bytes, start: int, size: int) -> None:
    column = Column(start, start + size, 100, 100, True, 4)

    with suppress(InvalidFile):
        check_pages(lambda low, high: noise[low:high], [column])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 1_500), byte=st.integers(0, 255), options=st.sampled_from([{}, {"use_dictionary": False}]))
def test_a_byte_that_is_wrong_somewhere_ends_in_rows_or_a_refusal(
    store: BlobStore, at: int, byte: int, options: dict[str, Any]
) -> None:
    data = bytearray(write(some(10), compression="none", store_schema=False, **options))
    data[at % len(data)] = byte

    with suppress(InvalidFile):
        read_all(store, bytes(data))


def test_what_the_footer_says_is_what_arrow_reads_in_it() -> None:
    data = write(some(), row_group_size=7_000, compression="zstd")
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata

    groups = read_groups(cast(BlobStore, Held(data)), "")

    assert len(groups) == metadata.num_row_groups == 5
    for index, group in enumerate(groups):
        known = metadata.row_group(index)
        assert (group.rows, group.size) == (known.num_rows, known.total_byte_size)
        for number, column in enumerate(group.columns):
            its = known.column(number)
            assert column.start == its.dictionary_page_offset
            assert column.end - column.start == its.total_compressed_size
            assert (column.values, column.size) == (its.num_values, its.total_uncompressed_size)
            assert column.has_objects == (its.physical_type == "BYTE_ARRAY")
