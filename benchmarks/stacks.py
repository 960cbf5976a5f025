"""The life of a stack under test: started on free ports, ready once it has predicted, stopped."""

import http.client
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dialects import DIALECTS, SUCCEEDED
from benchmarks.one_job import run_job
from benchmarks.place import Place, find_free_port
from benchmarks.process_tree import TICKS_PER_SECOND, ProcessTree, Stat
from benchmarks.roles import assign_roles, name_role, read_words
from benchmarks.services import HOST, RECIPES, Recipe, start_redis
from benchmarks.user import User

READY_SECONDS = 90.0  #: Rhizome trains a first version in that time
CHECK_SECONDS = 0.1
PROBE_TIMEOUT_SECONDS = 15.0
LOG_TAIL_CHARACTERS = 2000


class StackError(Exception):
    """A stack did not come up."""


@dataclass
class Stack:
    """A running stack."""

    name: str
    port: int
    services: list[ProcessTree] = field(default_factory=list)
    place: Place | None = None

    @property
    def folder(self) -> Path:
        """Where its data, models and logs are."""
        if self.place is None:
            raise StackError(f"{self.name} has no folder")
        return self.place.folder

    def processes(self) -> dict[str, list[Stat]]:
        """Lists the living processes by role (see `benchmarks.roles`); Redis is one of them."""
        grouped: dict[str, list[Stat]] = {}
        for service in self.services:
            members = service.members()
            roles = {stat.pid: name_role(read_words(stat.pid)) for stat in members}
            for role, stats in assign_roles(members, roles, service.name).items():
                grouped.setdefault(role, []).extend(stats)
        return grouped

    def cpu_seconds(self) -> dict[str, float]:
        """Returns the CPU time so far, user and system, by role."""
        return {
            role: sum(stat.cpu_ticks for stat in stats) / TICKS_PER_SECOND for role, stats in self.processes().items()
        }

    def check_alive(self) -> None:
        """Raises `StackError`, with the ends of the logs, if a service has ended by itself."""
        for service in self.services:
            service.watch()
        if dead := [service.name for service in self.services if not service.is_running()]:
            raise StackError(f"{self.name}: {', '.join(dead)} ended\n{self.tail_logs()}")

    def tail_logs(self) -> str:
        texts = ((service.name, service.log.read_text(errors="replace")) for service in self.services)
        return "\n".join(f"--- {name}\n{text[-LOG_TAIL_CHARACTERS:]}" for name, text in texts)


@contextmanager
def run_stack(name: str, fsync: str = "always", **env: str) -> Iterator[Stack]:
    """Starts a stack, waits until it predicts, and in the end stops its processes and deletes its files.

    Args:
        name: a key of `RECIPES`.
        fsync: the server's `appendfsync`: `always` or `everysec`.
        env: variables for every process of it.

    Raises:
        StackError: it did not predict within `READY_SECONDS`; the message holds the ends of its logs.
    """
    recipe = RECIPES[name]
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix=f"benchmark-{name}-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        place = Place(find_free_port(), find_free_port(), folder, env)
        stack = Stack(name, place.port, place=place)
        if recipe.needs_redis:
            stack.services.append(start_redis(place, fsync))
            cleanup.callback(stack.services[-1].stop)
            _wait_until(stack, lambda: _listens(place.redis_port))
        for start in recipe.services:
            stack.services.append(start(place))
            cleanup.callback(stack.services[-1].stop)
        if recipe.ready_path:
            _wait_until(stack, lambda: _is_ready(stack.port, str(recipe.ready_path)))
        _wait_until(stack, lambda: _predicts(stack.port, recipe))
        yield stack


def _wait_until(stack: Stack, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        stack.check_alive()
        try:
            if holds():
                return
        except (OSError, http.client.HTTPException, ValueError):
            pass  # not there yet
        time.sleep(CHECK_SECONDS)
    raise StackError(f"{stack.name} was not ready after {READY_SECONDS:.0f} s\n{stack.tail_logs()}")


def _listens(port: int) -> bool:
    socket.create_connection((HOST, port), PROBE_TIMEOUT_SECONDS).close()
    return True


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_SECONDS)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK


def _predicts(port: int, recipe: Recipe) -> bool:
    user = User(0, port, DIALECTS[recipe.dialect], recipe.modes[0], lambda _: None)
    try:
        return run_job(user, PROBE_TIMEOUT_SECONDS)[0] == SUCCEEDED
    finally:
        user.socket.close()
