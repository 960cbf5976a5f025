"""Fixtures every test may use: a real Redis-compatible server, and small versions trained on real data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from rhizome.connection import connect
from tests.support.redis_server import RedisServer

TESTS = Path(__file__).parent
#: What takes longest starts first: a long file among the last would leave the other test processes idle.
FIRST = ("integration/test_openapi_conformance.py", "chaos", "browser", "integration")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the folders and files of `FIRST` first, in its order; the tests of a file stay as they are."""
    items.sort(key=lambda item: _turn_of(item.path))


def _turn_of(path: Path) -> int:
    for turn, name in enumerate(FIRST):
        if path.is_relative_to(TESTS / name):
            return turn
    return len(FIRST)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that lives as long as the test session."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), fsync="no")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def redis(redis_server: str) -> Iterator[Redis]:
    """A client on an empty database."""
    client = connect(redis_server)
    client.flushall()
    yield client
    client.close()
