"""Chunks of batch jobs: scored in slices, by one version, answered row by row."""

import json

import msgspec
import numpy as np
import pytest

from rhizome import keys
from rhizome.inference import ROW_MULTIPLE
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, State
from tests.support.estimators import refusing, watched
from tests.support.queue import pack_rows
from tests.support.versions import (
    IRIS_CLASSES,
    IRIS_ROWS,
    SETOSA,
    VIRGINICA,
    write_iris,
)
from tests.unit.worker.conftest import Bench
from worker.failures import give_up

MARKER = -99.0


@pytest.fixture
def bench(batch_bench: Bench) -> Bench:
    return batch_bench


def claim(bench: Bench) -> list[Claimed]:
    return bench.claims.claim()


def chunk_of(bench: Bench, rows: int) -> Claimed:
    bench.submit_batch(rows)
    (chunk,) = claim(bench)
    return chunk


def test_a_chunk_is_answered_in_input_order(bench: Bench) -> None:
    rows = [IRIS_ROWS[index % 3] for index in range(200)]
    job_id = bench.queue.submit_batch(200, signature="", version="")
    (entry,) = claim(bench)
    champion = bench.shelf.champion
    assert champion is not None
    request = msgspec.structs.replace(
        entry.request, payload=pack_rows(rows), signature=champion.signature.digest, version=champion.name
    )

    finished = bench.scoring.score_chunk(entry._replace(request=request))

    answers = json.loads(finished.body)
    assert [answer["label"] for answer in answers] == [IRIS_CLASSES[index % 3] for index in range(200)]
    assert finished.failed_rows == 0
    assert bench.queue.read(job_id).facts["version"] == champion.name.encode()


def test_slow_estimators_get_small_slices(bench: Bench) -> None:
    sizes: list[int] = []
    bench.serve_unsaved(watched(lambda rows: sizes.append(len(rows))))
    bench.learn_cost(milliseconds_per_row=1000.0)
    sizes.clear()

    bench.scoring.score_chunk(chunk_of(bench, 2))

    assert sizes == [ROW_MULTIPLE] * 2


def test_bad_rows_of_a_chunk_fail_alone_and_are_counted(bench: Bench) -> None:
    estimator, _ = refusing(MARKER)
    manifest = bench.serve_unsaved(estimator)
    bench.queue.submit_batch(3)
    (entry,) = claim(bench)
    rows = [SETOSA, (MARKER, 1.0, 1.0, 1.0), VIRGINICA]
    request = msgspec.structs.replace(
        entry.request, payload=pack_rows(rows), signature=manifest.signature.digest, version=manifest.version
    )

    finished = bench.scoring.score_chunk(entry._replace(request=request))

    answers = json.loads(finished.body)
    assert finished.failed_rows == 1
    assert [answer.get("label") for answer in answers] == ["setosa", None, "virginica"]
    assert answers[1]["error"]["code"] == "scoring_failed"


def test_all_chunks_of_a_batch_are_scored_by_the_version_of_the_first(bench: Bench) -> None:
    former = bench.shelf.champion
    assert former is not None
    bench.submit_batch(1, 1)
    (first,), (second,) = claim(bench), claim(bench)
    finished = [bench.scoring.score_chunk(first)]
    bench.serve(write_iris(bench.models_dir, number=2, strength=0.01))

    finished.append(bench.scoring.score_chunk(second))

    expected = former.calls.predict_proba(np.array([SETOSA]))[0]
    for item in finished:
        (answer,) = json.loads(item.body)
        np.testing.assert_allclose(list(answer["probabilities"].values()), expected)


def test_a_chunk_whose_version_is_gone_fails_row_by_row(bench: Bench, no_patience: None) -> None:
    bench.queue.submit_batch(3, version="20250101T000000Z-00000000", pinned=True)
    (entry,) = claim(bench)

    finished = bench.scoring.score_chunk(entry)

    assert (finished.state, finished.failed_rows) == (State.FAILED, 3)
    assert [answer["error"]["code"] for answer in json.loads(finished.body)] == ["version_unavailable"] * 3


def test_a_chunk_that_cannot_be_read_fails_row_by_row(bench: Bench) -> None:
    entry = chunk_of(bench, 3)
    broken = entry._replace(request=msgspec.structs.replace(entry.request, payload=b"short"))

    finished = bench.scoring.score_chunk(broken)

    assert finished.failed_rows == 3
    assert [answer["error"]["code"] for answer in json.loads(finished.body)] == ["unreadable_payload"] * 3


def test_a_chunk_of_a_job_that_is_over_writes_nothing(bench: Bench) -> None:
    entry = chunk_of(bench, 1)
    job_id = entry.request.job_id
    bench.queue.redis.hset(keys.job(job_id), "state", "cancelled")

    bench.claims.finish([bench.scoring.score_chunk(entry)], claim_next=False)

    assert bench.queue.read(job_id).state is State.CANCELLED
    assert bench.queue.submissions.read_chunks(job_id, [0]) == [None]
    assert bench.queue.in_flight(Lane.BATCH) == 0


def test_a_given_up_chunk_fails_row_by_row(bench: Bench) -> None:
    finished = give_up(chunk_of(bench, 2)._replace(deliveries=6))

    assert (finished.failed_rows, finished.dead_reason) == (2, "too many deliveries")
    assert [answer["error"]["code"] for answer in json.loads(finished.body)] == ["gave_up"] * 2
