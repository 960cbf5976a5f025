"""One run of a scorer on a real Redis: everything that waits is answered, and the run always ends."""

import json
import math
import threading

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome import keys
from rhizome.inference import Calls
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Lane, State
from tests.support.estimators import refusing, watched
from tests.support.versions import SETOSA, VERSICOLOR, VIRGINICA, write_iris
from tests.unit.worker.conftest import Bench, BuildBench, label_of, run_to_its_end, state_of

MARKER = -99.0


def test_a_run_answers_everything_that_waits(bench: Bench) -> None:
    rows = (SETOSA, VERSICOLOR, VIRGINICA)
    singles = [bench.submit(row) for row in rows]
    batch = bench.submit_small_batch(3)

    run_to_its_end(bench)

    assert [label_of(bench, job_id) for job_id in singles] == ["setosa", "versicolor", "virginica"]
    assert state_of(bench, batch) is State.SUCCEEDED
    (answers,) = bench.queue.submissions.read_chunks(batch, [0])
    assert len(json.loads(answers or b"[]")) == 3
    assert [tuple(depth) for depth in bench.queue.submissions.depths().values()] == [(0, 0, None)] * 2


def test_a_run_of_the_batch_lane_answers_every_chunk_and_no_single_job(batch_bench: Bench) -> None:
    single, batch = batch_bench.submit(), batch_bench.submit_batch(3, 2, *[1] * 20)

    run_to_its_end(batch_bench)

    assert state_of(batch_bench, single) is State.QUEUED
    assert state_of(batch_bench, batch) is State.SUCCEEDED
    assert batch_bench.scoring.finished == [batch] * 22
    answers = batch_bench.queue.submissions.read_chunks(batch, [0, 1])
    assert [len(json.loads(chunk or b"[]")) for chunk in answers] == [3, 2]


def test_more_than_a_micro_batch_is_answered_in_several(build_bench: BuildBench) -> None:
    bench = build_bench(micro_batch_rows=4)
    bench.serve(write_iris(bench.models_dir))
    ids = [bench.submit() for _ in range(11)]

    run_to_its_end(bench)

    assert bench.scoring.finished == ids


def test_a_run_with_nothing_to_do_ends_and_leaves_nothing(bench: Bench) -> None:
    run_to_its_end(bench)

    assert bench.queue.bells() == 0
    assert bench.queue.redis.zcard(keys.LISTENING) == 0
    assert bench.scorer.busy_since is None


def test_a_run_answers_its_bell_first(bench: Bench) -> None:
    bench.submit()
    bench.queue.hear_bell()

    run_to_its_end(bench)

    assert not bench.queue.redis.exists(keys.BELL)
    bench.submit()
    assert bench.queue.bells() == 1


def test_under_endless_load_a_run_ends_when_its_time_is_over_and_rings(build_bench: BuildBench) -> None:
    bench = build_bench(run_seconds=0.2)
    bench.serve(write_iris(bench.models_dir))
    bench.scoring.after_each = bench.submit
    bench.submit()
    bench.queue.hear_bell()

    run_to_its_end(bench)

    assert len(bench.scoring.finished) > 1
    assert bench.queue.in_flight(Lane.INTERACTIVE) == 0
    assert bench.queue.waiting(Lane.INTERACTIVE) > 0
    assert bench.queue.bells() == 1


def test_a_run_that_hears_nothing_listens_until_its_time_is_over_and_rings(build_bench: BuildBench) -> None:
    bench = build_bench(run_seconds=0.6, linger_seconds=math.inf)
    bench.serve(write_iris(bench.models_dir))
    late: list[str] = []

    def submit_late() -> None:
        late.append(bench.submit())

    timer = threading.Timer(0.4, submit_late)  # later than one blocking read
    timer.start()
    run_to_its_end(bench)
    timer.join()

    assert bench.scoring.finished == late
    assert bench.queue.bells() == 1
    assert bench.queue.redis.zcard(keys.LISTENING) == 0


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("other", [keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE])
def test_a_run_ends_for_another_task_of_its_process_and_rings(
    build_bench: BuildBench, other: str, *, is_busy: bool
) -> None:
    bench = build_bench(Lane.BATCH, run_seconds=100, linger_seconds=math.inf)
    bench.serve(write_iris(bench.models_dir))
    if is_busy:
        bench.scoring.after_each = lambda: bench.submit_batch(1)
        bench.submit_batch(1)
        bench.queue.hear_bell(keys.BATCH_QUEUE)
    bench.queue.redis.lpush(other, "a message")

    run_to_its_end(bench)

    assert bench.queue.in_flight(Lane.BATCH) == 0
    assert bench.queue.bells(keys.BATCH_QUEUE) == 1


