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

from benchmarks.process_tree import TICKS_PER_SECOND, ProcessTree, Stat
from benchmarks.roles import assign_roles, name_role, read_words
from benchmarks.services import HOST, RECIPES, Place, start_redis
from benchmarks.wire import SAMPLES, decode_answer, is_right

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
def run_stack(name: str, fsync: str = "always") -> Iterator[Stack]:
    """Starts a stack, waits until it predicts, and in the end stops its processes and deletes its files.

    Args:
        name: a key of `RECIPES`.
        fsync: the server's `appendfsync`: `always` or `everysec`.

    Raises:
        StackError: it did not predict within `READY_SECONDS`; the message holds the ends of its logs.
    """
    recipe = RECIPES[name]
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix=f"benchmark-{name}-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        place = Place(find_free_port(), find_free_port(), folder)
        stack = Stack(name, place.port)
        if recipe.needs_redis:
            stack.services.append(start_redis(place, fsync))
            cleanup.callback(stack.services[-1].stop)
            _wait_until(stack, lambda: _listens(place.redis_port))
        for start in recipe.services:
            stack.services.append(start(place))
            cleanup.callback(stack.services[-1].stop)
        if name != "ceiling":
            _wait_until(stack, lambda: _is_ready(stack.port))
        _wait_until(stack, lambda: _predicts(stack.port))
        yield stack


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


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


def _is_ready(port: int) -> bool:
    return _request(port, "GET", "/readyz")[0] == http.client.OK


def _predicts(port: int) -> bool:
    sample = SAMPLES[0]
    headers = {"Content-Type": "application/json", "Prefer": "wait=10"}
    status, body = _request(port, "POST", "/predict", sample.body, headers)
    return status == http.client.OK and is_right(decode_answer(body), sample)


def _request(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_SECONDS)
    with closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
