"""What is claimed ahead of a backlog: everything is answered once, whatever happens while a call is under way."""

import json
import random
import threading
from collections.abc import Callable, Sequence

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Lane, State
from tests.support.queue import DEADLINE_SECONDS
from tests.support.versions import SETOSA, VERSICOLOR, VIRGINICA, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker.finishing import MICRO_BATCH_AHEAD_MS

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


@pytest.fixture
def busy(build_bench: BuildBench) -> Bench:
    """A process of small micro-batches, which knows already that they are soon done."""
    bench = build_bench(micro_batch_rows=2, run_seconds=30)
    bench.serve(write_iris(bench.models_dir))
    bench.pace.add_singles(2, 0.1)
    bench.pace.add_chunk(2, 0.1)
    return bench


def run_to_its_end(bench: Bench) -> None:
    """Runs the scorer in a thread, so that a run without end fails the test instead of hanging it."""
    thread = threading.Thread(target=bench.scorer.run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), "the run did not end"


def label_of(bench: Bench, job_id: str) -> str:
    outcome = bench.queue.read(job_id).outcome
    assert outcome is not None, f"{job_id} was not answered"
    return str(json.loads(outcome)["result"]["label"])


def submit_singles(bench: Bench, count: int) -> dict[str, str]:
    """So many jobs, and the label each should get."""
    labels = [list(ROWS)[number % 3] for number in range(count)]
    return {bench.submit(ROWS[label]): label for label in labels}


def test_a_backlog_of_single_jobs_is_answered_once_each_and_in_order(busy: Bench) -> None:
    watched = Watched(busy)
    expected = submit_singles(busy, 21)

    run_to_its_end(busy)

    assert busy.scoring.finished == list(expected)
    assert {job_id: label_of(busy, job_id) for job_id in expected} == expected
    assert watched.finishes > 5
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0


def test_a_batch_is_answered_chunk_by_chunk(busy: Bench) -> None:
    watched = Watched(busy)
    batch = busy.submit_batch(*[2] * 9)

    run_to_its_end(busy)

    assert busy.queue.read(batch).state is State.SUCCEEDED
    assert busy.scoring.finished == [batch] * 9
    assert watched.finishes > 5
    assert busy.queue.in_flight(Lane.BATCH) == 0


def test_whatever_comes_together_everything_is_answered_once(busy: Bench) -> None:
    watched, order = Watched(busy), random.Random(7)
    singles: list[str] = []
    batches: list[str] = []
    pending = ["single"] * 40 + ["batch"] * 12
    order.shuffle(pending)

    def submit_some() -> None:
        for _ in range(order.randint(0, 4)):
            if pending:
                is_single = pending.pop() == "single"
                (singles.append(busy.submit()) if is_single else batches.append(busy.submit_batch(2, 1, 2)))

    busy.scoring.after_each = submit_some
    while pending:
        submit_some()
        run_to_its_end(busy)

    assert sorted(busy.scoring.finished) == sorted(singles + batches * 3)
    assert {busy.queue.read(job_id).state for job_id in singles + batches} == {State.SUCCEEDED}
    assert watched.finishes > 0


@pytest.mark.parametrize("kind", ["single", "batch"])
def test_nothing_is_claimed_ahead_of_what_takes_long(busy: Bench, kind: str) -> None:
    watched = Watched(busy)
    for _ in range(100):
        busy.pace.add_singles(2, 4 * MICRO_BATCH_AHEAD_MS)
        busy.pace.add_chunk(2, 4 * MICRO_BATCH_AHEAD_MS)
    jobs = list(submit_singles(busy, 4)) if kind == "single" else [busy.submit_batch(2, 2)]

    run_to_its_end(busy)

    assert {busy.queue.read(job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert watched.claims == 0


def test_nothing_is_claimed_ahead_where_little_waits(busy: Bench) -> None:
    watched = Watched(busy)
    job_id = busy.submit()

    run_to_its_end(busy)

    assert busy.queue.read(job_id).state is State.SUCCEEDED
    assert watched.claims == 0


@pytest.mark.usefixtures("short_retries")
def test_a_connection_that_is_cut_while_a_call_is_under_way_loses_nothing(build_bench: BuildBench) -> None:
    bench = build_bench(micro_batch_rows=2, run_seconds=30, lease_seconds=0.1)
    bench.serve(write_iris(bench.models_dir))
    bench.pace.add_singles(2, 0.1)
    watched, cuts = Watched(bench), [1, 2, 3]

    def cut() -> None:
        if cuts:
            cuts.pop()
            bench.queue.redis.client_kill_filter(_type="normal", skipme=True)

    watched.before_receiving = cut
    expected = submit_singles(bench, 20)

    for job_id in expected:
        bench.run_until_final(job_id)

    assert {job_id: label_of(bench, job_id) for job_id in expected} == expected
    assert cuts == []


@pytest.mark.usefixtures("short_retries")
def test_what_a_run_that_broke_off_had_claimed_ahead_comes_back(build_bench: BuildBench) -> None:
    bench = build_bench(micro_batch_rows=2, run_seconds=30, lease_seconds=0.1)
    bench.serve(write_iris(bench.models_dir))
    bench.pace.add_singles(2, 0.1)
    watched = Watched(bench)
    expected = submit_singles(bench, 10)

    def break_off() -> None:
        if watched.finishes == 2:
            bench.scoring.after_each = lambda: None
            raise SoftTimeLimitExceeded

    bench.scoring.after_each = break_off
    with pytest.raises(SoftTimeLimitExceeded):
        bench.scorer.run()
    for job_id in expected:
        bench.run_until_final(job_id)

    assert {job_id: label_of(bench, job_id) for job_id in expected} == expected


def test_a_run_that_is_told_to_stop_finishes_what_it_has_claimed_ahead(busy: Bench) -> None:
    watched = Watched(busy)
    expected = submit_singles(busy, 30)

    def stop() -> None:
        busy.is_stopping = watched.finishes > 1

    busy.scoring.after_each = stop
    run_to_its_end(busy)

    finished = len(busy.scoring.finished)
    assert 2 < finished < len(expected)
    assert busy.queue.in_flight(Lane.INTERACTIVE) == 0
    assert busy.queue.waiting(Lane.INTERACTIVE) == len(expected) - finished


def test_what_is_cancelled_under_way_stays_cancelled(busy: Bench) -> None:
    watched = Watched(busy)
    batch = busy.submit_batch(*[2] * 9)

    def cancel() -> None:
        if watched.finishes == 2:
            busy.queue.submissions.cancel(batch)

    watched.before_receiving = cancel
    run_to_its_end(busy)

    assert busy.queue.read(batch).state is State.CANCELLED
    assert busy.queue.in_flight(Lane.BATCH) == 0
