"""Loads the queue's Lua scripts behind the constants that they share with Python."""

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from rhizome import keys
from rhizome.jobs import PRIORITIES, STREAMS
from rhizome.task_message import SCORE_TASK, build_task_message
from rhizome.webhooks.scripts import outbox_source

BELL_ID = "@bell@"
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this
#: The streams' names in the order of `STREAMS`; scripts name a stream by its index here, counted from 1.
STREAM_KEYS = [keys.lane(stream) for stream in STREAMS]


class Script:
    """A Lua script, sent to Redis at the first call, and again where Redis forgot it.

    Each thread holds a connection of its own: borrowing one from the client's pool costs three times what the call
    itself does. An answer that did not come, or came in part, costs the connection; the next call opens another.
    """

    def __init__(self, redis: Redis, source: str) -> None:
        self._pool = redis.connection_pool
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Any:
        """Runs the script once.

        Raises:
            redis.RedisError: the connection was cut, the answer did not come in time, or the script failed.
        """
        connection = _held_connection(self._pool)
        try:
            try:
                connection.send_command("EVALSHA", self._sha, len(keys), *keys, *args)
                return connection.read_response()
            except NoScriptError:
                connection.send_command("SCRIPT LOAD", self._source)
                connection.read_response()
                connection.send_command("EVALSHA", self._sha, len(keys), *keys, *args)
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


def load_script(redis: Redis, name: str) -> Script:
    """`<name>.lua` behind the constants, the outbox and `common.lua`."""
    return Script(redis, _constants() + outbox_source() + _source("common") + _source(name))


@cache
def bell_template() -> bytes:
    """The wake-up for one scorer; `common.lua` puts a fresh id in place of `BELL_ID` whenever it rings."""
    return build_task_message(SCORE_TASK, keys.SCORING_QUEUE, task_id=BELL_ID)


@cache
def _source(name: str) -> str:
    return resources.files("rhizome.job_queue").joinpath(f"{name}.lua").read_text()


@cache
def _constants() -> str:
    """Key names and the bell as Lua locals: sent once with the script instead of with every call."""
    texts = {
        "GROUP": keys.GROUP,
        "ROWS": keys.rows(""),
        "LANE": keys.lane(""),
        "BELL": keys.BELL,
        "LISTENING": keys.LISTENING,
        "SCORING_QUEUE": keys.SCORING_QUEUE,
        "UPKEEP_QUEUE": keys.UPKEEP_QUEUE,
        "FINISHED": keys.FINISHED,
        "DEAD_LETTERS": keys.DEAD_LETTERS,
        "ID_SECRET": keys.ID_SECRET,
        "BELL_ID": BELL_ID,
        "BELL_MESSAGE": bell_template().decode(),
    }
    lines = [f"local {name} = [==[{text}]==]" for name, text in texts.items()]
    lines.append(f"local BELL_TTL_SECONDS = {BELL_TTL_SECONDS}")
    lines.append(f"local SINGLES = {len(PRIORITIES)}")  # the first of STREAMS hold single jobs, the others chunks
    lines.append(f"local STREAMS = {{{', '.join(f'[==[{key}]==]' for key in STREAM_KEYS)}}}")
    return "\n".join(lines) + "\n"
