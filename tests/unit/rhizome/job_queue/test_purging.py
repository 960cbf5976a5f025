"""A job can be purged in any state: nothing of it stays but that its id reads as gone."""

import time

import pytest
from redis import Redis

from rhizome import keys
from rhizome.blob_slices import FileFormat
from rhizome.errors import JobExpired, JobNotFound
from rhizome.job_queue.exporting import request_export
from rhizome.job_queue.terms import Idempotency, Terms
from rhizome.jobs import Lane
from tests.support.queue import Queue, build_chunks, build_request, succeed
from tests.support.webhooks import build_outbox, submit_batch, submit_single, take_all

KEY = Idempotency("key", "print")


def assert_is_gone(queue: Queue, job_id: str) -> None:
    """Nothing names the job but the record that says that it was here, and that does not stay for long."""
    redis = queue.redis
    with pytest.raises(JobExpired, match="purged"):
        queue.read(job_id)
    assert redis.hgetall(keys.job(job_id)) == {b"state": b"purged"}
    assert 0 < redis.ttl(keys.job(job_id)) <= queue.settings.result_ttl_seconds
    left = [name for name in redis.scan_iter("*") if job_id.encode() in name and name != keys.job(job_id).encode()]
    assert left == []
    assert redis.zcard(keys.WEBHOOKS_PENDING) == 0


def score_all(queue: Queue) -> None:
    scorer = queue.scorer()
    while claimed := scorer.claim():
        for entry in claimed:
            if entry.request.kind != "single":
                scorer.bind_version(entry.request.job_id, "v1")
        scorer.finish([succeed(entry) for entry in claimed], claim_next=False)


@pytest.mark.parametrize("is_answered", [True, False])
@pytest.mark.parametrize("kind", ["single", "batch", "file"])
def test_a_job_of_any_kind_leaves_nothing(queue: Queue, kind: str, is_answered: bool) -> None:
    if kind == "single":
        job_id = submit_single(queue)
    elif kind == "batch":
        job_id = submit_batch(queue, 2, 1)
    else:
        job_id = queue.submit_batch(2, 1, terms=Terms(record={"source": "csv"}))
    if is_answered:
        score_all(queue)

    queue.submissions.purge(job_id)

    assert_is_gone(queue, job_id)
    assert (queue.waiting(Lane.INTERACTIVE), queue.waiting(Lane.BATCH)) == (0, 0)
    assert take_all(build_outbox(queue.redis)) == []


def test_what_a_scorer_holds_is_scored_for_nothing(queue: Queue) -> None:
    job_id, scorer = queue.submit_batch(1, 1), queue.scorer()
    claimed = scorer.claim()

    queue.submissions.purge(job_id)
    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)

    assert scorer.bind_version(job_id, "v1") is None
    assert_is_gone(queue, job_id)
    assert queue.in_flight(Lane.BATCH) == 0


def test_the_idempotency_key_is_free_again(queue: Queue) -> None:
    first, second = (build_request(queue.submissions.mint_id()) for _ in range(2))
    queue.submissions.submit(Lane.INTERACTIVE, [first], KEY)

    queue.submissions.purge(first.job_id)
    receipt = queue.submissions.submit(Lane.INTERACTIVE, [second], KEY)

    assert (receipt.job_id, receipt.is_replay) == (second.job_id, False)


def test_other_jobs_stay_with_their_webhooks(queue: Queue) -> None:
    other, job_id = submit_single(queue), submit_single(queue)
    score_all(queue)

    queue.submissions.purge(job_id)

    assert queue.read(other).outcome is not None
    assert [delivery.text("job") for delivery in take_all(build_outbox(queue.redis))] == [other]


def test_an_event_that_is_being_sent_is_settled_to_nobodys_account(queue: Queue, redis: Redis) -> None:
    job_id = submit_single(queue)
    score_all(queue)
    outbox = build_outbox(redis)
    assert len(take_all(outbox)) == 1

    queue.submissions.purge(job_id)

    assert_is_gone(queue, job_id)
    assert list(redis.scan_iter(f"{keys.webhooks_busy(chr(42))}")) == []


def test_an_export_is_not_owed_any_more(queue: Queue) -> None:
    chunks = build_chunks(queue.submissions.mint_id(), [1])
    queue.submissions.submit(Lane.BATCH, chunks)
    score_all(queue)
    request_export(queue.redis, chunks[0].job_id, FileFormat.PARQUET)

    queue.submissions.purge(chunks[0].job_id)

    assert_is_gone(queue, chunks[0].job_id)


def test_a_waiter_is_woken_and_the_id_stays_gone(queue: Queue) -> None:
    job_id, listener = queue.submit(), queue.redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(keys.FINISHED)
    listener.get_message(timeout=1)

    queue.submissions.purge(job_id)

    until, heard = time.monotonic() + 5, None
    while heard is None and time.monotonic() < until:
        heard = listener.get_message(timeout=0.1)
    assert heard
    assert job_id.encode() in heard["data"]
    for call in (queue.submissions.cancel, queue.submissions.purge, queue.submissions.read):
        with pytest.raises(JobExpired):
            call(job_id)


def test_an_unknown_job_cannot_be_purged(queue: Queue) -> None:
    with pytest.raises(JobNotFound):
        queue.submissions.purge(queue.submissions.mint_id())
