"""Redis clients, built one way: bounded waits, no hidden retries of writes, bytes in and out.

redis-py retries a failed command ten times by default, which would replay a non-idempotent write; here a command is
sent once, and the caller that knows it is safe to repeat says so.
"""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.retry import Retry

CONNECT_TIMEOUT_SECONDS = 2.0
SOCKET_TIMEOUT_SECONDS = 5.0  #: longer than any blocking read
BLOCKING_MARGIN_SECONDS = 3.0
#: Of one client. What bounds its connections is the threads: each holds one and borrows another for a moment. This only
#: has to be more than they can need (RHIZOME_GATEWAY_THREADS is 512 at most); redis-py's own bound, 100, is less.
MAX_CONNECTIONS = 2048
_CANNOT_WRITE = ("OOM", "MISCONF", "READONLY", "NOREPLICAS")  #: how Redis begins to say that it cannot write


def connect(url: str, *, socket_timeout: float | None = None) -> Redis:
    """Builds a client for `url` (`redis://` or `rediss://`); no connection is made yet.

    Args:
        url: where Redis is.
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
    )


def says_cannot_write(error: ResponseError) -> bool:
    """Whether Redis refuses because it is full or may not write now.

    The client gives some of these refusals a class of their own, and leaves their first word out of the text.
    """
    return isinstance(error, (OutOfMemoryError, ReadOnlyError)) or str(error).startswith(_CANNOT_WRITE)
