"""The gateway as its server calls it: the dispatcher, without HTTP."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from gateway.dispatching import Dispatcher, Scope
from gateway.server import wrap_dispatched

PATIENCE_SECONDS = 10.0


@dataclass
class Answer:
    """What a request was answered; nothing until `arrived` is set."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """As the server's responder."""
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}
        self.times += 1
        self.arrived.set()

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Any) -> None:
        """As the server's responder, for bodies in pieces."""
        self.response_bytes(status, headers, b"".join(iter(body.__next__, None)))

    def wait(self) -> "Answer":
        assert self.arrived.wait(PATIENCE_SECONDS), "no answer"
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Dispatched:
    """Sends requests to a dispatcher."""

    def __init__(self, app: Flask) -> None:
        dispatcher = wrap_dispatched(app, {})
        assert isinstance(dispatcher, Dispatcher)
        self.dispatcher = dispatcher

    def begin(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: Any = None,
    ) -> Answer:
        """Sends a request and returns at once, as far as the dispatcher does."""
        answer = Answer()
        self.dispatcher(answer, build_scope(method, path, body, headers, stream))
        return answer

    def send(self, *args: Any, **kwargs: Any) -> Answer:
        """Sends a request and waits for its answer."""
        return self.begin(*args, **kwargs).wait()


def build_scope(
    method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None, stream: Any = None
) -> Scope:
    """A request's WSGI variables as the server gives them."""
    path, _, query = path.partition("?")
    scope: Scope = {
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.url_scheme": "http",
        "wsgi.input": stream or io.BytesIO(body or b""),
        "HTTP_HOST": "127.0.0.1:8000",
    }
    if body is not None:
        scope["CONTENT_LENGTH"] = str(len(body))
        scope["CONTENT_TYPE"] = "application/json"
    for name, value in (headers or {}).items():
        plain = name.upper().replace("-", "_")
        scope[plain if plain in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{plain}"] = value
    return scope


@contextmanager
def dispatched(app: Flask) -> Iterator[Dispatched]:
    """A dispatcher whose threads end with the test."""
    sender = Dispatched(app)
    yield sender
    sender.dispatcher.close()
