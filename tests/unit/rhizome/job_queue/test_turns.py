"""Batch jobs have their turn one after the other: what is beyond a job's window waits in a list of its own."""

import time
from collections.abc import Callable

import pytest
from redis import Redis

from rhizome import keys
from rhizome.errors import LaneFull
from rhizome.job_queue.scripts import LEAST_WINDOW
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane, State, encode_request
from tests.support.queue import DEADLINE_SECONDS, Queue, build_chunks, succeed

STREAM = keys.lane(Lane.BATCH)
CHUNKS = 40
SOON = Terms(deadline_ms=40)


def score_chunks(queue: Queue, count: int, failed_rows: int = 0) -> list[str]:
    """Scores so many chunks, one after the other; whose they were."""
    scorer, done = queue.batch_scorer(), list[str]()
    for _ in range(count):
        claimed = scorer.claim()
        scorer.finish([succeed(entry, b"[1]", failed_rows=failed_rows) for entry in claimed], claim_next=False)
        done += [entry.request.job_id for entry in claimed]
    return done


def kept_back(redis: Redis) -> tuple[int, int, int]:
    """Lists of chunks, and of entries known by name; and what is counted of the former."""
    rest, known = (len(list(redis.scan_iter(key("*")))) for key in (keys.rest, keys.open_entries))
    return rest, known, int(redis.get(keys.REST_COUNT) or 0)


def assert_nothing_is_left(queue: Queue) -> None:
    assert kept_back(queue.redis) == (0, 0, 0)
    assert queue.redis.xlen(STREAM) == 0
    assert tuple(queue.submissions.depths()[Lane.BATCH]) == (0, 0, None)


def test_a_small_job_behind_a_large_one_is_answered_after_a_handful_of_chunks(queue: Queue) -> None:
    large, small = queue.submit_batch(*[1] * 200), queue.submit_batch(1, 1)

    done = score_chunks(queue, 4 * LEAST_WINDOW)

    assert queue.read(small).state is State.SUCCEEDED
    assert queue.read(large).state is State.RUNNING
    assert done.index(small) <= LEAST_WINDOW


def test_large_jobs_take_turns(queue: Queue) -> None:
    first, second = queue.submit_batch(*[1] * CHUNKS), queue.submit_batch(*[1] * CHUNKS)

    done = score_chunks(queue, CHUNKS)

    assert abs(done.count(first) - done.count(second)) <= LEAST_WINDOW


def test_what_is_kept_back_waits_like_the_rest_and_counts_for_the_bound(queue: Queue) -> None:
    bounded = Queue(queue.redis, max_waiting_batch=CHUNKS + 1)
    bounded.submit_batch(*[1] * CHUNKS)

    assert bounded.waiting(Lane.BATCH) == CHUNKS
    with pytest.raises(LaneFull):
        bounded.submit_batch(1, 1)
    score_chunks(bounded, 1)
    assert (bounded.waiting(Lane.BATCH), bounded.redis.xlen(STREAM)) == (CHUNKS - 1, LEAST_WINDOW)
    bounded.submit_batch(1, 1)


def test_the_window_grows_with_the_scorers_at_work(queue: Queue) -> None:
    queue.submit_batch(*[1] * CHUNKS)
    scorers = [queue.batch_scorer(f"scorer {number}") for number in range(6)]

    held = [scorer.claim() for scorer in scorers]
    scorers[0].finish([succeed(entry) for entry in held[0]], claim_next=False)
    held[:1], held[LEAST_WINDOW:] = [[]], [scorer.claim() for scorer in scorers[LEAST_WINDOW:]]

    assert [len(claimed) for claimed in held] == [0, 1, 1, 1, 1, 1]
    assert queue.redis.xlen(STREAM) > len(scorers)


def test_chunks_are_scored_in_their_order_each_once(queue: Queue) -> None:
    queue.submit_batch(*[1] * CHUNKS)
    scorer, seen = queue.batch_scorer(), []
    claimed = scorer.claim()
    while claimed:
        seen += [entry.request.chunk for entry in claimed]
        claimed = scorer.finish([succeed(entry) for entry in claimed], claim_next=True)

    assert seen == list(range(CHUNKS))
    assert_nothing_is_left(queue)


def test_a_small_job_leaves_no_list_at_all(queue: Queue) -> None:
    queue.submit_batch(*[1] * LEAST_WINDOW)

    assert kept_back(queue.redis) == (0, 0, 0)


def cancel(queue: Queue, job_id: str) -> None:
    queue.submissions.cancel(job_id)


