"""A batch's rows in another form: what the file holds, who is told, and what becomes of one that cannot be made."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis
from sklearn.dummy import DummyClassifier

from rhizome import keys
from rhizome.blob_slices import FileFormat, encode_parts, export_path
from rhizome.errors import BlobStoreUnavailable, RowsIncomplete
from rhizome.job_queue.exporting import CLAIM_SECONDS, FAILURE_SECONDS, renew_export, request_export
from rhizome.jobs import Returns
from rhizome.signature import Output
from tests.support.parts import write_part
from tests.support.versions import (
    LINE_ROWS,
    build_manifest,
    iris_signature,
    line_estimator,
    line_signature,
    write_version,
)
from tests.unit.worker.conftest import Bench
from worker.export import Exports
from worker.files import exporting
from worker.shelf import LoadedVersion

SETOSA = {"label": "setosa", "probabilities": {"setosa": 0.75, "versicolor": 0.25, "virginica": 1e-300}}
VIRGINICA = {"label": "virginica", "probabilities": {"setosa": 0.0, "versicolor": 0.25, "virginica": 0.75}}
BAD = {"error": {"code": "invalid_row", "detail": "sepal_width is 'x'\nnot a number"}, "line": 3}
CHUNKS = ([SETOSA, BAD], [VIRGINICA])
PROBABILITIES = [f"probability_{label}" for label in ("setosa", "versicolor", "virginica")]

Answers = Sequence[dict[str, Any]]


@pytest.fixture
def exports(bench: Bench) -> Exports:
    return Exports(bench.queue.redis, bench.blobs, bench.shelf)


def answer_request(bench: Bench, *chunks: Answers) -> str:
    """A job whose answers are in Redis."""
    return _answer(bench, "", [json.dumps(list(chunk), separators=(",", ":")).encode() for chunk in chunks])


def answer_file(
    bench: Bench,
    *chunks: Answers,
    form: FileFormat = FileFormat.CSV,
    returns: Returns = Returns.BOTH,
    top_k: int = 0,
) -> str:
    """A job whose answers are in the store."""
    assert bench.shelf.champion is not None
    signature = bench.shelf.champion.signature
    job_id = bench.submit_batch(*(len(chunk) for chunk in chunks))
    parts = [
        write_part(bench.blobs, job_id, number, chunk, signature, form, returns, top_k)
        for number, chunk in enumerate(chunks)
    ]
    return _answer(bench, form, [encode_parts(part) for part in parts], job_id)


def answer_ndjson_file(bench: Bench, *chunks: Answers, returns: Returns = Returns.BOTH) -> str:
    """Likewise, as NDJSON."""
    return answer_file(bench, *chunks, form=FileFormat.NDJSON, returns=returns)


def _answer(bench: Bench, source: str, bodies: Sequence[bytes], job_id: str = "") -> str:
    redis, champion = bench.queue.redis, bench.shelf.champion
    assert champion is not None
    job_id = job_id or bench.submit_batch(*[1] * len(bodies))
    facts = {"version": champion.name, "chunks": len(bodies)} | ({"source": source} if source else {})
    redis.hset(keys.job(job_id), mapping=facts)
    for number, body in enumerate(bodies):
        redis.hset(keys.rows(job_id), str(number), body)
    return job_id


WAYS: dict[str, Callable[..., str]] = {
    "rows in Redis": answer_request,
    "rows in the store": answer_file,
    "NDJSON in the store": answer_ndjson_file,
}
ALL_WAYS = pytest.mark.parametrize("way", WAYS)


def table_of(bench: Bench, job_id: str) -> pa.Table:
    return pq.read_table(bench.models_dir / "blobs" / export_path(job_id, FileFormat.PARQUET))


@ALL_WAYS
def test_the_rows_are_there_in_input_order_with_their_types(bench: Bench, exports: Exports, way: str) -> None:
    job_id = WAYS[way](bench, *CHUNKS)

    exports.export(job_id, FileFormat.PARQUET)

    table = table_of(bench, job_id)
    assert table.schema == pa.schema(
        [("label", pa.string()), *((name, pa.float64()) for name in PROBABILITIES), ("error", pa.string())]
    )
    assert table["label"].to_pylist() == ["setosa", None, "virginica"]
    assert table["probability_virginica"].to_pylist() == [1e-300, None, 0.75]
    assert table["error"].to_pylist() == [None, "invalid_row: line 3: sepal_width is 'x'\nnot a number", None]


@ALL_WAYS
@pytest.mark.parametrize(
    ("returns", "columns"),
    [(Returns.LABEL, ["label", "error"]), (Returns.PROBABILITIES, [*PROBABILITIES, "error"])],
)
def test_it_has_the_columns_of_what_was_asked_for(
    bench: Bench, exports: Exports, way: str, returns: Returns, columns: list[str]
) -> None:
    part = "label" if returns is Returns.LABEL else "probabilities"
    answers = [{part: answer[part]} for answer in (SETOSA, VIRGINICA)]
    more = {"returns": returns} if way != "rows in Redis" else {}
    job_id = WAYS[way](bench, answers, [answers[0]], **more)

    exports.export(job_id, FileFormat.PARQUET)

    table = table_of(bench, job_id)
    assert (table.column_names, len(table)) == (columns, 3)


@ALL_WAYS
def test_rows_that_all_failed_are_a_table_of_errors(bench: Bench, exports: Exports, way: str) -> None:
    job_id = WAYS[way](bench, [BAD], [BAD, BAD])

    exports.export(job_id, FileFormat.PARQUET)

    table = table_of(bench, job_id)
    assert table["label"].null_count == len(table) == 3
    assert table["error"].null_count == 0


@ALL_WAYS
def test_a_regressions_values_are_numbers(bench: Bench, exports: Exports, way: str) -> None:
    bench.serve(write_version(bench.models_dir, line_estimator(), line_signature(), LINE_ROWS, number=2))
    job_id = WAYS[way](bench, [{"value": 1}, {"value": 0.1}], [{"value": -1e300}])

    exports.export(job_id, FileFormat.PARQUET)

    assert table_of(bench, job_id)["value"].to_pylist() == [1.0, 0.1, -1e300]


@ALL_WAYS
def test_labels_keep_their_type_and_several_outputs_their_names(
    bench: Bench, exports: Exports, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = (Output(name="tier", classes=(1, 2)), Output(name="left", classes=(False, True)))
    signature = iris_signature().model_copy(update={"outputs": outputs, "has_probabilities": False})
    version = LoadedVersion(build_manifest(signature=signature), DummyClassifier())
    bench.shelf.champion = version
    monkeypatch.setattr(bench.shelf, "get", lambda _: version)
    job_id = WAYS[way](bench, [{"outputs": {"tier": {"label": 2}, "left": {"label": True}}}, BAD])

    exports.export(job_id, FileFormat.PARQUET)

    table = table_of(bench, job_id)
    assert table.schema.types == [pa.int64(), pa.bool_(), pa.string()]
    assert table.select(["tier.label", "left.label"]).to_pylist() == [
        {"tier.label": 2, "left.label": True},
        {"tier.label": None, "left.label": None},
    ]


@ALL_WAYS
def test_the_claim_is_renewed_with_each_part(bench: Bench, exports: Exports, way: str, redis: Redis) -> None:
    job_id = WAYS[way](bench, [SETOSA], [SETOSA], [SETOSA])
    request_export(redis, job_id, FileFormat.PARQUET)
    claim, seconds_left = keys.export(job_id, FileFormat.PARQUET), list[int]()

    def renew(*given: Any) -> None:
        redis.expire(claim, 1)
        renew_export(*given)
        seconds_left.append(redis.ttl(claim))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.export.renew_export", renew)
        exports.export(job_id, FileFormat.PARQUET)

    assert len(seconds_left) == 3
    assert min(seconds_left) > CLAIM_SECONDS / 2


def test_who_waits_is_told_when_it_is_there(bench: Bench, exports: Exports) -> None:
    redis = bench.queue.redis
    job_id = answer_request(bench, *CHUNKS)
    request_export(redis, job_id, FileFormat.PARQUET)
    notices = redis.pubsub(ignore_subscribe_messages=True)
    notices.subscribe(keys.FINISHED)
    notices.get_message(timeout=1)

    exports.export(job_id, FileFormat.PARQUET)

    notice = notices.get_message(timeout=5)
    notices.close()
    assert notice is not None
    assert notice["data"] == job_id.encode()
    assert not redis.exists(keys.export(job_id, FileFormat.PARQUET))


def test_however_many_ask_one_file_is_made(bench: Bench) -> None:
    for _ in range(5):
        request_export(bench.queue.redis, "job", FileFormat.PARQUET)

    assert bench.queue.redis.llen(keys.EXPORT_QUEUE) == 1


def test_a_job_that_has_expired_meanwhile_is_no_failure(bench: Bench, exports: Exports) -> None:
    job_id = answer_request(bench, *CHUNKS)
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)
    bench.queue.redis.delete(keys.job(job_id), keys.rows(job_id))

    exports.export(job_id, FileFormat.PARQUET)

    assert not (bench.models_dir / "blobs" / export_path(job_id, FileFormat.PARQUET)).exists()
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)


def test_a_part_that_is_gone_leaves_no_half_a_file_and_is_told(bench: Bench, exports: Exports) -> None:
    job_id = answer_file(bench, *CHUNKS)
    bench.blobs.delete(f"{job_id}/rows/1.csv")
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)

    exports.export(job_id, FileFormat.PARQUET)

    folder: Path = bench.models_dir / "blobs" / job_id
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["0.csv", "0.errors.ndjson"]
    with pytest.raises(RowsIncomplete, match="another form"):
        request_export(bench.queue.redis, job_id, FileFormat.PARQUET)


@pytest.mark.parametrize("end", [SoftTimeLimitExceeded(), MemoryError()], ids=["time", "memory"])
def test_one_that_takes_too_much_is_told_and_ends_its_task(
    bench: Bench, exports: Exports, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise end

    monkeypatch.setattr(exporting, "export_answers", fail)
    job_id = answer_request(bench, *CHUNKS)
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)

    with pytest.raises(type(end)):
        exports.export(job_id, FileFormat.PARQUET)

    with pytest.raises(RowsIncomplete, match="another form"):
        request_export(bench.queue.redis, job_id, FileFormat.PARQUET)


def test_a_failed_export_is_told_and_may_be_asked_for_again_later(
    bench: Bench, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a column is not what it should be")

    monkeypatch.setattr(exporting, "export_answers", fail)
    job_id = bench.submit_batch(1)
    bench.queue.redis.hset(keys.job(job_id), "version", bench.request().version)
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)

    exports.export(job_id, FileFormat.PARQUET)

    with pytest.raises(RowsIncomplete, match="another form"):
        request_export(bench.queue.redis, job_id, FileFormat.PARQUET)
    assert 0 < bench.queue.redis.ttl(keys.export(job_id, FileFormat.PARQUET)) <= FAILURE_SECONDS


def test_a_store_that_is_away_is_no_failure_of_the_export(
    bench: Bench, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BlobStoreUnavailable("away")

    monkeypatch.setattr(exporting, "export_answers", fail)
    job_id = bench.submit_batch(1)
    bench.queue.redis.hset(keys.job(job_id), "version", bench.request().version)
    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)

    with pytest.raises(BlobStoreUnavailable):
        exports.export(job_id, FileFormat.PARQUET)

    request_export(bench.queue.redis, job_id, FileFormat.PARQUET)
