"""A Redis-compatible server of the test's own."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from rhizome.connection import connect
from rhizome.embedded_redis import CONFIG_FILE, find_binary, find_free_port, write_config

START_SECONDS = 20.0
STOP_SECONDS = 10.0


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
