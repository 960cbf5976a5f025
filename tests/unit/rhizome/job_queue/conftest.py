"""A queue on an empty database."""

import pytest
from redis import Redis

from tests.support.queue import Queue


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(redis)
