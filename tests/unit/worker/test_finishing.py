"""What is claimed ahead of a backlog: everything is answered once, whatever happens while a call is under way."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from redis.exceptions import ConnectionError as RedisConnectionError

from rhizome import keys
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Lane, State
from tests.support.queue import DEADLINE_SECONDS
from tests.support.versions import SETOSA, VERSICOLOR, VIRGINICA, write_iris
from tests.unit.worker.conftest import Bench, BuildBench, label_of, run_to_its_end
from worker.finishing import CHUNK_AHEAD_MS, MICRO_BATCH_AHEAD_MS
from worker.shelf import LoadedVersion

ROWS = {"setosa": SETOSA, "versicolor": VERSICOLOR, "virginica": VIRGINICA}


class Watched:
    """A scorer's calls that were under way while it scored."""

    def __init__(self, bench: Bench) -> None:
        self.claims, self.finishes = 0, 0
        self.before_receiving: Callable[[], object] = lambda: None
        send_claim, send_finish, receive = bench.claims.send_claim, bench.claims.send_finish, bench.claims.receive

        def count_claim() -> None:
            self.claims += 1
            send_claim()

        def count_finish(finished: Sequence[Finished]) -> None:
            self.finishes += 1
            send_finish(finished)

        def watch_and_receive(finished: Sequence[Finished]) -> list[Claimed]:
            self.before_receiving()
            return receive(finished)

        bench.claims.send_claim = count_claim  # type: ignore[method-assign]
        bench.claims.send_finish = count_finish  # type: ignore[method-assign]
        bench.claims.receive = watch_and_receive  # type: ignore[method-assign]


def build_busy(build_bench: BuildBench, **settings: Any) -> Bench:
    """A process of small micro-batches, which knows already that they are soon done."""
    bench = build_bench(micro_batch_rows=2, run_seconds=30, **settings)
    bench.serve(write_iris(bench.models_dir))
    bench.pace.add_singles(2, 0.1)
    bench.pace.add_chunk(2, 0.1)
    return bench


@pytest.fixture
def busy_batches(build_bench: BuildBench) -> Bench:
    return build_busy_batches(build_bench)


def build_busy_batches(build_bench: BuildBench, **settings: Any) -> Bench:
    """The same, of the batch lane; its first chunk is behind it, since a first call is never ahead."""
    bench = build_busy(partial(build_bench, Lane.BATCH), **settings)
    bench.submit_batch(2)
    run_to_its_end(bench)
    bench.scoring.finished.clear()
    return bench


@pytest.fixture
def busy(build_bench: BuildBench) -> Bench:
    return build_busy(build_bench)


def submit_singles(bench: Bench, count: int) -> dict[str, str]:
    """So many jobs, and the label each should get."""
    labels = [list(ROWS)[number % 3] for number in range(count)]
    return {bench.submit(ROWS[label]): label for label in labels}


def test_a_backlog_of_single_jobs_is_answered_once_each_and_in_order(busy: Bench) -> None:
    calls = Watched(busy)
    expected = submit_singles(busy, 21)

    run_to_its_end(busy)

    assert busy.scoring.finished == list(expected)
    assert {job_id: label_of(busy, job_id) for job_id in expected} == expected
    assert calls.finishes > 5
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0


def test_whatever_comes_together_everything_is_answered_once(busy: Bench) -> None:
    calls, order = Watched(busy), random.Random(7)
    singles: list[str] = []
    batches: list[str] = []
    pending = ["single"] * 40 + ["batch"] * 12
    order.shuffle(pending)

    def submit_some() -> None:
        for _ in range(order.randint(0, 4)):
            if not pending:
                return
            if pending.pop() == "single":
                singles.append(busy.submit())
            else:
                batches.append(busy.submit_small_batch(2))

    busy.scoring.after_each = submit_some
    while pending:
        submit_some()
        run_to_its_end(busy)

    assert sorted(busy.scoring.finished) == sorted(singles + batches)
    assert {busy.queue.read(job_id).state for job_id in singles + batches} == {State.SUCCEEDED}
    assert calls.finishes > 0


