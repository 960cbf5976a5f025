"""Parquet has many types for a number and for a text: each is read as what it says."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rhizome.blob_store import BlobStore, open_store
from tests.support.versions import mixed_signature
from tests.unit.worker.files.test_parquet import BOUNDS, WHOLE, write
from worker.files.parquet import plan_file
from worker.files.parquet_rows import ParquetRows


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    (tmp_path / "job").mkdir()
    return open_store(tmp_path.as_uri())


@pytest.mark.parametrize(
    "sizes",
    [
        pa.array([1, 2], pa.int8()),
        pa.array([1, 2], pa.uint64()),
        pa.array([1.0, 2.0], pa.float32()),
        pa.array([1.0, 2.0], pa.float16()),
        *(
            pa.array(map(Decimal, ("1", "2")), kind)
            for kind in (
                pa.decimal128(25, 2),
                pa.decimal128(5, 2),
                pa.decimal128(4, 2),
                pa.decimal128(1, 0),
                pa.decimal32(4, 2),
                pa.decimal64(12, 2),
                pa.decimal256(50, 2),
            )
        ),
    ],
    ids=lambda sizes: str(sizes.type),
)
@pytest.mark.parametrize(
    "colours",
    [
        pa.array(["red"] * 2).dictionary_encode(),
        pa.array(["red"] * 2, pa.large_string()),
        pa.array(["red"] * 2, pa.string_view()),
    ],
)
def test_any_kind_of_number_and_text_is_read(store: BlobStore, tmp_path: Path, sizes: Any, colours: Any) -> None:
    write(tmp_path, {"size": sizes, "colour": colours})

    (chunk,) = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)

    assert ParquetRows(store).read(chunk, mixed_signature()).array.tolist() == [[1.0, "red"], [2.0, "red"]]


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("kind", [pa.decimal128(4, 2), pa.decimal32(4, 2), pa.decimal128(25, 2)], ids=str)
def test_a_decimal_is_the_number_that_its_digits_say(
    store: BlobStore, tmp_path: Path, kind: Any, *, use_dictionary: bool
) -> None:
    digits = [f"{number / 100:.2f}" for number in range(1, 9999)]
    columns = {"size": pa.array(map(Decimal, digits), kind), "colour": ["red"] * len(digits)}
    write(tmp_path, columns, use_dictionary=use_dictionary)

    (chunk,) = plan_file(store, WHOLE, mixed_signature(), **BOUNDS)

    assert ParquetRows(store).read(chunk, mixed_signature()).array[:, 0].tolist() == list(map(float, digits))
