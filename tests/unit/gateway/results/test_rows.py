"""Where a batch's answers are found, whole and page by page: each at its row's place, or none."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from gateway.results import rows
from gateway.results.rows import Piece, check_complete, check_version, page_of, pieces_of, stream
from rhizome import keys
from rhizome.blob_slices import FileFormat, encode_parts
from rhizome.errors import BlobNotFound, RowsIncomplete
from rhizome.jobs import State
from rhizome.registry import Registry
from rhizome.row_table import Column
from tests.support.parts import write_part
from tests.support.queue import succeed
from tests.unit.gateway.conftest import CHAMPION, OTHER
from tests.unit.gateway.results.conftest import BAD, SETOSA, VIRGINICA, Results

CHUNKS = ([SETOSA, BAD], [VIRGINICA, SETOSA], [VIRGINICA])
ANSWERS = [answer for chunk in CHUNKS for answer in chunk]
BOTH_WAYS = pytest.mark.parametrize("way", ["answer_request", "answer_file"])
NAMES = ["label", *(f"probability_{label}" for label in ("setosa", "versicolor", "virginica")), "error"]


def whole(results: Results, job_id: str, form: FileFormat) -> bytes:
    pieces = pieces_of(results.here, results.queue.read(job_id), form)
    return b"".join(stream(results.here.blobs, pieces, 0, sum(piece.size for piece in pieces)))


@BOTH_WAYS
def test_all_rows_are_given_as_ndjson_in_input_order(results: Results, way: str) -> None:
    job_id = results.answer(way, "ndjson", *CHUNKS)

    lines = whole(results, job_id, FileFormat.NDJSON).splitlines()

    assert [json.loads(line) for line in lines] == ANSWERS


@BOTH_WAYS
def test_all_rows_are_given_as_csv_in_input_order(results: Results, way: str) -> None:
    job_id = getattr(results, way)(*CHUNKS)

    rows = list(csv.DictReader(io.StringIO(whole(results, job_id, FileFormat.CSV).decode(), newline="")))

    assert list(rows[0]) == NAMES
    assert [row["label"] for row in rows] == ["setosa", "", "virginica", "setosa", "virginica"]
    assert [row["probability_setosa"] for row in rows] == ["0.75", "", "0.0", "0.75", "0.0"]
    assert rows[1]["error"] == 'invalid_row: line 3: sepal_width is "x", not a number'
    assert [bool(row["error"]) for row in rows] == [False, True, False, False, False]


@BOTH_WAYS
def test_both_ways_of_a_job_give_the_same_table(results: Results, way: str) -> None:
    job_id, other = getattr(results, way)(*CHUNKS), results.answer_request(ANSWERS)

    assert whole(results, job_id, FileFormat.CSV) == whole(results, other, FileFormat.CSV)


@pytest.mark.parametrize(
    ("answer", "header"),
    [
        ({"label": "setosa"}, "label,error"),
        ({"probabilities": SETOSA["probabilities"]}, ",".join(NAMES[1:])),
        (SETOSA, ",".join(NAMES)),
        (BAD, ",".join(NAMES)),
    ],
    ids=["labels", "probabilities", "both", "errors alone"],
)
def test_a_table_has_the_columns_of_what_was_asked_for(results: Results, answer: dict[str, Any], header: str) -> None:
    job_id = results.answer_request([answer, answer])

    assert whole(results, job_id, FileFormat.CSV).decode().splitlines()[0] == header


def test_rows_that_no_version_answered_are_no_table_but_lines(results: Results) -> None:
    job_id = results.answer_request([BAD], is_bound=False)

    assert json.loads(whole(results, job_id, FileFormat.NDJSON)) == BAD
    with pytest.raises(RowsIncomplete, match="ask for NDJSON"):
        whole(results, job_id, FileFormat.CSV)
    with pytest.raises(RowsIncomplete, match="no version answered"):
        check_version(results.queue.read(job_id))


def test_rows_of_a_version_that_is_gone_are_no_table_but_lines(results: Results, registry: Registry) -> None:
    job_id = results.answer_request([SETOSA])
    registry.promote(OTHER.version, reason="a test")
    registry.forget(CHAMPION.version)
    results.here.champion.forget()

    assert json.loads(whole(results, job_id, FileFormat.NDJSON)) == SETOSA
    with pytest.raises(RowsIncomplete, match="is gone; ask for NDJSON"):
        whole(results, job_id, FileFormat.CSV)


@BOTH_WAYS
def test_rows_that_are_missing_are_told(results: Results, redis: Redis, way: str) -> None:
    job_id = getattr(results, way)(*CHUNKS)
    redis.hdel(keys.rows(job_id), "1")

    for form in (FileFormat.NDJSON, FileFormat.CSV):
        with pytest.raises(RowsIncomplete, match="submit it again"):
            whole(results, job_id, form)


def test_a_part_that_is_gone_from_the_store_is_told(results: Results) -> None:
    job_id = results.answer_file(*CHUNKS)
    results.here.blobs.delete(job_id)

    with pytest.raises(BlobNotFound):
        whole(results, job_id, FileFormat.CSV)


def test_a_single_jobs_answer_is_no_table(results: Results) -> None:
    job_id = results.queue.submit()

    with pytest.raises(RowsIncomplete, match="application/json"):
        check_complete(results.queue.read(job_id))


def test_rows_are_not_complete_before_the_last_chunk(results: Results) -> None:
    job_id = results.queue.submit_batch(1, 1)
    scorer = results.queue.batch_scorer()

    for _ in range(2):
        with pytest.raises(RowsIncomplete, match=r"its rows are there once it has ended; wait with \?wait=30"):
            check_complete(results.queue.read(job_id))
        (entry,) = scorer.claim()
        with pytest.raises(RowsIncomplete, match="this job is running"):
            check_complete(results.queue.read(job_id))
        scorer.finish([succeed(entry)], claim_next=False)

    check_complete(results.queue.read(job_id))


def test_rows_of_a_cancelled_job_are_never_complete(results: Results) -> None:
    job_id = results.queue.submit_batch(1, 1)
    results.queue.submissions.cancel(job_id)

    with pytest.raises(RowsIncomplete, match="cancelled: not all of its rows were answered"):
        check_complete(results.queue.read(job_id))


def test_rows_that_all_failed_are_complete(results: Results) -> None:
    job = results.queue.read(results.answer_request([BAD], [BAD]))

    assert job.state is State.FAILED
    check_complete(job)


@pytest.mark.parametrize("source", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("offset", range(7))
@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_page_holds_the_rows_from_its_offset_on(results: Results, source: str, offset: int, limit: int) -> None:
    job = results.queue.read(results.answer_file(*CHUNKS, source=source))

    page = page_of(results.here, job, offset, limit)

    assert [json.loads(bytes(row)) for row in page] == ANSWERS[offset : offset + limit]


def test_rows_of_a_file_are_shown_though_the_version_is_gone(results: Results, registry: Registry) -> None:
    job_id = results.answer_file(*CHUNKS)
    registry.promote(OTHER.version, reason="a test")
    registry.forget(CHAMPION.version)
    results.here.champion.forget()

    page = page_of(results.here, results.queue.read(job_id), 0, 10)

    assert [json.loads(bytes(row)) for row in page] == ANSWERS


def test_rows_before_a_page_are_not_made_into_answers(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    build = rows.build_writer

    def counting(columns: Sequence[Column]) -> Callable[[Sequence[str]], bytes]:
        write = build(columns)
        return lambda cells: made.append(1) or write(cells)  # type: ignore[func-returns-value]

    job = results.queue.read(results.answer_file([BAD, SETOSA] * 50))
    monkeypatch.setattr(rows, "build_writer", counting)

    page = page_of(results.here, job, 90, 4)

    assert [json.loads(bytes(row)) for row in page] == [BAD, SETOSA] * 2
    assert len(made) == 2


def test_only_the_parts_of_a_page_are_read(results: Results) -> None:
    job_id = results.answer_file(*CHUNKS)
    for number in ("0", "2"):
        results.here.blobs.delete(f"{job_id}/rows/{number}.csv")

    page = page_of(results.here, results.queue.read(job_id), 2, 2)

    assert [json.loads(bytes(row)) for row in page] == ANSWERS[2:4]


def test_the_rows_of_a_cancelled_file_job_end_where_one_is_missing(results: Results, redis: Redis) -> None:
    here, queue = results
    job_id = queue.submit_batch(2, 2, 2)
    for chunk in (0, 2):
        answers = [{"value": 2 * chunk + number} for number in range(2)]
        parts = write_part(here.blobs, job_id, chunk, answers, CHAMPION.signature, FileFormat.NDJSON)
        redis.hset(keys.rows(job_id), str(chunk), encode_parts(parts))
    queue.submissions.cancel(job_id)
    job = queue.read(job_id)

    pages = [page_of(here, job, offset, 2) for offset in (0, 1, 2)]

    assert [[json.loads(bytes(row))["value"] for row in page] for page in pages] == [[0, 1], [1], []]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 7), max_size=5),
    bounds=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    are_stored=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_any_part_of_all_pieces_is_that_part_of_their_bytes(
    results: Results, sizes: list[int], bounds: tuple[int, int], are_stored: list[bool]
) -> None:
    everything, pieces = bytes(range(sum(sizes))), []
    at = 0
    for number, (size, is_stored) in enumerate(zip(sizes, are_stored, strict=False)):
        data = everything[at : at + size]
        at += size
        if is_stored:
            results.here.blobs.delete(f"job/{number}")
            with results.here.blobs.open_writer(f"job/{number}") as writer:
                writer.write(data)
                writer.commit()
            pieces.append(Piece(size, path=f"job/{number}"))
        else:
            pieces.append(Piece(size, data=data))
    start, end = sorted(bounds)

    assert b"".join(stream(results.here.blobs, pieces, start, end)) == everything[start:end]
