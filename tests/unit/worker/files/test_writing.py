"""A chunk's answers are there when all of them are; whatever goes wrong before leaves nothing behind."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from rhizome import keys
from rhizome.blob_slices import part_path
from rhizome.blob_store import BlobStore, BlobWriter
from rhizome.errors import BlobStoreUnavailable
from rhizome.jobs import Lane, State
from tests.support.versions import IRIS_CLASSES, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker.files.lines import LineFormat

CHUNK_ROWS, CHUNK_BYTES = 32, 1_024
ROWS = 4 * CHUNK_ROWS


class WatchedStore:
    """The store of a bench, which calls `before_commit` before each part is there."""

    def __init__(self, store: BlobStore, before_commit: Callable[[], None]) -> None:
        self._store = store
        self._before_commit = before_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open_writer(self, path: str) -> BlobWriter:
        writer = self._store.open_writer(path)
        commit = writer.commit

        def act_and_commit() -> None:
            self._before_commit()
            commit()

        writer.commit = act_and_commit  # type: ignore[method-assign]
        return writer


@pytest.fixture
def bench(build_bench: BuildBench) -> Bench:
    bench = build_bench(Lane.BATCH, file_chunk_bytes=CHUNK_BYTES)
    bench.serve(write_iris(bench.models_dir))
    return bench


def before_each_commit(bench: Bench, act: Callable[[], None]) -> None:
    bench.files._store = WatchedStore(bench.blobs, act)  # type: ignore[assignment]


def labels_of(bench: Bench, job_id: str) -> list[str]:
    parts = bench.parts_of(job_id)
    data = b"".join(bench.blobs.read(part_path(job_id, part), 0, part.size) for part in parts)
    return [line.partition(",")[0] for line in data.decode().splitlines()[1:]]


EXPECTED = (list(IRIS_CLASSES) * ROWS)[:ROWS]


def test_a_scorer_that_stops_finishes_what_it_is_writing(bench: Bench) -> None:
    def stop() -> None:
        bench.is_stopping = True

    before_each_commit(bench, stop)
    job_id = bench.submit_parquet(ROWS)

    bench.scorer.run()

    assert bench.queue.in_flight(Lane.BATCH) == 0
    assert bench.parts_of(job_id)
    assert bench.queue.bells(keys.BATCH_QUEUE) == 1  # for the rest of the chunks
    assert not bench.queue.read(job_id).is_final


def test_a_job_that_is_cancelled_while_its_answers_are_written_ends_no_run(bench: Bench, short_retries: None) -> None:
    job_id = bench.submit_parquet(ROWS)

    def cancel() -> None:
        if not bench.queue.read(job_id).is_final:
            bench.queue.submissions.cancel(job_id)
            bench.blobs.delete(job_id)

    before_each_commit(bench, cancel)

    bench.scorer.run()

    assert bench.queue.read(job_id).state is State.CANCELLED
    assert not any(prefix == job_id for prefix in bench.blobs.prefixes())


def test_a_chunk_whose_answers_cannot_be_written_now_comes_back(build_bench: BuildBench, short_retries: None) -> None:
    bench = build_bench(
        Lane.BATCH, file_chunk_bytes=CHUNK_BYTES, lease_seconds=0.2, linger_seconds=1.0, max_deliveries=2
    )
    bench.serve(write_iris(bench.models_dir))
    absences = 6

    def be_away() -> None:
        nonlocal absences
        if absences:
            absences -= 1
            raise BlobStoreUnavailable("the store is away")

    before_each_commit(bench, be_away)
    job_id = bench.submit_parquet(ROWS)

    bench.run_until_final(job_id)

    assert absences == 0
    assert (bench.queue.read(job_id).state, labels_of(bench, job_id)) == (State.SUCCEEDED, EXPECTED)
    assert not list(bench.models_dir.rglob("*.partial"))


@pytest.mark.parametrize(
    ("chunk_bytes", "rows"), [(CHUNK_BYTES, ROWS), (1024 * CHUNK_BYTES, 12_000)], ids=["many chunks", "many slices"]
)
def test_answers_that_cannot_be_made_into_text_together_are_written_row_by_row(
    build_bench: BuildBench, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, rows: int
) -> None:
    bench = build_bench(Lane.BATCH, file_chunk_bytes=chunk_bytes)
    bench.serve(write_iris(bench.models_dir))
    refusals: list[object] = []

    def refuse(self: LineFormat, outputs: object) -> None:
        refusals.append(outputs)
        raise ValueError("the estimator gave a label that is none of its classes")

    monkeypatch.setattr(LineFormat, "format_arrays", refuse)
    job_id = bench.submit_parquet(rows)

    bench.scorer.run()

    assert refusals
    assert bench.queue.read(job_id).state is State.SUCCEEDED
    assert labels_of(bench, job_id) == (list(IRIS_CLASSES) * rows)[:rows]
    assert not list(bench.models_dir.rglob("*.partial"))


def test_a_run_that_loses_redis_holds_nothing_any_more(build_bench: BuildBench) -> None:
    bench = build_bench(Lane.BATCH, file_chunk_bytes=CHUNK_BYTES, lease_seconds=0.2, linger_seconds=1.0)
    bench.serve(write_iris(bench.models_dir))
    score, calls = bench.files.score, 0

    def score_or_lose_redis(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:  # of the second chunk with rows
            raise RedisConnectionError("gone")
        return score(*args)

    bench.files.score = score_or_lose_redis  # type: ignore[method-assign]
    job_id = bench.submit_parquet(ROWS)
    bench.scorer.run()

    assert bench.scorer.busy_since is None
    bench.run_until_final(job_id)
    assert (bench.queue.read(job_id).state, labels_of(bench, job_id)) == (State.SUCCEEDED, EXPECTED)
