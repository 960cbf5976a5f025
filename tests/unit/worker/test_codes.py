"""Codes with leading zeros, as training has read them, are texts in every form in which rows are sent."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from gateway.validation import Validator
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat
from rhizome.blob_store import open_store
from rhizome.errors import InvalidRequest
from rhizome.signature import Signature
from tests.support.queue import build_request
from trainer.dataset import load_dataset
from worker.files.parquet import plan_file
from worker.files.parquet_rows import ParquetRows
from worker.files.text import parse_csv, parse_ndjson
from worker.micro_batch import decode_rows

BOUNDS = {"max_rows": 9, "chunk_rows": 9}
ZIPS = ["05678", "12345", "5678"]
BODY = {"dataframe_records": [{"zip": code} for code in ZIPS]}
AS_NUMBERS = {"dataframe_records": [{"zip": 5678}]}


@pytest.fixture
def signature(tmp_path: Path) -> Signature:
    lines = "".join(f"{ZIPS[index % 3]},{'ab'[index % 2]}\n" for index in range(60))
    (tmp_path / "data.csv").write_text("zip,label\n" + lines)
    return load_dataset(tmp_path / "data.csv", "label", 3.0).signature


def test_every_form_holds_the_codes_as_they_are_written(signature: Signature, tmp_path: Path) -> None:
    validator = Validator(signature)
    text = "".join(f"{code}\n" for code in ZIPS)
    lines = "".join(json.dumps({"zip": code}) + "\n" for code in ZIPS).encode()
    requests = [
        validator.parse_batch(json.dumps(BODY).encode(), **BOUNDS),
        validator.parse_csv(f"zip\n{text}".encode(), **BOUNDS),
    ]

    found = [
        decode_rows([build_request("job", rows=3, encoding=rows.encoding, payload=rows.payloads[0])], signature)
        for rows in requests
    ]
    found += [parse_csv(text.encode(), ("zip",), 2, signature).array, parse_ndjson(lines, 1, signature).array]
    found.append(read_parquet(signature, tmp_path))

    assert [array[:, 0].tolist() for array in found] == [ZIPS] * 5


def read_parquet(signature: Signature, folder: Path) -> NDArray[Any]:
    (folder / "job").mkdir()
    pq.write_table(pa.table({"zip": ZIPS}), folder / "job" / "input.parquet")
    store, whole = open_store(folder.as_uri()), BlobSlice(FileFormat.PARQUET, "job/input.parquet", 0, 0, row_group=PLAN)
    (chunk,) = plan_file(store, whole, signature, max_bytes=10**6, chunk_bytes=10**6, max_rows=9)
    return ParquetRows(store).read(chunk, signature).array


def test_a_number_is_no_code(signature: Signature) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Validator(signature).parse_batch(json.dumps(AS_NUMBERS).encode(), **BOUNDS)

    assert [problem["problem"] for problem in refusal.value.problems] == ["is a number, not text"]
