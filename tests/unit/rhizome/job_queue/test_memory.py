"""A Redis that fills up refuses new jobs before it has to refuse the results of accepted ones."""

from collections.abc import Iterator

import pytest
from redis import Redis

from rhizome.errors import StorageFull
from tests.support.queue import Queue, succeed


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
