"""What both clients need of httpx: requests, answers and failures, translated from and into steps."""

import os
from typing import Any

import httpx

from rhizome import __version__
from rhizome.client.errors import InvalidInput, Problem
from rhizome.client.steps import Lost, Reply, Request

URL_VARIABLE = "RHIZOME_URL"
DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 60.0  #: for one block; a slow line is no broken one
HEADERS = {"User-Agent": f"rhizome-client/{__version__}", "Accept": "application/json"}
#: Failures before anything was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def find_url(base_url: str | None) -> str:
    """The service's address: what is given, else the environment's `RHIZOME_URL`, else this machine's port 8000.

    Raises:
        InvalidInput: it is no http or https address.
    """
    url = base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    try:
        parsed = httpx.URL(url)
        is_usable = parsed.scheme in ("http", "https") and bool(parsed.host)
    except httpx.InvalidURL:
        is_usable = False
    if not is_usable:
        problem = Problem("base_url", f"is '{url}'", f"send an address such as {DEFAULT_URL}")
        raise InvalidInput("the service's address cannot be used", code="bad_url", problems=[problem])
    return url


def build_request(http: httpx.Client | httpx.AsyncClient, request: Request, content: Any) -> httpx.Request:
    """A request as httpx sends it.

    Args:
        http: knows the service's address.
        request: what is to be asked.
        content: its body's blocks, for the kind of client that `http` is.

    Raises:
        InvalidInput: HTTP cannot carry it.
    """
    try:
        return http.build_request(**_arguments_of(request), content=content)
    except UnicodeEncodeError as error:
        raise _unsendable(f"holds {error.object[error.start : error.end]!r}, which no address or header can") from None
    except httpx.InvalidURL as error:
        raise _unsendable(f"has an address that cannot be: {error}") from None


def _arguments_of(request: Request) -> dict[str, Any]:
    connect, silence, write = (
        min(seconds, request.limit_seconds) for seconds in (CONNECT_SECONDS, request.patience_seconds, WRITE_SECONDS)
    )
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.params),
        "headers": dict(request.headers),
        "timeout": httpx.Timeout(connect=connect, read=silence, write=write, pool=connect),
    }


def is_open(response: httpx.Response) -> bool:
    """Whether the content of this answer is what was asked for, to be read in blocks."""
    return response.status_code in (200, 206)


def reply_of(response: httpx.Response, content: bytes) -> Reply:
    """An answer as calls see it."""
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, content)


def lost(error: httpx.TransportError) -> Lost:
    """A failure as calls see it.

    Raises:
        InvalidInput: it is the request's own, and would be the same at each repetition.
    """
    if isinstance(error, httpx.LocalProtocolError):
        raise _unsendable(f"breaks the rules of HTTP: {error}") from None
    reason = str(error) or type(error).__name__
    return Lost(reason, may_have_arrived=not isinstance(error, _NOT_SENT))


def _unsendable(problem: str) -> InvalidInput:
    remedy = "look at what was given for keys, options and headers"
    return InvalidInput("the request cannot be sent as it is", problems=[Problem("", problem, remedy)])
