"""A job can be cancelled until it is final: what waits leaves at once, what is scored is scored for nothing."""

import pytest

from rhizome import keys
from rhizome.errors import JobFinished, JobNotFound
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed


def test_a_queued_job_leaves_the_stream_at_once(queue: Queue) -> None:
    job_id, other = queue.submit(), queue.submit()

    queue.submissions.cancel(job_id)

    assert queue.read(job_id).state is State.CANCELLED
    assert [entry.request.job_id for entry in queue.scorer().claim()] == [other]


def test_all_waiting_chunks_of_a_batch_leave_and_no_others(queue: Queue) -> None:
    before, job_id, after = queue.submit_batch(1), queue.submit_batch(2, 2, 1), queue.submit_batch(1)

    queue.submissions.cancel(job_id)

    scorer = queue.batch_scorer()
    left = [scorer.claim()[0].request.job_id for _ in range(queue.waiting(Lane.BATCH))]
    assert left == [before, after]


def test_the_result_of_a_job_cancelled_while_it_is_scored_is_not_written(queue: Queue) -> None:
    job_id = queue.submit()
    scorer = queue.scorer()
    claimed = scorer.claim()
    assert queue.read(job_id).state is State.RUNNING

    queue.submissions.cancel(job_id)
    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)

    job = queue.read(job_id)
    assert (job.state, job.outcome) == (State.CANCELLED, None)
    assert queue.in_flight(Lane.INTERACTIVE) == 0


def test_a_running_batch_stops_at_its_next_chunk(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2, 2)
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()
    assert scorer.bind_version(job_id, "v1") == "v1"

    queue.submissions.cancel(job_id)
    following = scorer.finish([succeed(chunk)], claim_next=True)

    assert following == []
    assert scorer.bind_version(job_id, "v1") is None
    assert queue.redis.hlen(keys.rows(job_id)) == 0
    assert queue.redis.xlen(keys.lane(Lane.BATCH)) == 0


def test_cancelling_again_changes_nothing(queue: Queue) -> None:
    job_id = queue.submit()
    queue.submissions.cancel(job_id)
    first = queue.read(job_id)

    queue.submissions.cancel(job_id)

    assert queue.read(job_id) == first


def test_a_final_job_cannot_be_cancelled(queue: Queue) -> None:
    job_id = queue.submit()
    scorer = queue.scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    with pytest.raises(JobFinished, match="succeeded"):
        queue.submissions.cancel(job_id)


def test_an_unknown_job_cannot_be_cancelled(queue: Queue) -> None:
    with pytest.raises(JobNotFound):
        queue.submissions.cancel(queue.submissions.mint_id())


def test_a_cancelled_record_gets_its_time_to_live_and_waiters_are_told(queue: Queue) -> None:
    job_id = queue.submit()
    with queue.redis.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(keys.FINISHED)
        subscription.get_message(timeout=1.0)

        queue.submissions.cancel(job_id)

        message = subscription.get_message(timeout=5.0)
    assert message is not None
    assert message["data"] == job_id.encode()
    assert queue.redis.ttl(keys.job(job_id)) > 0
