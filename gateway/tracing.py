"""One id per request: taken from `X-Request-ID` or made here, sent back, and carried by the job into every log."""

import os
import re

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


def trace_requests(app: Flask) -> None:
    """Gives every request its id."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _ACCEPTED.match(given) else os.urandom(8).hex()

    @app.after_request
    def echo(response: Response) -> Response:
        response.headers[HEADER] = g.get("request_id", "")
        return response
