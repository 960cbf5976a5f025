"""Lua scripts that Redis runs: how one is put together, sent and called.

Apart from the packages that hold scripts (`job_queue`, `webhooks`), so that all are called in one way.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError


class Script:
    """A Lua script, sent to Redis at the first call, and again where Redis forgot it.

    Each thread holds a connection of its own (see `HeldConnection`): borrowing one from the client's pool for each call
    costs three times what the call itself does. An answer that did not come, or came in part, costs the connection; the
    next call opens another.

    Args:
        redis: a client.
        source: in Lua.
        is_repeatable: whether running it twice is as good as once: it is then called once more, on a new connection,
            where the old one was cut.
    """

    def __init__(self, redis: Redis, source: str, *, is_repeatable: bool = False) -> None:
        self.pool = redis.connection_pool
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
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
        return _run_once([Call(self, keys, args)])[0]


class Call(NamedTuple):
    """One script with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Any]

    @property
    def command(self) -> tuple[Any, ...]:
        """As Redis takes it."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


class HeldConnection:
    """A connection that a client's pool has lent for long: given back, closed, as soon as nobody holds this any more.

    A pool counts the connections that it has made. One that is made past `get_connection` and dropped is counted for
    ever, and one that is not given back cannot be lent to anybody else.

    Args:
        pool: a client's.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """

    __slots__ = ("__weakref__", "_pool", "connection", "silences")

    def __init__(self, pool: Any) -> None:
        self._pool = ref(pool)  # it may go before the thread that holds this
        self.silences = _silences  #: how many this process had met when it was lent
        self.connection = pool.get_connection()

    def __del__(self) -> None:
        connection, pool = getattr(self, "connection", None), self._pool()
        if connection is None:
            return  # there never was one
        connection.disconnect()  # what it may still have been sent is for nobody
        if pool is not None:
            pool.release(connection)


class Flight:
    """One call at a time whose answer is read later, on a connection of its own: the caller works meanwhile.

    Args:
        redis: a client.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._held: HeldConnection | None = None
        self._call: Call | None = None

    def send(self, sent: Call) -> None:
        """Sends a call; nobody reads the answer to the one before any more.

        Raises:
            redis.RedisError: it could not be sent; it may have arrived all the same.
        """
        self.drop()
        if self._held is None:
            self._held = HeldConnection(self._pool)
        self._call = sent
        try:
            self._held.connection.send_command(*sent.command)
        except BaseException:
            self.drop()
            raise

    def receive(self) -> Any:
        """The answer to what was sent.

        Raises:
            redis.RedisError: the connection was cut, the answer did not come in time, or the script failed.
        """
        sent = self._call
        if sent is None or self._held is None:
            raise RedisConnectionError("nothing was sent")
        try:
            answer = _read_answer(self._held.connection)
        except BaseException:
            self.drop()
            raise
        self._call = None
        return _run_once([sent])[0] if isinstance(answer, NoScriptError) else _check(answer)

    def drop(self) -> None:
        """Forgets what was sent, if anything: nobody will read its answer."""
        if self._call is not None and self._held is not None:
            self._held.connection.disconnect()
            self._call = None


def call_together(calls: Sequence[Call]) -> list[Any]:
    """Runs several scripts of one server in one round trip, each repeatable: once more where the connection was cut.

    Returns:
        The answers, in order.

    Raises:
        redis.RedisError: the connection was cut, the answers did not come in time, or a script failed.
    """
    try:
        return _run_once(calls)
    except RedisTimeoutError:
        raise  # it has waited long enough
    except RedisConnectionError:
        return _run_once(calls)


def call(redis: Redis, *command: Any) -> Any:
    """Sends one command as scripts are sent, and gives the answer as it comes.

    Raises:
        redis.RedisError: the connection was cut, the answer did not come in time, or the command failed.
    """
    (answer,) = _exchange(redis.connection_pool, [command])
    return _check(answer)


def _run_once(calls: Sequence[Call]) -> list[Any]:
    pool = calls[0].script.pool
    answers = _exchange(pool, [call.command for call in calls])
    if forgotten := [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]:
        sources = {calls[at].script.source for at in forgotten}
        for answer in _exchange(pool, [("SCRIPT LOAD", source) for source in sources]):
            _check(answer)
        for at, answer in zip(forgotten, _exchange(pool, [calls[at].command for at in forgotten]), strict=True):
            answers[at] = answer
    return [_check(answer) for answer in answers]


def _exchange(pool: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """Sends all commands, then reads all answers; a refusal stands in its answer's place."""
    connection = _held_connection(pool)
    try:
        if len(commands) == 1:
            connection.send_command(*commands[0])
        else:
            connection.send_packed_command(connection.pack_commands(commands))
        return [_read_answer(connection) for _ in commands]
    except BaseException as error:
        connection.disconnect()
        if isinstance(error, RedisTimeoutError):
            _distrust(pool)
        raise


def _distrust(pool: Any) -> None:
    """No answer came: the way to Redis may have been cut without a word, and with it all connections that there are.

    Each would cost whoever uses it next a wait as long as this one.
    """
    global _silences  # noqa: PLW0603 - a way is the whole process's
    _silences += 1
    pool.disconnect(inuse_connections=False)


def _read_answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as refusal:
        # A whole answer: the connection is as good as before. Its traceback would keep its callers' frames in a cycle.
        return refusal.with_traceback(None)


def _check(answer: Any) -> Any:
    if isinstance(answer, ResponseError):
        raise answer
    return answer


_silences = 0  #: answers that did not come in time
_held = threading.local()  #: what a thread that ends held goes with it


def _held_connection(pool: Any) -> Any:
    """This thread's connection to the server of `pool`."""
    by_pool: WeakKeyDictionary[Any, HeldConnection] | None = getattr(_held, "by_pool", None)
    if by_pool is None:
        by_pool = _held.by_pool = WeakKeyDictionary()
    held = by_pool.get(pool)
    if held is None or held.silences != _silences:
        held = by_pool[pool] = HeldConnection(pool)
    return held.connection


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
