"""An Idempotency-Key stands for one job: while it waits, and for as long as its result is kept."""

import threading

import pytest

from rhizome import keys
from rhizome.errors import IdempotencyConflict, LaneFull
from rhizome.job_queue.terms import Idempotency
from rhizome.job_queue.views import Receipt
from rhizome.jobs import Lane
from tests.support.queue import Queue, build_chunks, build_request, succeed

KEY = Idempotency("key-1", "fingerprint-1")


def submit(queue: Queue, idempotency: Idempotency = KEY) -> Receipt:
    request = build_request(queue.submissions.mint_id())
    return queue.submissions.submit(Lane.INTERACTIVE, [request], idempotency)


def test_the_same_key_and_request_give_the_first_job(queue: Queue) -> None:
    first = submit(queue)

    again = submit(queue)

    assert (again.job_id, again.submitted_ms) == (first.job_id, first.submitted_ms)
    assert (first.is_replay, again.is_replay) == (False, True)
    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_the_key_holds_after_completion(queue: Queue) -> None:
    first = submit(queue)
    scorer = queue.scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    again = submit(queue)

    assert again.job_id == first.job_id
    assert queue.waiting(Lane.INTERACTIVE) == 0


def test_the_key_lives_exactly_as_long_as_the_result(queue: Queue) -> None:
    first = submit(queue)
    assert queue.redis.ttl(keys.idempotency(KEY.key)) == -1, "no time to live while the job is not final"
    scorer = queue.scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    record = queue.redis.pexpiretime(keys.job(first.job_id))

    assert record > 0
    assert queue.redis.pexpiretime(keys.idempotency(KEY.key)) == pytest.approx(record, abs=5)


def test_the_key_of_a_batch_lives_as_long_as_its_rows(queue: Queue) -> None:
    chunks = build_chunks(queue.submissions.mint_id(), [2, 1])
    job_id = queue.submissions.submit(Lane.BATCH, chunks, KEY).job_id
    scorer = queue.batch_scorer()
    for _ in range(2):
        scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert queue.redis.ttl(keys.idempotency(KEY.key)) == queue.redis.ttl(keys.rows(job_id)) > 0


def test_the_same_key_for_another_request_is_refused(queue: Queue) -> None:
    submit(queue)

    with pytest.raises(IdempotencyConflict):
        submit(queue, Idempotency(KEY.key, "fingerprint-2"))

    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_a_replay_is_answered_even_where_the_lane_is_full(queue: Queue) -> None:
    small = Queue(queue.redis, max_waiting_interactive=1)
    first = submit(small)

    again = submit(small)

    assert again.job_id == first.job_id
    with pytest.raises(LaneFull):
        submit(small, Idempotency("key-2", "fingerprint-1"))


def test_a_refused_submit_does_not_use_the_key_up(queue: Queue) -> None:
    small = Queue(queue.redis, max_waiting_interactive=1)
    small.submit()
    with pytest.raises(LaneFull):
        submit(small)

    receipt = submit(queue)

    assert not receipt.is_replay


def test_of_concurrent_duplicates_exactly_one_becomes_a_job(queue: Queue) -> None:
    receipts: list[Receipt] = []
    threads = [threading.Thread(target=lambda: receipts.append(submit(queue))) for _ in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)

    assert len({receipt.job_id for receipt in receipts}) == 1
    assert sum(not receipt.is_replay for receipt in receipts) == 1
    assert queue.waiting(Lane.INTERACTIVE) == 1
