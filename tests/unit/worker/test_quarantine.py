"""What ended two processes alone is not tried again, and says why; what was struck together is called one by one."""

import json

import msgspec
import pytest
from redis import Redis

from rhizome import keys
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.job_queue.scripts import STREAM_KEYS
from rhizome.jobs import Lane, State
from tests.support.estimators import watched
from tests.support.versions import SETOSA, VERSICOLOR, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker.quarantine import MOST_STRIKES, note_ending
from worker.scoring import GivenBack
from worker.seats import Ending, Work

MOST = 5


@pytest.fixture
def bench(build_bench: BuildBench) -> Bench:
    bench = build_bench(lease_seconds=0.05)
    bench.serve(write_iris(bench.models_dir))
    return bench


@pytest.fixture
def batch_bench(build_bench: BuildBench) -> Bench:
    bench = build_bench(Lane.BATCH, lease_seconds=0.05)
    bench.serve(write_iris(bench.models_dir))
    return bench


def end_amid(bench: Bench, entry: Claimed, first: int = 0, last: int = 1) -> Claimed:
    """A process ends while it scores these rows of the entry; it is taken over by the next."""
    request = entry.request
    work = Work(entry.stream_index, entry.entry_id.decode(), request.job_id, request.chunk, first, last)
    note_ending(bench.claims, Ending("its process was ended by signal 11", "this-process", work))
    bench.claims.release("this-process")
    (again,) = bench.claims.reclaim()
    assert again.entry_id == entry.entry_id
    return again


def claim(bench: Bench) -> Claimed:
    (entry,) = bench.claims.claim()
    return entry


def finish(bench: Bench, item: Finished) -> None:
    bench.claims.finish([item], claim_next=False)


def test_a_job_is_quarantined_at_its_claim_after_the_second_strike(bench: Bench, redis: Redis) -> None:
    bench.submit()
    again = end_amid(bench, claim(bench))
    assert bench.scoring.judge([again], MOST) == ([], [again])
    again = end_amid(bench, again)

    (quarantined,), left = bench.scoring.judge([again], MOST)
    finish(bench, quarantined)

    error = json.loads(quarantined.body)["error"]
    assert left == []
    assert error["code"] == "quarantined"
    assert "signal 11" in error["detail"]
    ((_, letter),) = redis.xrange(keys.DEAD_LETTERS)
    assert "signal 11" in letter[b"reason"].decode()


def test_what_was_struck_comes_back_at_once_and_its_delivery_does_not_count(build_bench: BuildBench) -> None:
    bench = build_bench(lease_seconds=60.0)
    bench.serve(write_iris(bench.models_dir))
    bench.submit()
    entry = claim(bench)

    deliveries = []
    for _ in range(3):
        entry = end_amid(bench, entry)
        deliveries.append(entry.deliveries)

    assert deliveries == [2, 2, 2], "it stays one that was delivered before, and is called alone"


def test_an_entry_that_another_scorer_holds_by_now_is_left_to_it(bench: Bench) -> None:
    bench.submit()
    entry = claim(bench)
    bench.queue.let_lease_expire()
    (held,) = bench.queue.scorer("another").reclaim()
    work = Work(entry.stream_index, entry.entry_id.decode(), entry.request.job_id, 0, 0, 1)

    note_ending(bench.claims, Ending("killed", "this-process", work))

    (delivery,) = bench.queue.deliveries(STREAM_KEYS[held.stream_index - 1])
    assert delivery["consumer"] == b"another"


def test_jobs_delivered_again_are_called_one_by_one(bench: Bench) -> None:
    works: list[bytes] = []
    record = bench.shelf.seat._record
    bench.serve_unsaved(watched(lambda rows: works.append(record.work)))
    jobs = [bench.submit() for _ in range(3)]
    entries = [entry._replace(deliveries=2) for entry in bench.claims.claim()]
    works.clear()

    bench.scoring.score_singles(entries)

    named = {msgspec.json.decode(work, type=Work).job_id for work in works}
    assert named == set(jobs)
    assert record.work == b""


def test_jobs_in_one_call_are_named_by_nobody(bench: Bench) -> None:
    works: list[bytes] = []
    record = bench.shelf.seat._record
    bench.serve_unsaved(watched(lambda rows: works.append(record.work)))
    for _ in range(3):
        bench.submit()
    entries = bench.claims.claim()
    works.clear()

    bench.scoring.score_singles(entries)

    assert set(works) == {b""}


