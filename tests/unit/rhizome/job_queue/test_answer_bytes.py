"""The answers to a file are bounded in bytes: beyond it the job fails, and nothing refers to them any more."""

import json

import pytest

from rhizome import keys
from rhizome.blob_slices import ChunkParts, encode_parts
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed


def write_parts(size: int, errors_size: int = 0) -> bytes:
    return encode_parts(ChunkParts(1, 0, "000000-0", "csv", size, errors_size))


@pytest.mark.parametrize(("sizes", "state"), [([(60, 0), (40, 0)], "succeeded"), ([(60, 0), (40, 1)], "failed")])
def test_answers_and_errors_of_all_chunks_count(queue: Queue, sizes: list[tuple[int, int]], state: str) -> None:
    job_id = queue.submit_batch(1, 1, terms=Terms(record={"source": "csv", "max_answer_bytes": "100"}))
    scorer = queue.batch_scorer()

    for size, errors_size in sizes:
        (entry,) = scorer.claim()
        scorer.finish([succeed(entry, write_parts(size, errors_size))], claim_next=False)

    job = queue.read(job_id)
    assert job.state == state
    if job.state is State.FAILED:
        assert json.loads(job.facts["error"])["code"] == "answers_too_large"
        assert not queue.redis.exists(keys.rows(job_id))
        assert queue.redis.ttl(keys.job(job_id)) > 0


def test_a_job_that_fails_by_it_leaves_no_chunk_waiting(queue: Queue) -> None:
    queue.submit_batch(1, 1, 1, terms=Terms(record={"source": "csv", "max_answer_bytes": "10"}))
    scorer = queue.batch_scorer()
    (entry,) = scorer.claim()

    scorer.finish([succeed(entry, write_parts(11))], claim_next=False)

    assert queue.waiting(Lane.BATCH) == 0


def test_a_chunk_that_is_repeated_counts_once(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1, terms=Terms(record={"source": "csv", "max_answer_bytes": "100"}))
    (entry,) = queue.batch_scorer().claim()

    for _ in range(3):
        queue.batch_scorer().finish([succeed(entry, write_parts(60))], claim_next=False)

    assert queue.read(job_id).state is State.RUNNING
