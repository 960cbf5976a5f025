"""Whatever form a table comes in, each row is answered as if it had come alone: bit for bit, and in order."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.inference_protocol.requests import InferInput
from gateway.inference_protocol.tensors import to_columns
from gateway.uploads.heads import read_csv_head, read_ndjson_head
from gateway.uploads.splitting import Splitter
from gateway.validation import Rows, Validator
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat, decode_slice, encode_slice
from rhizome.blob_store import BlobStore, open_store
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Encoding, Lane, Returns, ScoreRequest
from rhizome.signature import Output, Signature
from rhizome.version_store import VersionStore
from tests.support.parts import read_part
from tests.support.queue import build_request
from tests.support.versions import (
    IRIS_CLASSES,
    MODEL_NAME,
    SETOSA,
    build_manifest,
    golden_of,
    iris_signature,
    write_iris,
)
from worker.files.scoring import FileScoring
from worker.micro_batch import decode_rows, score_rows, score_together
from worker.outcomes import answer_of, answers_of_arrays, encode_answers
from worker.quarantine import Suspects
from worker.seats import Seat
from worker.shelf import LoadedVersion, Shelf

NAMES = iris_signature().names
VALIDATOR = Validator(iris_signature())
CHUNK_ROWS, CHUNK_BYTES, MAX_ROWS = 5, 1_024, 100
VALUES = st.floats(0.1, 8.0) | st.integers(1, 8)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    models = tmp_path_factory.mktemp("models")
    loaded = Shelf(VersionStore(models, MODEL_NAME), None).get(write_iris(models).version)
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return open_store(Path(tmp_path_factory.mktemp("blobs")).as_uri() + "/store")


def json_forms(rows: list[tuple[float, ...]]) -> dict[str, Any]:
    records = [dict(zip(NAMES, row, strict=True)) for row in rows]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(NAMES)}
    lists = [list(row) for row in rows]
    turned = {"columns": list(reversed(NAMES)), "data": [list(reversed(row)) for row in rows]}
    return {
        "instances of records": {"instances": records},
        "instances of lists": {"instances": lists},
        "instances of columns": {"instances": columns},
        "inputs of records": {"inputs": records},
        "inputs of lists": {"inputs": lists},
        "inputs of columns": {"inputs": columns},
        "dataframe_records": {"dataframe_records": records},
        "dataframe_split": {"dataframe_split": turned},
    }


def csv_of(rows: list[tuple[float, ...]]) -> bytes:
    return "\n".join([",".join(NAMES), *(",".join(map(repr, row)) for row in rows), ""]).encode()


def tensor_rows(rows: list[tuple[float, ...]]) -> Rows:
    """By the Open Inference Protocol, a tensor a feature."""
    tensors = [
        InferInput(name=name, datatype="FP64", shape=[len(rows)], data=[float(row[index]) for row in rows])
        for index, name in enumerate(NAMES)
    ]
    columns = to_columns(tensors, iris_signature(), max_rows=MAX_ROWS)
    return VALIDATOR.cut(list(VALIDATOR.columns.to_rows(columns, "inputs")), CHUNK_ROWS, {})


def parsed_forms(rows: list[tuple[float, ...]]) -> Iterator[tuple[str, Rows]]:
    bounds = {"max_rows": MAX_ROWS, "chunk_rows": CHUNK_ROWS}
    for name, body in json_forms(rows).items():
        yield name, VALIDATOR.parse_batch(json.dumps(body).encode(), **bounds)
    yield "CSV in a request", VALIDATOR.parse_csv(csv_of(rows), **bounds)
    yield "tensors", tensor_rows(rows)


def answer_chunks(parsed: Rows, version: LoadedVersion) -> list[str]:
    """Each row's answer as text, of a batch that was cut into chunks."""
    answers = []
    for payload, count in zip(parsed.payloads, parsed.row_counts, strict=True):
        request = build_request("job", kind="batch", rows=count, encoding=parsed.encoding, payload=payload)
        array = decode_rows([request], version.signature)
        outputs = score_together(version.calls, array, version.signature, Returns.BOTH)
        assert isinstance(outputs, tuple)
        answers += json.loads(encode_answers(answers_of_arrays(outputs, version.signature, request)))
    return [json.dumps(answer) for answer in answers]


def answer_alone(row: tuple[float, ...], version: LoadedVersion) -> str:
    """The same row as a single job."""
    parsed = VALIDATOR.parse_batch(json.dumps({"instances": [list(row)]}).encode(), max_rows=1, chunk_rows=1)
    request = build_request("job", encoding=parsed.encoding, payload=parsed.payloads[0])
    (scored,) = score_rows(version.calls, decode_rows([request], version.signature), version.signature)
    return json.dumps(answer_of(scored, version.signature, request))


