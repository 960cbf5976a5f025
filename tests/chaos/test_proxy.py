"""The proxy between a client and Redis does what networks do: to the client, it looks like that."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import TimeoutError as AnswerOverdue

from rhizome.connection import connect
from tests.chaos.suite.network import proxied_redis
from tests.support.proxy import Proxy

PATIENCE_SECONDS = 0.3


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, str]]:
    with proxied_redis(Path(tmp_path_factory.mktemp("redis"))) as found:
        yield found


@pytest.fixture
def proxy(behind: tuple[Proxy, str]) -> Proxy:
    return behind[0]


@pytest.fixture
def redis(behind: tuple[Proxy, str]) -> Iterator[Redis]:
    """A client with a connection that stands."""
    client = connect(behind[1], socket_timeout=PATIENCE_SECONDS)
    assert client.ping()
    yield client
    client.close()


def test_a_reset_ends_a_connection_and_welcomes_the_next(proxy: Proxy, redis: Redis) -> None:
    before = redis.client_id()

    proxy.reset()

    assert redis.client_id() != before


def test_a_held_proxy_says_nothing_and_goes_on_when_released(proxy: Proxy, redis: Redis) -> None:
    proxy.hold()
    try:
        with pytest.raises(AnswerOverdue):
            redis.ping()
    finally:
        proxy.release()
    assert redis.ping()


def test_a_forgotten_connection_leads_nowhere_and_a_new_one_does(proxy: Proxy, redis: Redis) -> None:
    proxy.forget()

    with pytest.raises(AnswerOverdue):
        redis.ping()
    assert redis.ping()


def test_a_refusing_proxy_takes_no_connection(proxy: Proxy, redis: Redis) -> None:
    proxy.refuse(True)
    try:
        for _ in range(2):
            with pytest.raises(ConnectionBroken):
                redis.ping()
    finally:
        proxy.refuse(False)
    assert redis.ping()


def test_a_late_proxy_delays_both_ways(proxy: Proxy, redis: Redis) -> None:
    proxy.delay(0.05)
    try:
        begun = time.monotonic()
        assert redis.ping()
        assert time.monotonic() - begun >= 0.1
    finally:
        proxy.delay(0)