def test_nothing_is_claimed_ahead_of_what_takes_long(busy: Bench) -> None:
    calls = Watched(busy)
    for _ in range(100):
        busy.pace.add_singles(2, 4 * MICRO_BATCH_AHEAD_MS)
    jobs = list(submit_singles(busy, 4))

    run_to_its_end(busy)

    assert {busy.queue.read(job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert calls.claims == 0


def test_chunks_are_claimed_ahead_and_each_job_is_bound_once(busy_batches: Bench) -> None:
    calls, bind, bound = Watched(busy_batches), busy_batches.claims.bind_version, []

    def note(job_id: str, version: str) -> str | None:
        bound.append(job_id)
        return bind(job_id, version)

    busy_batches.claims.bind_version = note  # type: ignore[method-assign]
    jobs = [busy_batches.submit_batch(*[2] * 10) for _ in range(2)]

    run_to_its_end(busy_batches)

    assert {busy_batches.queue.read(job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert sorted(busy_batches.scoring.finished) == sorted(jobs * 10)
    assert calls.finishes > 10
    assert sorted(bound) == sorted(jobs)


def test_no_chunk_is_claimed_ahead_of_one_that_takes_long(busy_batches: Bench) -> None:
    calls = Watched(busy_batches)
    for _ in range(100):
        busy_batches.pace.add_chunk(2, 4 * CHUNK_AHEAD_MS)
    job_id = busy_batches.submit_batch(*[2] * 5)

    run_to_its_end(busy_batches)

    assert busy_batches.queue.read(job_id).state is State.SUCCEEDED
    assert calls.claims == 0


def test_where_an_answer_did_not_come_a_job_is_bound_again(busy_batches: Bench) -> None:
    """Redis may have lost the binding with its last moments."""
    job_id = busy_batches.submit_batch(*[2] * 6)
    receive, losses = busy_batches.claims.receive, [1]

    def lose(finished: Sequence[Finished]) -> list[Claimed]:
        following = receive(finished)
        if finished and losses:
            losses.pop()
            busy_batches.queue.redis.hdel(keys.job(job_id), "version", "started_at")
            raise RedisConnectionError
        return following

    busy_batches.claims.receive = lose  # type: ignore[method-assign]

    busy_batches.run_until_final(job_id)

    assert losses == []
    assert busy_batches.queue.read(job_id).facts["version"]


def test_a_chunk_without_memory_keeps_no_other_job_waiting(build_bench: BuildBench) -> None:
    bench = build_busy_batches(build_bench, lease_seconds=4 * DEADLINE_SECONDS)
    large, other = bench.submit_batch(2), bench.submit_batch(2)
    score = bench.scoring._score_chunk

    def take_all_memory(entry: Claimed, version: LoadedVersion) -> Finished:
        if entry.request.job_id == large:
            raise MemoryError
        return score(entry, version)

    bench.scoring._score_chunk = take_all_memory  # type: ignore[method-assign]
    bench.queue.redis.delete(keys.BATCH_QUEUE)  # the bells that this run answers
    with pytest.raises(MemoryError):
        bench.scorer.run()
    assert bench.queue.bells(keys.BATCH_QUEUE) == 1

    bench.run_until_final(other)

    assert bench.queue.read(other).state is State.SUCCEEDED


def test_results_under_way_are_written_where_the_next_call_fails(
    build_bench: BuildBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.scorer.REDIS_PAUSE_SECONDS", 0.001)
    bench = build_busy_batches(build_bench, lease_seconds=DEADLINE_SECONDS)
    one, two = bench.submit_batch(2), bench.submit_batch(2)
    bind, failures = bench.claims.bind_version, [1]

    def fail_once(job_id: str, version: str) -> str | None:
        if job_id == two and failures:
            failures.pop()
            raise RedisConnectionError
        return bind(job_id, version)

    bench.claims.send_finish = lambda finished: None  # type: ignore[method-assign] # lost on its way
    bench.claims.bind_version = fail_once  # type: ignore[method-assign]

    run_to_its_end(bench)

    assert failures == []
    assert bench.queue.read(one).state is State.SUCCEEDED
    assert bench.scoring.finished == [one]


def test_nothing_is_claimed_ahead_where_little_waits(busy: Bench) -> None:
    calls = Watched(busy)
    job_id = busy.submit()

    run_to_its_end(busy)

    assert busy.queue.read(job_id).state is State.SUCCEEDED
    assert calls.claims == 0


@pytest.mark.usefixtures("short_retries")
def test_a_connection_that_is_cut_while_a_call_is_under_way_loses_nothing(build_bench: BuildBench) -> None:
    bench = build_busy(build_bench, lease_seconds=0.1)
    calls, cuts = Watched(bench), [1, 2, 3]

    def cut() -> None:
        if cuts:
            cuts.pop()
            bench.queue.redis.client_kill_filter(_type="normal", skipme=True)

    calls.before_receiving = cut
    expected = submit_singles(bench, 20)

    for job_id in expected:
        bench.run_until_final(job_id)

    assert {job_id: label_of(bench, job_id) for job_id in expected} == expected
    assert cuts == []


def test_results_whose_call_was_lost_on_its_way_are_written_at_once(busy: Bench) -> None:
    send_finish, lost = busy.claims.send_finish, [1]

    def lose_once(finished: Sequence[Finished]) -> None:
        if lost:
            lost.pop()  # as where the connection was cut before it came to Redis
        else:
            send_finish(finished)

    busy.claims.send_finish = lose_once  # type: ignore[method-assign]
    expected = submit_singles(busy, 12)

    run_to_its_end(busy)

    assert lost == []
    assert {job_id: label_of(busy, job_id) for job_id in expected} == expected
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0


def test_only_what_a_lost_answer_claimed_is_left_to_its_lease(busy: Bench) -> None:
    calls, losses = Watched(busy), [1]

    def lose() -> None:
        if losses:
            losses.pop()
            busy.queue.redis.ping()  # the claim before it has been done
            busy.claims.drop()

    calls.before_receiving = lose
    expected = submit_singles(busy, 12)

    run_to_its_end(busy)

    assert losses == []
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 2
    assert len(busy.scoring.finished) == len(expected) - 2


@pytest.mark.usefixtures("short_retries")
def test_a_run_that_broke_off_knows_nothing_of_what_it_had_claimed_ahead(build_bench: BuildBench) -> None:
    bench = build_busy(build_bench, lease_seconds=0.2)
    calls, score_singles = Watched(bench), bench.scoring.score_singles
    expected = submit_singles(bench, 10)

    def break_off(claimed: Sequence[Claimed]) -> list[Finished]:
        if calls.finishes == 1:
            bench.scoring.score_singles = score_singles  # type: ignore[method-assign]
            raise SoftTimeLimitExceeded  # while a call is under way
        return score_singles(claimed)

    bench.scoring.score_singles = break_off  # type: ignore[method-assign]
    with pytest.raises(SoftTimeLimitExceeded):
        bench.scorer.run()

    assert bench.scorer.busy_since is None
    for job_id in expected:
        bench.run_until_final(job_id)
    assert {job_id: label_of(bench, job_id) for job_id in expected} == expected
    assert max(bench.scoring.finished.count(job_id) for job_id in expected) == 1


def test_a_run_that_is_told_to_stop_finishes_what_it_has_claimed_ahead(busy: Bench) -> None:
    calls = Watched(busy)
    expected = submit_singles(busy, 30)

    def stop() -> None:
        busy.is_stopping = calls.finishes > 1

    busy.scoring.after_each = stop
    run_to_its_end(busy)

    finished = len(busy.scoring.finished)
    assert 2 < finished < len(expected)
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0
    assert busy.queue.waiting(Lane.INTERACTIVE) == len(expected) - finished


def test_what_is_cancelled_under_way_stays_cancelled(busy: Bench) -> None:
    calls, (*_, last) = Watched(busy), submit_singles(busy, 18)

    def cancel() -> None:
        if calls.finishes == 2:
            busy.queue.submissions.cancel(last)

    calls.before_receiving = cancel
    run_to_its_end(busy)

    assert calls.finishes > 2
    assert busy.queue.read(last).state is State.CANCELLED
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0
