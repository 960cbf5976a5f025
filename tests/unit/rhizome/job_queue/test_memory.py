"""A Redis that fills up refuses new jobs before it has to refuse the results of accepted ones."""

from collections.abc import Iterator

import pytest
from redis import Redis

from rhizome.errors import StorageFull
from rhizome.job_queue.terms import Idempotency, Terms
from rhizome.jobs import Lane
from tests.support.queue import Queue, build_request, succeed


@pytest.fixture
def bounded(redis: Redis) -> Iterator[Redis]:
    """A Redis whose memory bound the test may move."""
    yield redis
    redis.config_set("maxmemory", "0")


def test_without_a_bound_there_is_always_room(queue: Queue, redis: Redis) -> None:
    redis.config_set("maxmemory", "0")

    assert queue.submissions.memory_fraction() == 0.0
    assert queue.submit()


def test_near_the_bound_jobs_are_refused_and_accepted_ones_are_still_answered(queue: Queue, bounded: Redis) -> None:
    job_id = queue.submit()
    used = bounded.info("memory")["used_memory"]
    bounded.config_set("maxmemory", int(used * 1.2))  # used: 83 %

    with pytest.raises(StorageFull):
        Queue(bounded).submit()
    scorer = queue.scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert queue.read(job_id).is_final


def test_a_repeated_request_is_told_of_its_job_though_nothing_new_is_accepted(queue: Queue, bounded: Redis) -> None:
    key = Idempotency("k" * 40, "f" * 40)
    request = build_request(queue.submissions.mint_id())
    queue.submissions.submit(Lane.INTERACTIVE, [request], key)
    bounded.config_set("maxmemory", int(bounded.info("memory")["used_memory"] * 1.2))
    full = Queue(bounded)

    receipt = full.submissions.submit(Lane.INTERACTIVE, [build_request(full.submissions.mint_id())], key)

    assert (receipt.job_id, receipt.is_replay) == (request.job_id, True)


def test_a_refusal_is_raised_where_nothing_stands_yet(queue: Queue) -> None:
    refusal = StorageFull("no")

    with pytest.raises(StorageFull, match="no"):
        queue.offer(Terms(refusal=refusal))

    assert queue.waiting(Lane.INTERACTIVE) == 0
