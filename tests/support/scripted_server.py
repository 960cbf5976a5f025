"""A real HTTP server that answers what a test tells it to: late, broken off, or not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[[BaseHTTPRequestHandler, Seen], None]


class ScriptedServer:
    """Takes one behaviour per request, in order; the last one stays."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._behaviours: list[Behaviour] = []
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with suppress(ConnectionError):
                    super().handle_one_request()

            def _serve(self) -> None:
                owner._answer(self)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def answers(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        split = urlsplit(handler.path)
        params = {name: values[0] for name, values in parse_qs(split.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        seen = Seen(handler.command, split.path, params, headers, _read_body(handler))
        with self._lock:
            self.seen.append(seen)
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        behaviour(handler, seen)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    try:
        yield server
    finally:
        server.close()


def says(document: Any, status: int = 200, **headers: str) -> Behaviour:
    """Answers with a JSON document."""
    return sends(json.dumps(document).encode(), status, **{"Content-Type": "application/json", **headers})


def sends(content: bytes, status: int = 200, **headers: str) -> Behaviour:
    """Answers with these bytes; `_` in a header's name stands for `-`."""

    def behave(handler: BaseHTTPRequestHandler, _: Seen) -> None:
        _begin(handler, status, {"Content-Length": str(len(content)), **headers})
        handler.wfile.write(content)

    return behave


def breaks_off(content: bytes, length: int, status: int = 200, **headers: str) -> Behaviour:
    """Promises `length` bytes, sends fewer, and hangs up."""

    def behave(handler: BaseHTTPRequestHandler, _: Seen) -> None:
        _begin(handler, status, {"Content-Length": str(length), **headers})
        handler.wfile.write(content)
        handler.close_connection = True

    return behave


def streams(content: bytes, status: int = 200, **headers: str) -> Behaviour:
    """Sends an answer without a length, which ends with the connection."""

    def behave(handler: BaseHTTPRequestHandler, _: Seen) -> None:
        _begin(handler, status, {"Connection": "close", **headers})
        handler.wfile.write(content)
        handler.close_connection = True

    return behave


def hangs_up(handler: BaseHTTPRequestHandler, _: Seen) -> None:
    """Says nothing and closes the connection."""
    handler.close_connection = True


def takes(seconds: float, then: Behaviour) -> Behaviour:
    """Is slow."""

    def behave(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        time.sleep(seconds)
        then(handler, seen)

    return behave


def problem(status: int, code: str, **facts: Any) -> Behaviour:
    """Answers with a problem document; `retry_after` becomes the header."""
    headers = {"Retry-After": str(facts.pop("retry_after"))} if "retry_after" in facts else {}
    return says({"status": status, "code": code, "detail": f"about {code}", **facts}, status, **headers)


def _begin(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def _read_body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    content = b""
    while size := int(handler.rfile.readline(), 16):
        content += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return content