def test_of_a_chunk_only_the_row_that_was_struck_twice_alone_fails(batch_bench: Bench) -> None:
    batch_bench.submit_batch(4)
    again = end_amid(batch_bench, claim(batch_bench), 0, 4)
    for _ in range(2):
        again = end_amid(batch_bench, again, 2, 3)

    hopeless, (again,) = batch_bench.scoring.judge([again], MOST)
    finished = batch_bench.scoring.score_chunk(again)

    assert hopeless == []
    assert isinstance(finished, Finished)
    answers = json.loads(finished.body)
    assert [answer.get("label") for answer in answers] == ["setosa", "setosa", None, "setosa"]
    assert answers[2]["error"]["code"] == "quarantined"
    assert "signal 11" in answers[2]["error"]["detail"]
    assert (finished.state, finished.failed_rows) == (State.SUCCEEDED, 1)
    assert "signal 11" in finished.dead_reason


def test_rows_struck_together_are_called_one_by_one(batch_bench: Bench) -> None:
    record, works = batch_bench.shelf.seat._record, []
    batch_bench.serve_unsaved(watched(lambda rows: works.append(record.work)))
    batch_bench.submit_batch(4)
    again = end_amid(batch_bench, claim(batch_bench), 1, 3)
    _, (again,) = batch_bench.scoring.judge([again], MOST)
    works.clear()

    batch_bench.scoring.score_chunk(again)

    assert works.pop(0) == b"", "a sound row is called first, in nobody's name"
    calls = {(work.first, work.last) for work in (msgspec.json.decode(each, type=Work) for each in works)}
    assert calls == {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_a_chunk_of_many_such_rows_is_given_up_as_a_whole(batch_bench: Bench) -> None:
    batch_bench.submit_batch(4)
    again = claim(batch_bench)
    for at in range(MOST_STRIKES):
        again = end_amid(batch_bench, again, at % 4, at % 4 + 1)

    (quarantined,), left = batch_bench.scoring.judge([again], MOST)

    assert left == []
    assert {answer["error"]["code"] for answer in json.loads(quarantined.body)} == {"quarantined"}


def test_where_a_golden_row_fails_too_no_row_is_at_fault(bench: Bench) -> None:
    is_broken = False

    def look(_: object) -> None:
        if is_broken:
            raise AttributeError("partially initialized module 'pandas' has no attribute 'api'")

    manifest = bench.serve_unsaved(watched(look))
    jobs = [bench.submit(SETOSA), bench.submit(VERSICOLOR)]
    is_broken = True

    finished = bench.scoring.score_singles(bench.claims.claim())

    assert finished == [], "they went back"
    assert bench.shelf.champion is None, f"{manifest.version} is loaded anew"
    assert not any(bench.queue.read(job_id).is_final for job_id in jobs)


def test_of_a_chunk_likewise(batch_bench: Bench) -> None:
    is_broken = False

    def look(_: object) -> None:
        if is_broken:
            raise MemoryError

    batch_bench.serve_unsaved(watched(look))
    batch_bench.submit_batch(3)
    is_broken = True

    with pytest.raises(GivenBack):
        batch_bench.scoring.score_chunk(claim(batch_bench))


def test_what_passes_while_a_row_is_judged_is_not_its_fault(bench: Bench) -> None:
    failures = [ImportError("half imported")]

    def look(_: object) -> None:
        if failures:
            raise failures.pop()

    soon = failures.copy()
    failures.clear()
    bench.serve_unsaved(watched(look))
    bench.submit()
    failures.extend(soon)

    (finished,) = bench.scoring.score_singles(bench.claims.claim())

    assert finished.state is State.SUCCEEDED


def test_what_a_dead_scorer_held_is_taken_over_before_its_lease_is_over(build_bench: BuildBench) -> None:
    bench = build_bench(lease_seconds=60.0)
    bench.serve(write_iris(bench.models_dir))
    jobs = {bench.submit() for _ in range(3)}
    bench.claims.claim()

    bench.claims.release("this-process")

    taken = bench.queue.scorer("its-successor").reclaim()
    assert {entry.request.job_id for entry in taken} == jobs
    assert {entry.deliveries for entry in taken} == {2}
