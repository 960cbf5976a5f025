"""Redis clients, built one way: bounded waits, no hidden retries of writes, bytes in and out.

redis-py retries a failed command ten times by default, which would replay a non-idempotent write; here a command is
sent once, and the caller that knows it is safe to repeat says so.
"""

import time
from contextlib import suppress
from functools import partial
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from rhizome import keys
from rhizome.errors import RhizomeError

CONNECT_TIMEOUT_SECONDS = 2.0
SOCKET_TIMEOUT_SECONDS = 5.0  #: longer than any blocking read
BLOCKING_MARGIN_SECONDS = 3.0
PAUSE_SECONDS = 0.05  #: between two looks whether it answers
#: Of one client. What bounds its connections is the threads: each holds one and borrows another for a moment. This only
#: has to be more than they can need (RHIZOME_GATEWAY_THREADS is 512 at most); redis-py's own bound, 100, is less.
MAX_CONNECTIONS = 2048
_CANNOT_WRITE = ("OOM", "MISCONF", "READONLY", "NOREPLICAS")  #: how Redis begins to say that it cannot write


class DatabaseTaken(RhizomeError, RedisError):
    """The Redis database serves another model name; also a RedisError, since to this process it is as good as away."""

    code = "queue_unavailable"


def connect(url: str, *, model_name: str = "", socket_timeout: float | None = None) -> Redis:
    """Builds a client for `url` (`redis://` or `rediss://`); no connection is made yet.

    Args:
        url: where Redis is.
        model_name: whose jobs, runs and processes the database may hold. Each new connection looks, so that no process
            of another model gets one, however it was started; `DatabaseTaken` says so. Unchecked if empty.
        socket_timeout: seconds before an unanswered command fails.
    """
    return Redis.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        protocol=2,  # RESP3 changes the shape of stream replies
        decode_responses=False,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=socket_timeout or SOCKET_TIMEOUT_SECONDS + BLOCKING_MARGIN_SECONDS,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=partial(_claim_database, model_name) if model_name else None,
    )


def _claim_database(model_name: str, connection: Any) -> None:
    """Makes the database this model's if it is nobody's; the first connection to an empty one does."""
    connection.on_connect()
    raw = _ask(connection, "GET", keys.OWNER)
    if raw is None:
        try:
            raw = _ask(connection, "SET", keys.OWNER, model_name, "NX", "GET")
        except ResponseError as error:  # the next connection tries again
            if not says_cannot_write(error):
                raise
    owner = model_name if raw is None else raw.decode()
    if owner != model_name:
        other = connection.db + 1
        raise DatabaseTaken(
            f"database {connection.db} of the Redis at {connection.host}:{connection.port} serves the model '{owner}', "
            f"not '{model_name}'; set RHIZOME_MODEL_NAME={owner} if that one is meant, or give '{model_name}' a "
            f"database of its own with RHIZOME_REDIS_URL=redis://…/{other} (docker compose: "
            f"RHIZOME_REDIS_DATABASE={other}); if nothing of '{owner}' is needed there any more, FLUSHDB frees it"
        )


def _ask(connection: Any, *command: str) -> bytes | None:
    connection.send_command(*command)
    return cast(bytes | None, connection.read_response(disable_decoding=True))


def await_redis(url: str, seconds: float) -> bool:
    """Whether Redis answers within so many seconds."""
    redis, deadline = connect(url), time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            with suppress(RedisError):
                if redis.ping():
                    return True
            time.sleep(PAUSE_SECONDS)
        return False
    finally:
        redis.close()


def says_cannot_write(error: ResponseError) -> bool:
    """Whether Redis refuses because it is full or may not write now.

    The client gives some of these refusals a class of their own, and leaves their first word out of the text.
    """
    return isinstance(error, (OutOfMemoryError, ReadOnlyError)) or str(error).startswith(_CANNOT_WRITE)
