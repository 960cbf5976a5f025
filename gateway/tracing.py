"""One id per request: taken from `X-Request-ID` or made here, sent back, and carried by the job into every log."""

import re
from random import getrandbits

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
#: Version, trace id, parent id and flags (W3C Trace Context, section 3.2); an id of zeros is none.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_requests(app: Flask) -> None:
    """Gives every request its id."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = name_request(given)

    @app.after_request
    def echo(response: Response) -> Response:
        response.headers[HEADER] = g.get("request_id", "")
        return response


def name_request(given: str) -> str:
    """The id that a request came with, if it can be one; else a new one."""
    return given if given and _ACCEPTED.match(given) else f"{getrandbits(64):016x}"


def read_trace_id() -> str:
    """The trace that the present request belongs to (`traceparent`); empty if it names none that can be read."""
    match = _TRACEPARENT.fullmatch(request.headers.get("traceparent", "").strip())
    return match[1] if match else ""