def files_of(rows: list[tuple[float, ...]]) -> dict[FileFormat, bytes]:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows]
    sink = io.BytesIO()
    pq.write_table(pa.table({name: [float(row[index]) for row in rows] for index, name in enumerate(NAMES)}), sink)
    return {
        FileFormat.CSV: csv_of(rows),
        FileFormat.NDJSON: "\n".join(lines).encode(),
        FileFormat.PARQUET: sink.getvalue(),
    }


def cut(file_format: FileFormat, path: str, data: bytes, scoring: FileScoring) -> list[BlobSlice]:
    """The chunks of a file, as the gateway cuts it, or as a worker plans it."""
    if file_format is FileFormat.PARQUET:
        whole = encode_slice(BlobSlice(file_format, path, 0, len(data), row_group=PLAN))
        planned = scoring.plan(build_request("job", encoding=Encoding.BLOB, payload=whole), iris_signature())
        return [decode_slice(request.payload) for request in planned]
    read = read_csv_head if file_format is FileFormat.CSV else read_ndjson_head
    splitter = Splitter(
        lambda beginning, is_all: read(iris_signature(), beginning, is_all),
        CHUNK_BYTES,
        10**6,
        is_quoted=file_format is FileFormat.CSV,
    )
    splitter.feed(data)
    return [
        BlobSlice(file_format, path, its.start, its.end, its.first_line, splitter.columns) for its in splitter.finish()
    ]


def answer_file(file_format: FileFormat, data: bytes, version: LoadedVersion, store: BlobStore) -> list[str]:
    """Each row's answer as text, of a file."""
    scoring, path = FileScoring(store, 10**9, CHUNK_BYTES, 10**9), f"job/input.{file_format}"
    with store.open_writer(path) as writer:
        writer.write(data)
        writer.commit()
    answers: list[str] = []
    for chunk, part in enumerate(cut(file_format, path, data, scoring)):
        request: ScoreRequest = build_request("job", encoding=Encoding.BLOB, payload=encode_slice(part), chunk=chunk)
        suspects = Suspects(Claimed(Lane.BATCH, b"1-1", request), (), Seat())
        parts = scoring.score(request, version, suspects).parts
        found = read_part(store, "job", parts, version.signature, is_first=chunk == 0)
        answers += [json.dumps(answer) for answer in found]
    return answers


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_in_every_form_of_a_request_each_row_is_answered_as_if_it_were_alone(
    version: LoadedVersion, rows: list[tuple[float, ...]]
) -> None:
    alone = [answer_alone(row, version) for row in rows]

    for form, parsed in parsed_forms(rows):
        assert answer_chunks(parsed, version) == alone, form


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_in_every_form_of_a_file_each_row_is_answered_as_if_it_were_alone(
    version: LoadedVersion, store: BlobStore, rows: list[tuple[float, ...]]
) -> None:
    alone = [answer_alone(row, version) for row in rows]

    for file_format, data in files_of(rows).items():
        found = answer_file(file_format, data, version, store)
        # Compared as numbers: a probability of exactly one is written with a point or without.
        assert list(map(json.loads, found)) == list(map(json.loads, alone)), file_format


class Narrow:
    """Computes in fewer bits, as XGBoost does: the fewest digits of its answers are not those of the same float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A value for each row."""
        return (rows.sum(axis=1) / 7).astype(self.dtype)


class NarrowClassifier(Narrow):
    classes_ = np.array(IRIS_CLASSES)

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        shares = rows[:, :3] + 1
        return (shares / shares.sum(axis=1, keepdims=True)).astype(self.dtype)


QUANTITY = iris_signature().model_copy(update={"task": "regression", "outputs": (Output(name="area"),)})
NARROW_ROWS = [SETOSA, (0.1, 0.2, 0.3, 0.4), (7.7, 1.3, 2.9, 0.7)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("kind", "signature"), [(NarrowClassifier, iris_signature()), (Narrow, QUANTITY)])
def test_an_estimator_of_fewer_bits_gives_the_same_numbers_in_every_form(
    store: BlobStore, kind: type[Narrow], signature: Signature, dtype: Any
) -> None:
    estimator = kind(dtype)
    manifest = build_manifest(signature=signature, golden=golden_of(estimator, signature, [SETOSA]))
    version = LoadedVersion(manifest, estimator)
    alone = [json.loads(answer_alone(row, version)) for row in NARROW_ROWS]

    for form, parsed in parsed_forms(NARROW_ROWS):
        assert list(map(json.loads, answer_chunks(parsed, version))) == alone, form
    for file_format, data in files_of(NARROW_ROWS).items():
        assert list(map(json.loads, answer_file(file_format, data, version, store))) == alone, file_format