def let_expire(queue: Queue, job_id: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not queue.read(job_id).is_final and time.monotonic() < deadline:
        time.sleep(0.005)


def let_a_scorer_find_it_late(queue: Queue, job_id: str) -> None:
    time.sleep(0.05)  # its deadline is 40 ms; a read would expire it
    assert score_chunks(queue, 1) == []


def fail_early(queue: Queue, job_id: str) -> None:
    score_chunks(queue, 1, failed_rows=1)


def finish_all(queue: Queue, job_id: str) -> None:
    score_chunks(queue, CHUNKS)


@pytest.mark.parametrize("scored", [0, 3])
@pytest.mark.parametrize(
    ("end", "terms", "state"),
    [
        (cancel, Terms(), State.CANCELLED),
        (let_expire, SOON, State.EXPIRED),
        (let_a_scorer_find_it_late, SOON, State.EXPIRED),
        (fail_early, Terms(record={"error_threshold": 0}), State.FAILED),
        (finish_all, Terms(), State.SUCCEEDED),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_however_a_job_ends_nothing_of_it_is_left(
    queue: Queue, end: Callable[[Queue, str], None], terms: Terms, state: State, scored: int
) -> None:
    other = queue.submit_batch(1)
    score_chunks(queue, 1)
    job_id = queue.submit_batch(*[1] * CHUNKS, terms=terms)
    score_chunks(queue, scored)

    end(queue, job_id)

    assert queue.read(job_id).state is state
    assert queue.read(other).state is State.SUCCEEDED
    assert_nothing_is_left(queue)


def test_of_a_cancelled_job_also_the_chunks_that_took_others_places_leave_the_stream(queue: Queue) -> None:
    job_id, other = queue.submit_batch(*[1] * CHUNKS), queue.submit_batch(1, 1)
    score_chunks(queue, 10)

    queue.submissions.cancel(job_id)

    assert queue.redis.xlen(STREAM) == 0
    assert queue.read(other).state is State.SUCCEEDED
    assert score_chunks(queue, 1) == []


def test_what_a_scorer_holds_of_a_cancelled_job_leaves_with_it(queue: Queue) -> None:
    job_id = queue.submit_batch(*[1] * CHUNKS)
    scorer = queue.batch_scorer()
    held = scorer.claim()

    queue.submissions.cancel(job_id)
    assert queue.redis.xlen(STREAM) == 1
    scorer.finish([succeed(entry) for entry in held], claim_next=False)

    assert_nothing_is_left(queue)


def test_a_job_of_which_a_scorer_holds_the_last_chunk_does_not_expire(queue: Queue) -> None:
    job_id = queue.submit_batch(*[1] * CHUNKS, terms=Terms(deadline_ms=2_000))
    score_chunks(queue, CHUNKS - 1)
    scorer = queue.batch_scorer()
    held = scorer.claim()
    queue.redis.hset(keys.job(job_id), "expires_at", 1)

    state = queue.read(job_id).state
    scorer.finish([succeed(entry) for entry in held], claim_next=False)

    assert (state, queue.read(job_id).state) == (State.RUNNING, State.SUCCEEDED)


def test_a_planned_file_has_its_turn_like_a_batch(queue: Queue) -> None:
    job_id, other = queue.submit_batch(0), queue.submit_batch(1, 1)
    scorer = queue.batch_scorer()
    (entry,) = scorer.claim()
    chunks = build_chunks(job_id, [1] * CHUNKS)
    scorer.add_chunks(entry, chunks)
    assert queue.waiting(Lane.BATCH) == CHUNKS + 2
    scorer.finish([succeed(entry, b"[]")._replace(rows=0)], claim_next=False)

    done = score_chunks(queue, 4)
    assert done.count(other) == 2

    cancel(queue, job_id)
    assert_nothing_is_left(queue)


def of_the_release_before(queue: Queue) -> str:
    """A job all of whose chunks are in the stream, and whose record says no more of that than the first entry."""
    chunks = build_chunks(queue.submissions.mint_id(), [1] * CHUNKS)
    job_id = queue.submissions.submit(Lane.BATCH, chunks[:1]).job_id
    queue.redis.delete(STREAM)
    with queue.redis.pipeline(transaction=True) as pipeline:
        stamp = int(time.time() * 1000)
        for number, chunk in enumerate(chunks):
            pipeline.xadd(STREAM, {"m": encode_request(chunk)}, id=f"{stamp}-{number}")
        pipeline.hset(keys.job(job_id), mapping={"entry": f"{stamp}-0", "chunks": CHUNKS})
        pipeline.execute()
    return job_id


def test_a_job_of_the_release_before_is_read_and_finished(queue: Queue) -> None:
    job_id = of_the_release_before(queue)
    states = [queue.read(job_id).state]

    scorer = queue.batch_scorer()
    held = scorer.claim()
    states.append(queue.read(job_id).state)
    scorer.finish([succeed(entry) for entry in held], claim_next=False)
    score_chunks(queue, CHUNKS - 1)
    states.append(queue.read(job_id).state)

    assert states == [State.QUEUED, State.RUNNING, State.SUCCEEDED]
    assert_nothing_is_left(queue)


def test_a_job_of_the_release_before_is_cancelled(queue: Queue) -> None:
    job_id = of_the_release_before(queue)
    score_chunks(queue, 2)

    queue.submissions.cancel(job_id)

    assert_nothing_is_left(queue)
