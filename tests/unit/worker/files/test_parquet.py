"""Parquet files: divided into ranges of rows, read whatever their types and row groups, refused with a reason."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rhizome.blob_slices import PLAN, BlobSlice, FileFormat
from rhizome.blob_store import BlobStore, open_store
from rhizome.signature import Feature
from tests.support.versions import mixed_signature
from worker.file_chunks import InvalidFile
from worker.files import parquet, parquet_rows
from worker.files.parquet import plan_file
from worker.files.parquet_rows import ParquetRows

WHOLE = BlobSlice(FileFormat.PARQUET, "job/input.parquet", 0, 0, row_group=PLAN)
BOUNDS = {"max_bytes": 10**9, "chunk_bytes": 512 * 1024, "max_rows": 10**9}
ROW_BYTES = 2 * parquet.NUMBER_BYTES  #: of a row of two cells


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    (tmp_path / "job").mkdir()
    return open_store(tmp_path.as_uri())


def write(tmp_path: Path, columns: dict[str, Any], **options: Any) -> None:
    pq.write_table(pa.table(columns), tmp_path / WHOLE.path, **options)


def some(rows: int) -> dict[str, Any]:
    return {"colour": ["red"] * rows, "size": [float(index % 90) for index in range(rows)]}


@pytest.mark.parametrize("group_rows", [1, 7, 25, 1000])
def test_the_chunks_of_a_file_hold_its_rows_in_order(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    monkeypatch.setattr(parquet_rows, "_READ_ROWS", 4)
    monkeypatch.setattr(parquet, "MAX_CHUNK_ROWS", 10)
    write(tmp_path, some(95), row_group_size=group_rows)

    chunks = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)
    blocks = [ParquetRows(store).read(chunk, mixed_signature()) for chunk in chunks]

    assert [len(block.array) for block in blocks] == [10] * 9 + [5]
    assert [row[0] for block in blocks for row in block.array] == some(95)["size"]
    assert [chunk.first_line for chunk in chunks] == list(range(1, 95, 10))


@pytest.mark.parametrize("order", [range(10), (0, 2, 5, 9), (4, 3, 2, 9, 0), (7, 7, 8, 8, 1)], ids=str)
@pytest.mark.parametrize("group_rows", [7, 25, 1000])
def test_one_reader_gives_the_rows_of_any_chunk_in_any_order(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int, order: Sequence[int]
) -> None:
    monkeypatch.setattr(parquet_rows, "_READ_ROWS", 4)
    monkeypatch.setattr(parquet, "MAX_CHUNK_ROWS", 10)
    write(tmp_path, some(95), row_group_size=group_rows)
    chunks, reader = plan_file(store, WHOLE, mixed_signature(), **BOUNDS), ParquetRows(store)

    for index in order:
        block = reader.read(chunks[index], mixed_signature())

        assert [row[0] for row in block.array] == some(95)["size"][10 * index : 10 * index + 10]


def test_chunks_in_order_open_their_file_once(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def count(*args: Any) -> Any:
        opened.append(args[1])
        return open_file(*args)

    open_file = parquet.open_file
    monkeypatch.setattr(parquet_rows, "open_file", count)
    monkeypatch.setattr(parquet, "MAX_CHUNK_ROWS", 10)
    write(tmp_path, some(95))
    chunks, reader = plan_file(store, WHOLE, mixed_signature(), **BOUNDS), ParquetRows(store)

    for chunk in chunks:
        reader.read(chunk, mixed_signature())
    assert opened == [WHOLE.path]

    reader.read(chunks[0], mixed_signature())  # the last chunk let the file go
    assert opened == [WHOLE.path] * 2


def test_another_file_is_read_from_its_own_beginning(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_CHUNK_ROWS", 10)
    write(tmp_path, some(95))
    other = BlobSlice(FileFormat.PARQUET, "job/other.parquet", 0, 10)
    pq.write_table(pa.table({"colour": ["blue"] * 10, "size": [1.0] * 10}), tmp_path / other.path)
    chunks, reader = plan_file(store, WHOLE, mixed_signature(), **BOUNDS), ParquetRows(store)

    blocks = [reader.read(part, mixed_signature()).array.tolist() for part in (chunks[0], other, chunks[1])]

    assert blocks[1] == [[1.0, "blue"]] * 10
    assert [row[0] for row in blocks[0] + blocks[2]] == some(95)["size"][:20]


def rows_of_chunks(store: BlobStore, chunk_bytes: int) -> list[int]:
    chunks = plan_file(store, WHOLE, mixed_signature(), max_bytes=10**9, chunk_bytes=chunk_bytes, max_rows=10**9)
    assert [chunk.start for chunk in chunks[1:]] == [chunk.end for chunk in chunks[:-1]]
    return [chunk.end - chunk.start for chunk in chunks]


@pytest.mark.parametrize(("chunk_bytes", "rows"), [(25 * ROW_BYTES, 25), (26 * ROW_BYTES - 1, 25), (1, 1)])
def test_a_chunk_is_as_large_as_a_file_may_be_scored_at_a_time(
    store: BlobStore, tmp_path: Path, chunk_bytes: int, rows: int
) -> None:
    write(tmp_path, {"colour": ["red"] * 100, "size": [1.0] * 100}, row_group_size=50)  # some bits a row

    assert rows_of_chunks(store, chunk_bytes) == [rows] * (100 // rows)


def test_long_texts_make_fewer_rows_a_chunk(store: BlobStore, tmp_path: Path) -> None:
    texts = [f"{index:01000d}" for index in range(100)]
    write(tmp_path, {"colour": texts, "size": [1.0] * 100}, row_group_size=50)

    assert max(rows_of_chunks(store, 10_000)) <= 10


def test_rows_of_a_few_bytes_are_not_more_than_a_worker_holds(store: BlobStore, tmp_path: Path) -> None:
    write(tmp_path, {"colour": ["red"] * 100_000, "size": [1.0] * 100_000})

    assert rows_of_chunks(store, 64 * 1024**2) == [parquet.MAX_CHUNK_ROWS, 100_000 - parquet.MAX_CHUNK_ROWS]


def test_a_large_row_group_is_not_read_from_its_beginning_too_often(store: BlobStore, tmp_path: Path) -> None:
    write(tmp_path, some(1280), row_group_size=1280)

    assert rows_of_chunks(store, 2 * ROW_BYTES) == [10] * parquet.MAX_CHUNKS_OF_GROUP


def test_no_more_chunks_are_made_than_one_script_adds(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_CHUNKS", 7)
    write(tmp_path, some(100), row_group_size=10)

    assert rows_of_chunks(store, ROW_BYTES) == [15] * 6 + [10]


def test_a_bad_row_is_named_and_the_others_are_kept(store: BlobStore, tmp_path: Path) -> None:
    sizes = [1.0, None, float("nan"), 500.0, 5.0]
    write(tmp_path, {"size": sizes, "colour": ["red", "red", "red", "red", "green"]})

    (chunk,) = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)
    block = ParquetRows(store).read(chunk, mixed_signature())

    assert [(bad.position, bad.line, bad.field, bad.problem) for bad in block.bad] == [
        (1, 2, "size", "is null"),
        (2, 3, "size", "is null"),
        (3, 4, "size", "is 500, outside the accepted range"),
        (4, 5, "colour", "is 'green', not a known category"),
    ]
    assert block.array.tolist() == [[1.0, "red"]]


def test_a_null_where_it_is_allowed_is_what_training_had(store: BlobStore, tmp_path: Path) -> None:
    features = (
        Feature(name="size", dtype="float64", nullable=True),
        Feature(name="count", dtype="int64", nullable=True),
    )
    signature = mixed_signature().model_copy(update={"features": features})
    write(tmp_path, {"size": [None, 1.5], "count": pa.array([3, None], pa.int64())})

    (chunk,) = plan_file(store, WHOLE, signature, **BOUNDS)
    block = ParquetRows(store).read(chunk, signature)

    np.testing.assert_array_equal(block.array, [[np.nan, 3.0], [1.5, np.nan]])
    assert block.bad == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"size": [1.0]}, "lacks the column"),
        (some(1) | {"weight": [1]}, "no features: 'weight'"),
        ({"size": ["1"], "colour": ["red"]}, "'size' is string, not a number"),
        ({"size": [True], "colour": ["red"]}, "'size' is bool, not a number"),
        ({"size": [1.0], "colour": [1]}, "'colour' is int64, not text"),
        ({"size": pa.array([], pa.float64()), "colour": pa.array([], pa.string())}, "holds no rows"),
    ],
)
def test_a_file_with_other_columns_is_refused(
    store: BlobStore, tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    write(tmp_path, columns)

    with pytest.raises(InvalidFile, match=said):
        plan_file(store, WHOLE, mixed_signature(), **BOUNDS)


@pytest.mark.parametrize("content", [b"PAR1PAR1PAR1", b"PAR1" + b"\0" * 50 + b"PAR1", b"PAR1" + b"\xff" * 8 + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(store: BlobStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / WHOLE.path).write_bytes(content)

    with pytest.raises(InvalidFile):
        plan_file(store, WHOLE, mixed_signature(), **BOUNDS)


def test_more_rows_than_a_text_file_could_hold_are_refused(store: BlobStore, tmp_path: Path) -> None:
    write(tmp_path, some(1000))

    with pytest.raises(InvalidFile, match="1000 rows"):
        plan_file(store, WHOLE, mixed_signature(), max_bytes=100, chunk_bytes=512 * 1024, max_rows=10**9)


def test_more_rows_than_a_file_may_hold_are_refused(store: BlobStore, tmp_path: Path) -> None:
    write(tmp_path, some(1000))

    with pytest.raises(InvalidFile, match="1000 rows, more than 999"):
        plan_file(store, WHOLE, mixed_signature(), **BOUNDS | {"max_rows": 999})


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_few_bytes_that_stand_for_many_are_refused(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_dictionary: bool
) -> None:
    monkeypatch.setattr(parquet_rows, "MAX_TEXT_BYTES", 10_000)
    write(tmp_path, {"colour": ["x" * 1000] * 100, "size": [1.0] * 100}, use_dictionary=use_dictionary)

    (chunk,) = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)

    with pytest.raises(InvalidFile, match="texts from row 1 on exceed 10000 bytes"):
        ParquetRows(store).read(chunk, mixed_signature())


def test_a_row_group_that_no_worker_can_hold_is_refused(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1000)
    write(tmp_path, some(1000))

    with pytest.raises(InvalidFile, match="row group"):
        plan_file(store, WHOLE, mixed_signature(), **BOUNDS)


def test_texts_read_as_a_dictionary_are_judged_as_any_others(store: BlobStore, tmp_path: Path) -> None:
    features = (Feature(name="colour", dtype="category", nullable=True),)
    signature = mixed_signature().model_copy(update={"features": features})
    write(tmp_path, {"colour": pa.array(["a", None, "b", "a"])}, row_group_size=2)

    (chunk,) = plan_file(store, WHOLE, signature, **BOUNDS)

    assert ParquetRows(store).read(chunk, signature).array.tolist() == [["a"], [None], ["b"], ["a"]]


def test_null_columns_nan_and_booleans_are_what_they_stand_for(store: BlobStore, tmp_path: Path) -> None:
    features = (
        Feature(name="size", dtype="float64", nullable=True, lower=0, upper=100),
        Feature(name="plan", dtype="category", categories=("basic", "plus"), nullable=True),
        Feature(name="member", dtype="category", categories=("False", "True")),
    )
    signature = mixed_signature().model_copy(update={"features": features})
    columns = {"size": [1.0, float("nan")], "plan": pa.nulls(2), "member": [True, False]}
    write(tmp_path, columns)

    (chunk,) = plan_file(store, WHOLE, signature, **BOUNDS)
    block = ParquetRows(store).read(chunk, signature)

    assert block.bad == []
    assert [["missing" if value != value else value for value in row] for row in block.array.tolist()] == [  # noqa: PLR0124
        [1.0, None, "True"],
        ["missing", None, "False"],
    ]