def test_a_silent_scorers_job_is_taken_over_before_other_tasks_have_their_turn(build_bench: BuildBench) -> None:
    bench = build_bench(Lane.BATCH, run_seconds=100, linger_seconds=math.inf, lease_seconds=0.2)
    bench.serve(write_iris(bench.models_dir))
    job_id = bench.submit_batch(1)
    bench.queue.batch_scorer("silent").claim()
    bench.queue.let_lease_expire()
    bench.queue.redis.lpush(keys.EXPORT_QUEUE, "a message")

    run_to_its_end(bench)

    assert state_of(bench, job_id) is State.SUCCEEDED


def test_under_an_endless_backlog_of_batches_a_run_ends_too(build_bench: BuildBench) -> None:
    bench = build_bench(Lane.BATCH, run_seconds=0.2)
    bench.serve(write_iris(bench.models_dir))
    bench.scoring.after_each = lambda: bench.submit_batch(1)
    bench.submit_batch(1)
    bench.queue.hear_bell(keys.BATCH_QUEUE)

    run_to_its_end(bench)

    assert bench.queue.in_flight(Lane.BATCH) == 0
    assert bench.queue.bells(keys.BATCH_QUEUE) == 1


def test_a_run_that_is_told_to_stop_finishes_what_it_holds_and_rings(build_bench: BuildBench) -> None:
    bench = build_bench(micro_batch_rows=1, run_seconds=100)
    bench.serve(write_iris(bench.models_dir))
    ids = [bench.submit() for _ in range(4)]
    bench.queue.hear_bell()

    def stop() -> None:
        bench.is_stopping = True

    bench.scoring.after_each = stop
    run_to_its_end(bench)

    finished = len(bench.scoring.finished)
    assert 1 <= finished < len(ids)
    assert bench.queue.in_flight(Lane.INTERACTIVE) == 0
    assert bench.queue.waiting(Lane.INTERACTIVE) == len(ids) - finished
    assert bench.queue.bells() == 1


def test_a_run_that_is_stopped_before_it_began_leaves_nothing_claimed(bench: Bench) -> None:
    bench.is_stopping = True
    job_id = bench.submit()

    run_to_its_end(bench)

    assert bench.queue.in_flight(Lane.INTERACTIVE) == 0
    assert state_of(bench, job_id) in (State.QUEUED, State.SUCCEEDED)


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError()], ids=["ValueError", "MemoryError"])
def test_a_poisonous_row_fails_alone_and_the_run_goes_on(bench: Bench, error: Exception) -> None:
    estimator, _ = refusing(MARKER, error)
    bench.serve_unsaved(estimator)
    ids = [bench.submit(), bench.submit((MARKER, 1.0, 1.0, 1.0)), bench.submit(VIRGINICA)]

    run_to_its_end(bench)

    assert [state_of(bench, job_id) for job_id in ids] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]


def test_what_a_silent_scorer_held_is_answered(build_bench: BuildBench) -> None:
    bench = build_bench(lease_seconds=0.001)
    bench.serve(write_iris(bench.models_dir))
    ids = [bench.submit() for _ in range(3)]
    bench.queue.scorer("silent").claim()
    bench.queue.let_lease_expire()

    run_to_its_end(bench)

    assert [state_of(bench, job_id) for job_id in ids] == [State.SUCCEEDED] * 3
    assert bench.queue.redis.xlen(keys.DEAD_LETTERS) == 0


def test_a_job_that_was_delivered_too_often_is_given_up(build_bench: BuildBench) -> None:
    bench = build_bench(lease_seconds=0.001, max_deliveries=2)
    bench.serve(write_iris(bench.models_dir))
    job_id = bench.submit()
    for name in ("first", "second"):
        scorer = bench.queue.scorer(name)
        assert scorer.claim() or scorer.reclaim()
        bench.queue.let_lease_expire()

    run_to_its_end(bench)

    assert state_of(bench, job_id) is State.FAILED
    assert json.loads(bench.queue.read(job_id).outcome or b"")["error"]["code"] == "gave_up"
    assert bench.queue.redis.xlen(keys.DEAD_LETTERS) == 1
    assert bench.queue.in_flight(Lane.INTERACTIVE) == 0


def test_a_job_is_tried_as_often_as_promised_before_it_is_given_up(build_bench: BuildBench) -> None:
    bench = build_bench(lease_seconds=0.001, max_deliveries=2)
    bench.serve(write_iris(bench.models_dir))
    job_id = bench.submit()
    bench.queue.scorer("first").claim()
    bench.queue.let_lease_expire()

    run_to_its_end(bench)

    assert state_of(bench, job_id) is State.SUCCEEDED


