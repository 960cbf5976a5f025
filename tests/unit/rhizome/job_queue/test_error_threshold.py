"""A batch job with more failed rows than its submitter allows fails as a whole, and the rest is not scored."""

import json

import pytest

from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed


@pytest.mark.parametrize(
    ("threshold", "state"), [(0, State.FAILED), (1, State.FAILED), (2, State.SUCCEEDED), (-1, State.SUCCEEDED)]
)
def test_more_failed_rows_than_allowed_fail_the_job(queue: Queue, threshold: int, state: State) -> None:
    job_id = queue.submit_batch(3, terms=Terms(error_threshold=threshold))
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()

    scorer.finish([succeed(chunk, failed_rows=2)], claim_next=False)

    assert queue.read(job_id).state is state


def test_what_remains_is_not_scored_and_the_error_is_named(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2, 2, terms=Terms(error_threshold=0))
    other = queue.submit_batch(1)
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()

    (following,) = scorer.finish([succeed(chunk, failed_rows=1)], claim_next=True)

    job = queue.read(job_id)
    assert json.loads(job.facts["error"])["code"] == "too_many_errors"
    assert following.request.job_id == other
    assert queue.waiting(Lane.BATCH) == 0


def test_failed_rows_are_counted_over_all_chunks(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2, 2, terms=Terms(error_threshold=1))
    scorer = queue.batch_scorer()
    claimed = scorer.claim()

    for failed in (1, 0, 1):
        assert queue.read(job_id).state is State.RUNNING
        claimed = scorer.finish([succeed(claimed[0], failed_rows=failed)], claim_next=True)

    assert queue.read(job_id).state is State.FAILED


def test_a_chunk_may_fail_the_whole_job(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2)
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()
    error = {"code": "invalid_file", "detail": "it is not what it should be"}

    following = scorer.finish([succeed(chunk, job_error=json.dumps(error).encode())], claim_next=True)

    job = queue.read(job_id)
    assert (following, job.state, json.loads(job.facts["error"])) == ([], State.FAILED, error)


def test_a_chunk_may_turn_out_to_hold_other_rows_than_expected(queue: Queue) -> None:
    job_id = queue.submit_batch(10, 10)
    scorer = queue.batch_scorer()
    claimed = scorer.claim()

    for rows in (9, 12):
        claimed = scorer.finish([succeed(claimed[0], rows=rows)], claim_next=True)

    job = queue.read(job_id)
    assert (job.state, job.facts["rows"], job.facts["done"]) == (State.SUCCEEDED, b"21", b"21")
