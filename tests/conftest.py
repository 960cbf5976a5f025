"""Fixtures every test may use: a real Redis-compatible server, and small versions trained on real data."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from rhizome.connection import connect
from rhizome.embedded_redis import CONFIG_FILE, find_binary, find_free_port, write_config

START_SECONDS = 20.0
STOP_SECONDS = 10.0
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


class RedisServer:
    """A server of the test's own, that can be killed and started again on its data."""

    def __init__(self, folder: Path, fsync: str = "always") -> None:
        self._folder = folder
        self.url = write_config(folder, find_free_port(), fsync=fsync)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([find_binary(), self._folder / CONFIG_FILE], stdout=subprocess.DEVNULL)
        client, deadline = connect(self.url), time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(RedisError):
                client.ping()
                client.close()
                return
            time.sleep(0.02)
        raise AssertionError("the Redis-compatible server did not start")

    def kill(self) -> None:
        """SIGKILL: it has no chance to write anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def pause(self) -> None:
        """It answers nothing until it is resumed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP_SECONDS)


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