@pytest.mark.parametrize("error", [RedisConnectionError, RedisTimeoutError])
def test_results_are_written_across_a_short_absence_of_redis(
    bench: Bench, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.finishing.RETRY_SECONDS", 0.001)
    finish, absences = bench.claims.finish, [error()] * 3

    def flaky(finished: list[Finished], *, claim_next: bool) -> list[Claimed]:
        if absences:
            raise absences.pop()
        return finish(finished, claim_next=claim_next)

    bench.claims.finish = flaky  # type: ignore[method-assign,assignment]
    job_id = bench.submit()

    run_to_its_end(bench)

    assert state_of(bench, job_id) is State.SUCCEEDED


@pytest.mark.parametrize("error", [RedisConnectionError, RedisTimeoutError])
@pytest.mark.parametrize("call", ["claim", "listen", "stay"])
def test_a_run_outlives_a_short_absence_of_redis(
    bench: Bench, call: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery, whose bells begin runs, may take far longer to find it again."""
    monkeypatch.setattr("worker.scorer.REDIS_PAUSE_SECONDS", 0.001)
    real, absences, later = getattr(bench.claims, call), [error()] * 3, []

    def flaky() -> object:
        if absences:
            raise absences.pop()
        if not later:
            later.append(bench.submit())
        return real()

    setattr(bench.claims, call, flaky)

    run_to_its_end(bench)

    assert state_of(bench, later[0]) is State.SUCCEEDED


def test_a_run_ends_when_its_time_is_over_while_redis_is_away(build_bench: BuildBench) -> None:
    bench = build_bench(run_seconds=0.2)
    bench.serve(write_iris(bench.models_dir))

    def fail() -> list[Claimed]:
        raise RedisConnectionError

    bench.claims.claim = fail  # type: ignore[method-assign]

    with pytest.raises(RedisConnectionError):
        bench.scorer.run()


def test_what_was_in_hand_when_redis_went_away_is_left_to_its_lease(
    build_bench: BuildBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was written is not known, and what nobody works on must not be renewed for ever."""
    monkeypatch.setattr("worker.scorer.REDIS_PAUSE_SECONDS", 0.001)
    bench = build_bench(lease_seconds=0.2)
    bench.serve(write_iris(bench.models_dir))
    score, absences = bench.scoring.score_singles, [RedisConnectionError()]

    def flaky(claimed: list[Claimed]) -> list[Finished]:
        if absences:
            raise absences.pop()
        return score(claimed)

    bench.scoring.score_singles = flaky  # type: ignore[method-assign,assignment]
    job_id = bench.submit()

    bench.run_until_final(job_id)

    assert state_of(bench, job_id) is State.SUCCEEDED


def test_a_scorer_is_busy_only_while_it_scores(bench: Bench) -> None:
    seen: list[float | None] = []
    bench.serve_unsaved(watched(lambda _: None))
    assert bench.shelf.champion is not None
    bench.shelf.champion.calls = Calls(watched(lambda _: seen.append(bench.scorer.busy_since)))
    bench.submit()

    run_to_its_end(bench)

    assert seen
    assert None not in seen
    assert bench.scorer.busy_since is None


def test_a_champion_that_changes_between_two_micro_batches_mixes_no_answer(build_bench: BuildBench) -> None:
    bench = build_bench(micro_batch_rows=1)
    first = bench.serve(write_iris(bench.models_dir, number=1))
    second = write_iris(bench.models_dir, number=2, strength=0.01)
    ids = [bench.submit() for _ in range(4)]
    bench.scoring.after_each = lambda: bench.serve(second)

    run_to_its_end(bench)

    documents = [json.loads(bench.queue.read(job_id).outcome or b"") for job_id in ids]
    assert [document["version"] for document in documents] == [first.version] + [second.version] * 3
    hashes = {first.version: first.manifest.artifact_sha256, second.version: second.manifest.artifact_sha256}
    assert all(document["artifact_sha256"] == hashes[document["version"]] for document in documents)


def test_a_result_that_a_full_redis_refuses_is_written_when_there_is_room(bench: Bench) -> None:
    redis, job_id = bench.queue.redis, bench.submit()
    finish = bench.claims.finish
    refusals: list[str] = []

    def finish_on_a_full_redis(finished: list[Finished], *, claim_next: bool) -> list[Claimed]:
        redis.config_set("maxmemory", 0 if refusals else 1)
        try:
            return finish(finished, claim_next=claim_next)
        except ResponseError as error:
            refusals.append(type(error).__name__)
            raise

    bench.claims.finish = finish_on_a_full_redis  # type: ignore[method-assign]
    try:
        run_to_its_end(bench)
    finally:
        redis.config_set("maxmemory", 0)

    assert refusals == ["OutOfMemoryError"]
    assert state_of(bench, job_id) is State.SUCCEEDED
