"""Lua scripts that Redis runs: how one is put together, sent and called.

Apart from the packages that hold scripts (`job_queue`, `webhooks`), so that all are called in one way.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError


class Script:
    """A Lua script, sent to Redis at the first call, and again where Redis forgot it.

    Each thread holds a connection of its own: borrowing one from the client's pool costs three times what the call
    itself does. An answer that did not come, or came in part, costs the connection; the next call opens another.

    Args:
        redis: a client.
        source: in Lua.
        is_repeatable: whether running it twice is as good as once: it is then called once more, on a new connection,
            where the old one was cut.
    """

    def __init__(self, redis: Redis, source: str, *, is_repeatable: bool = False) -> None:
        self._pool = redis.connection_pool
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._is_repeatable = is_repeatable

    def __call__(self, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Any:
        """Runs the script.

        Raises:
            redis.RedisError: the connection was cut, the answer did not come in time, or the script failed.
        """
        try:
            return self._run(keys, args)
        except RedisConnectionError:
            if not self._is_repeatable:
                raise
        return self._run(keys, args)

    def _run(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        command = ("EVALSHA", self._sha, len(keys), *keys, *args)
        try:
            return _exchange(self._pool, command)
        except NoScriptError:
            _exchange(self._pool, ("SCRIPT LOAD", self._source))
            return _exchange(self._pool, command)


def call(redis: Redis, *command: Any) -> Any:
    """Sends one command as scripts are sent, and gives the answer as it comes.

    Raises:
        redis.RedisError: the connection was cut, the answer did not come in time, or the command failed.
    """
    return _exchange(redis.connection_pool, command)


def _exchange(pool: Any, command: Sequence[Any]) -> Any:
    connection = _held_connection(pool)
    try:
        connection.send_command(*command)
        return connection.read_response()
    except ResponseError:
        raise  # a whole answer: the connection is as good as before
    except BaseException:
        connection.disconnect()
        raise


_held = threading.local()


def _held_connection(pool: Any) -> Any:
    """This thread's connection to the server of `pool`."""
    connections: WeakKeyDictionary[Any, Any] | None = getattr(_held, "connections", None)
    if connections is None:
        connections = _held.connections = WeakKeyDictionary()
    connection = connections.get(pool)
    if connection is None:
        connection = connections[pool] = pool.make_connection()
    return connection


@cache
def read_source(package: str, name: str) -> str:
    """The text of `<name>.lua` in `package`."""
    return resources.files(package).joinpath(f"{name}.lua").read_text()


def write_constants(constants: Mapping[str, str | int | Sequence[str]]) -> str:
    """Names and values as Lua locals: sent once with the script instead of with every call."""
    return "".join(f"local {name} = {_write(value)}\n" for name, value in constants.items())


def _write(value: str | int | Sequence[str]) -> str:
    if isinstance(value, int):
        return str(value)
    return f"[==[{value}]==]" if isinstance(value, str) else f"{{{', '.join(map(_write, value))}}}"
