"""One attempt: a signed POST to the receiver, and what came of it."""

import logging
import secrets
import ssl
import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import httpcore

from rhizome import __version__
from rhizome.errors import InvalidRequest, RhizomeError
from rhizome.webhooks.addresses import Allowances
from rhizome.webhooks.signing import sign
from rhizome.webhooks.targets import parse_target
from worker.webhooks.connections import CheckedBackend, Deadline, Resolve, resolve_host

MOST_READ_BYTES = 1024  #: of the receiver's answer, for our log alone
FORBIDDEN_TARGET = "forbidden_target"

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What an attempt came to.

    Attributes:
        status: the receiver's HTTP status; None where there was none.
        error: why there was none, in one stable word.
        retry_after: the receiver's header.
        said: the beginning of the body.
    """

    status: int | None = None
    error: str = ""
    retry_after: str = ""
    said: str = ""


class Sender:
    """Posts messages; safe to use from many threads. Each attempt has a connection of its own.

    Args:
        keys: that sign.
        allowances: receivers that are accepted although they are not public.
        timeout_seconds: of a whole attempt, from the look-up of the name to the end of the answer.
        resolve: names to addresses.
    """

    def __init__(
        self, keys: Sequence[bytes], allowances: Allowances, timeout_seconds: float, resolve: Resolve = resolve_host
    ) -> None:
        self._keys = keys
        self._allowances = allowances
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve

    def send(self, url: str, message_id: str, trace_id: str, body: bytes) -> Answer:
        """Posts `body` once; whatever goes wrong is part of the answer."""
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Rhizome/{__version__}",
            "Connection": "close",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._keys, message_id, timestamp, body),
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
        }
        try:
            return self._post(url, headers, body)
        except InvalidRequest:  # accepted once, and the settings have changed since
            return Answer(error=FORBIDDEN_TARGET)
        except RhizomeError as error:
            return Answer(error=error.code)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(error=_name_of(error))

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        target = parse_target(url, self._allowances)
        deadline = Deadline(self._timeout_seconds)
        backend = CheckedBackend(self._allowances, deadline, self._resolve)
        where = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        with (
            httpcore.ConnectionPool(ssl_context=_trust(), max_connections=1, network_backend=backend) as pool,
            pool.stream(
                "POST", where, headers=[("Host", target.authority), *headers.items()], content=body
            ) as response,
        ):
            given = {name.lower(): value for name, value in response.headers}
            retry_after = given.get(b"retry-after", b"").decode("latin-1")
            return Answer(response.status, "", retry_after, _beginning(response))


@cache
def _trust() -> ssl.SSLContext:
    """The system's and certifi's authorities; `SSL_CERT_FILE` adds an operator's own."""
    return httpcore.default_ssl_context()


def _beginning(response: httpcore.Response) -> str:
    """The first kilobyte of the body; the status has come, so what breaks from here on is no failure."""
    said = b""
    try:
        for piece in response.iter_stream():
            said += piece
            if len(said) >= MOST_READ_BYTES:
                break
    except (RhizomeError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return said[:MOST_READ_BYTES].decode(errors="replace")


def _name_of(error: Exception) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_failed"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectError):
        return "connect_failed"
    return "connection_lost" if isinstance(error, httpcore.NetworkError) else "bad_response"
