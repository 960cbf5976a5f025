"""Rhizome in pieces: its Redis, a version, and each process started and stopped by itself.

Apart from `stacks`, whose services run as a user runs them: here a worker is away while jobs are put in its queue.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.footprint import Process, find_processes
from benchmarks.place import HOST, ROOT, Place, find_free_port
from benchmarks.process_tree import ProcessTree
from benchmarks.services import name_settings, start_redis
from benchmarks.stacks import StackError
from rhizome.connection import connect
from rhizome.keys import champion
from rhizome.manifest import Manifest
from rhizome.registry import Registry

MODEL_NAME = "iris"
ADMIN_KEY = "benchmark-admin-key"  #: of a service on the loopback address that lives for minutes
START_SECONDS = 60.0
TRAINING_SECONDS = 600.0
REDIS_TIMEOUT_SECONDS = 60.0
LOOK_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 2000
#: Programs of the service, as `python -m`.
PROGRAMS = {
    "gateway": ("gateway",),
    "worker": ("worker",),
    "batches": ("worker", "batches"),
    "trainer": ("trainer", "serve"),
    "beat": ("trainer", "beat"),
}


class Pieces:
    """One deployment; `run_pieces` makes it."""

    def __init__(self, place: Place, settings: dict[str, object]) -> None:
        self.place = place
        self.settings = settings
        self.trees: dict[str, ProcessTree] = {}
        self.redis: Redis = connect(place.redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS)

    @property
    def environment(self) -> dict[str, str]:
        """What the service's processes are told."""
        return {
            **name_settings(self.place),
            "RHIZOME_ADMIN_KEY": ADMIN_KEY,
            **{f"RHIZOME_{name.upper()}": str(value) for name, value in self.settings.items()},
        }

    def train(self, *arguments: str, **settings: object) -> None:
        """Trains a version and makes it champion, unless `arguments` of `trainer train` say otherwise."""
        environment = {
            **os.environ,
            **self.environment,
            "OMP_NUM_THREADS": "1",
            **{f"RHIZOME_{name.upper()}": str(value) for name, value in settings.items()},
        }
        command = [sys.executable, "-m", "trainer", "train", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TRAINING_SECONDS, check=False
        )
        if done.returncode:
            raise StackError(f"training failed:\n{(done.stdout + done.stderr)[-LOG_TAIL_CHARACTERS:]}")

    @property
    def manifest(self) -> Manifest:
        """The champion's."""
        registry = Registry(self.redis, MODEL_NAME)
        pointer = registry.champion()
        if pointer is None:
            raise StackError(f"nothing is promoted ({champion(MODEL_NAME)})")
        return registry.manifest(pointer.version)

    def artefact(self, version: str) -> Path:
        """The file of a version's estimator."""
        return self.place.folder / "models" / MODEL_NAME / version / "model.joblib"

    def start(self, *names: str, **settings: object) -> None:
        """Starts processes of the service, and waits for those that listen."""
        extra = {f"RHIZOME_{name.upper()}": str(value) for name, value in settings.items()}
        for name in names:
            command = [sys.executable, "-m", *PROGRAMS[name]]
            self.trees[name] = self.place.start(name, command, **self.environment, **extra)
        if "gateway" in names:
            self.wait_until(self._answers, "the gateway's first answer")

    def stop(self, *names: str) -> None:
        """Stops processes; without names, all."""
        for name in names or tuple(reversed(self.trees)):
            if tree := self.trees.pop(name, None):
                tree.stop()

    def processes(self) -> list[Process]:
        """Everything that runs now."""
        return find_processes(tree.pid for tree in self.trees.values())

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request on a connection of its own: the status and the JSON document."""
        connection = http.client.HTTPConnection(HOST, self.place.port, timeout=TRAINING_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def wait_until(self, holds: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> None:
        """Looks until `holds()`.

        Raises:
            StackError: a process ended, or it does not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            if dead := [name for name, tree in self.trees.items() if not tree.is_running()]:
                raise StackError(f"{', '.join(dead)} ended\n{self._tail_logs()}")
            if time.monotonic() > deadline:
                raise StackError(f"no {what} within {seconds:.0f} s\n{self._tail_logs()}")
            time.sleep(LOOK_SECONDS)

    def _answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException, ValueError):
            return self.call("GET", "/models")[0] == http.client.OK
        return False

    def _tail_logs(self) -> str:
        texts = ((name, tree.log.read_text(errors="replace")) for name, tree in self.trees.items())
        return "\n".join(f"--- {name}\n{text[-LOG_TAIL_CHARACTERS:]}" for name, text in texts)


@contextmanager
def run_pieces(fsync: str = "always", **settings: object) -> Iterator[Pieces]:
    """A deployment of which only Redis runs; everything is stopped and deleted in the end.

    Args:
        fsync: the server's `appendfsync`.
        settings: of the service, by their names without prefix.
    """
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="benchmark-pieces-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        pieces = Pieces(Place(find_free_port(), find_free_port(), folder), settings)
        cleanup.callback(pieces.redis.close)
        cleanup.callback(pieces.stop)
        pieces.trees["redis"] = start_redis(pieces.place, fsync)
        pieces.wait_until(lambda: _pings(pieces.redis), "answer of Redis")
        yield pieces


def _pings(redis: Redis) -> bool:
    with suppress(Exception):
        return bool(redis.ping())
    return False
