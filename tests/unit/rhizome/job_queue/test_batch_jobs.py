"""Batch jobs: chunks finish in any order and any number of times, and count once."""

import pytest

from rhizome import keys
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import State
from tests.support.queue import Queue, succeed


def claim_all(queue: Queue, count: int) -> list[Claimed]:
    scorer = queue.batch_scorer()
    return [entry for _ in range(count) for entry in scorer.claim()]


def progress_of(queue: Queue, job_id: str) -> tuple[State, int, int]:
    job = queue.read(job_id)
    return job.state, int(job.facts.get("done", 0)), int(job.facts.get("failed", 0))


def test_progress_counts_the_rows_of_finished_chunks(queue: Queue) -> None:
    job_id = queue.submit_batch(3, 3, 1)
    assert progress_of(queue, job_id) == (State.QUEUED, 0, 0)
    chunks = claim_all(queue, 3)
    assert progress_of(queue, job_id) == (State.RUNNING, 0, 0)
    scorer = queue.batch_scorer()

    seen = []
    for chunk in chunks:
        scorer.finish([succeed(chunk, failed_rows=1)], claim_next=False)
        seen.append(progress_of(queue, job_id))

    assert seen == [(State.RUNNING, 3, 1), (State.RUNNING, 6, 2), (State.SUCCEEDED, 7, 3)]


def test_a_batch_between_two_chunks_is_still_running(queue: Queue) -> None:
    job_id, scorer = queue.submit_batch(1, 1), queue.batch_scorer()

    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert queue.read(job_id).state is State.RUNNING


def test_chunks_may_finish_in_any_order(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2, 1)
    chunks = claim_all(queue, 3)

    for chunk in reversed(chunks):
        body = f'[{{"chunk":{chunk.request.chunk}}}]'.encode()
        queue.batch_scorer().finish([succeed(chunk, body)], claim_next=False)

    assert queue.read(job_id).state is State.SUCCEEDED
    answers = queue.submissions.read_chunks(job_id, range(3))
    assert answers == [b'[{"chunk":0}]', b'[{"chunk":1}]', b'[{"chunk":2}]']


def test_a_chunk_finished_twice_counts_once_and_keeps_its_first_answers(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2)
    first, _ = claim_all(queue, 2)
    queue.batch_scorer().finish([succeed(first, b'["first"]', failed_rows=1)], claim_next=False)

    queue.batch_scorer().finish([succeed(first, b'["second"]', failed_rows=2)], claim_next=False)

    assert progress_of(queue, job_id) == (State.RUNNING, 2, 1)
    assert queue.submissions.read_chunks(job_id, [0]) == [b'["first"]']


@pytest.mark.parametrize(
    ("failed", "state"),
    [((0, 0), State.SUCCEEDED), ((2, 0), State.SUCCEEDED), ((2, 1), State.FAILED)],
)
def test_a_batch_failed_only_if_every_row_failed(queue: Queue, failed: tuple[int, int], state: State) -> None:
    job_id = queue.submit_batch(2, 1)

    for chunk, bad in zip(claim_all(queue, 2), failed, strict=True):
        queue.batch_scorer().finish([succeed(chunk, failed_rows=bad)], claim_next=False)

    assert queue.read(job_id).state is state


def test_compute_time_is_added_up(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1)

    for chunk in claim_all(queue, 2):
        queue.batch_scorer().finish([succeed(chunk, compute_ms=1.25)], claim_next=False)

    assert float(queue.read(job_id).facts["compute_ms"]) == pytest.approx(2.5)


def test_the_record_and_the_rows_expire_only_once_the_batch_is_final(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1)
    first, second = claim_all(queue, 2)
    queue.batch_scorer().finish([succeed(first)], claim_next=False)
    assert queue.redis.ttl(keys.job(job_id)) == -1
    assert queue.redis.ttl(keys.rows(job_id)) == -1

    queue.batch_scorer().finish([succeed(second)], claim_next=False)

    for key in (keys.job(job_id), keys.rows(job_id)):
        assert 0 < queue.redis.ttl(key) <= queue.settings.result_ttl_seconds


def test_a_batch_is_bound_to_the_first_version_offered(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1)

    bound = [queue.batch_scorer(name).bind_version(job_id, version) for name, version in (("a", "v1"), ("b", "v2"))]

    assert bound == ["v1", "v1"]
    facts = queue.read(job_id).facts
    assert facts["version"] == b"v1"
    assert int(facts["started_at"]) > 0


def test_a_job_that_is_over_is_bound_to_nothing(queue: Queue) -> None:
    job_id = queue.submit_batch(1)
    (chunk,) = claim_all(queue, 1)
    queue.batch_scorer().finish([succeed(chunk)], claim_next=False)

    assert queue.batch_scorer().bind_version(job_id, "v1") is None
    assert queue.batch_scorer().bind_version("unknown", "v1") is None
    assert not queue.redis.exists(keys.job("unknown"))


def test_only_the_last_chunk_gives_a_notice(queue: Queue) -> None:
    subscription = queue.redis.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(keys.FINISHED)
    subscription.get_message(timeout=5)
    job_id = queue.submit_batch(1, 1, waited=True)

    for chunk in claim_all(queue, 2):
        queue.batch_scorer().finish([succeed(chunk)], claim_next=False)

    message = subscription.get_message(timeout=5)
    assert message is not None
    assert message["data"] == job_id.encode()
    assert subscription.get_message(timeout=0.05) is None
    subscription.close()
