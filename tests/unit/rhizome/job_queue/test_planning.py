"""An entry that turns out to stand for many chunks: they are added once, and end with their job."""

from redis import Redis

from rhizome import keys
from rhizome.jobs import Lane, ScoreRequest, State
from tests.support.queue import Queue, build_request, succeed


def plan_of(request: ScoreRequest, *rows: int) -> list[ScoreRequest]:
    return [
        build_request(request.job_id, kind="batch", chunk=chunk, rows=count)
        for chunk, count in enumerate(rows, start=1)
    ]


def test_the_job_is_final_when_the_planned_chunks_are_done(redis: Redis) -> None:
    queue = Queue(redis)
    job_id, scorer = queue.submit_batch(0), queue.batch_scorer()
    (entry,) = scorer.claim()

    scorer.add_chunks(entry, plan_of(entry.request, 3, 2))
    following = scorer.finish([succeed(entry, b"{}", rows=0)], claim_next=True)
    states = [queue.read(job_id).state]
    while following:
        following = scorer.finish([succeed(following[0])], claim_next=True)
        states.append(queue.read(job_id).state)

    assert states == [State.RUNNING, State.RUNNING, State.SUCCEEDED]
    facts = queue.read(job_id).facts
    assert (facts["rows"], facts["done"], facts["chunks"]) == (b"5", b"5", b"3")


def test_a_repeated_plan_adds_nothing(redis: Redis) -> None:
    queue = Queue(redis)
    queue.submit_batch(0)
    scorer = queue.batch_scorer()
    (entry,) = scorer.claim()

    for _ in range(2):
        scorer.add_chunks(entry, plan_of(entry.request, 3, 2))

    assert queue.waiting(Lane.BATCH) == 2


def test_the_plan_of_a_cancelled_job_adds_nothing(redis: Redis) -> None:
    queue = Queue(redis)
    job_id, scorer = queue.submit_batch(0), queue.batch_scorer()
    (entry,) = scorer.claim()
    queue.submissions.cancel(job_id)

    scorer.add_chunks(entry, plan_of(entry.request, 3, 2))

    assert queue.waiting(Lane.BATCH) == 0


def test_cancelling_drops_the_planned_chunks_that_wait_and_no_other_jobs(redis: Redis) -> None:
    queue = Queue(redis)
    job_id, scorer = queue.submit_batch(0), queue.batch_scorer()
    (entry,) = scorer.claim()
    scorer.add_chunks(entry, plan_of(entry.request, 3, 2))
    first = redis.hget(keys.job(job_id), "chunk_entry")
    assert isinstance(first, bytes)
    stamp, serial = first.decode().split("-")
    redis.xadd(keys.lane("batch"), {"m": "another job's"}, id=f"{stamp}-{int(serial) + 2}")  # as if in the same ms

    queue.submissions.cancel(job_id)

    left = redis.xrange(keys.lane("batch"))
    assert [fields[b"m"] for _, fields in left][1:] == [b"another job's"]  # the first is with the scorer
