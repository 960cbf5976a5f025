"""Which thread serves which request: the short way in the server's own threads, the routes in threads of ours.

The server (Granian) calls with a responder that may be used later and from any thread. So its few threads only decide,
read bodies and serve what never blocks (`gateway.express`); the Flask application, whose routes may sleep, runs in a
pool. Few threads, because each that wakes for one request contends for the interpreter with all others: 8 cost a tenth
less than 16, and half of what 96 do.
"""

import io
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from gateway.bodies import PumpedBody
from gateway.express import predicting, reading
from gateway.express.exchange import Exchange, Headers, Responder
from gateway.health_routes import ALIVE, LIVEZ
from gateway.parking import Parking
from gateway.round_trips import RoundTrips
from gateway.service import Service
from rhizome.errors import TooManyWaiters

SERVER_THREADS = 10  #: the server's: readers, pumps, and two that are always free to decide
READERS = 4  #: bodies that are read whole at once
PUMPS = 4  #: bodies that are passed on at once
PATIENCE_SECONDS = 0.05  #: between two looks for such a place
TRICKLE_SECONDS = 0.5  #: a body that takes longer is held up by its sender, or large
WHOLE_BODY_BYTES = 1024 * 1024

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Serve = Callable[[Responder, Scope], Any]


class Dispatcher:
    """What the server calls for each request.

    Args:
        here: this process's collaborators.
        serve: runs the Flask application and sends its response, in the calling thread.
    """

    def __init__(self, here: Service, serve: Serve) -> None:
        self._serve = serve
        self._pool = ThreadPoolExecutor(here.settings.gateway_threads, thread_name_prefix="routes")
        self._max_plain_bytes = min(predicting.MAX_BODY_BYTES, here.settings.max_body_bytes)
        self._readers = _Places(READERS)
        self._pumps = _Places(PUMPS)
        round_trips = RoundTrips(here.submissions)
        parking = Parking(here.notices, round_trips.read_together)
        self._predict = predicting.PredictRoute(here, round_trips, parking)
        self._result = reading.ResultRoute(here, round_trips, parking)

    def close(self) -> None:
        """Lets the threads end that serve routes; nothing is taken any more."""
        self._pool.shutdown(wait=False)

    def __call__(self, responder: Responder, scope: Scope) -> None:
        """Serves a request, now or later."""
        method, path = scope["REQUEST_METHOD"], scope["PATH_INFO"]
        if method == "GET":
            if path == LIVEZ:  # here, since all of the routes' threads may wait for a Redis that hangs
                Exchange(responder, scope, lambda: None).answer(200, ALIVE)
            elif path.startswith(reading.PREFIX) and reading.is_plain(scope):
                exchange = Exchange(responder, scope, partial(self._route, responder, scope))
                self._guard(exchange, self._result.take, exchange)
            else:
                self._route(responder, scope)
        elif _has_no_body(scope):
            self._route(responder, scope)
        elif _is_small(scope):
            self._read(responder, scope)
        else:
            self._pump(responder, scope)

    def _read(self, responder: Responder, scope: Scope) -> None:
        if not self._readers.take():
            _refuse(responder, scope)
            return
        try:
            body = scope["wsgi.input"].read()
        finally:
            self._readers.give_back()
        scope["wsgi.input"] = io.BytesIO(body)
        is_predict = scope["PATH_INFO"] == predicting.PATH and scope["REQUEST_METHOD"] == "POST"
        if is_predict and predicting.is_plain(scope, self._max_plain_bytes):
            exchange = Exchange(responder, scope, partial(self._route, responder, scope))
            self._guard(exchange, self._predict.take, exchange, body)
        else:
            self._route(responder, scope)

    def _pump(self, responder: Responder, scope: Scope) -> None:
        if not self._pumps.take():
            _refuse(responder, scope)
            return
        try:
            body, pumped = scope["wsgi.input"], PumpedBody()
            scope["wsgi.input"] = io.BufferedReader(pumped)
            length = scope.get("CONTENT_LENGTH", "")
            closing = _Closing(responder, scope, lambda: not pumped.is_read(length))
            self._pool.submit(self._run, closing, scope, pumped.abandon)
            pumped.pump(body)
        finally:
            self._pumps.give_back()

    def _route(self, responder: Responder, scope: Scope) -> None:
        self._pool.submit(self._run, responder, scope)

    def _run(self, responder: Responder, scope: Scope, done: Callable[[], None] = lambda: None) -> None:
        try:
            self._serve(responder, scope)
        except Exception:
            log.exception("request_failed")
            responder.response_bytes(500, [], b"")
        finally:
            done()

    def _guard(self, exchange: Exchange, take: Callable[..., None], *args: Any) -> None:
        try:
            take(*args)
        except Exception as error:
            exchange.resolve(error)


class _Places:
    """A bound on how many threads do the same at once; a tenth of what a semaphore costs."""

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        self._taken: dict[int, float] = {}  #: since when, by thread
        for _ in range(count):
            self._free.put(None)

    def take(self) -> bool:
        """Takes a place; False where none gets free and all have been taken for long: it is no rush that passes."""
        while True:
            try:
                self._free.get(timeout=PATIENCE_SECONDS)
            except Empty:
                latest = max(self._taken.copy().values(), default=0.0)
                if time.monotonic() - latest > TRICKLE_SECONDS:
                    return False
            else:
                self._taken[threading.get_ident()] = time.monotonic()
                return True

    def give_back(self) -> None:
        """Frees this thread's place."""
        del self._taken[threading.get_ident()]
        self._free.put(None)


class _Closing:
    """A responder that says where the connection ends with its answer: the server ends it where a body was not read to
    its end, and a client that is not told sends its next request into nothing (RFC 9112, section 9.6).

    Args:
        responder: takes the answer.
        scope: the request's WSGI variables.
        is_left: whether something of the body is.
    """

    def __init__(self, responder: Any, scope: Scope, is_left: Callable[[], bool]) -> None:
        self._responder = responder
        self._is_left = is_left if scope["SERVER_PROTOCOL"].startswith("HTTP/1") else lambda: False

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends the whole response."""
        self._responder.response_bytes(status, self._say(headers), body)

    def response_iter(self, status: int, headers: Headers, blocks: Any) -> None:
        """Sends the response block by block."""
        self._responder.response_iter(status, self._say(headers), blocks)

    def _say(self, headers: Headers) -> Headers:
        return [*headers, ("connection", "close")] if self._is_left() else headers


def _has_no_body(scope: Scope) -> bool:
    if "CONTENT_LENGTH" in scope:
        return bool(scope["CONTENT_LENGTH"] == "0")
    # In HTTP/2 a body needs neither a length nor an encoding.
    return scope["SERVER_PROTOCOL"].startswith("HTTP/1") and "HTTP_TRANSFER_ENCODING" not in scope


def _is_small(scope: Scope) -> bool:
    length = scope.get("CONTENT_LENGTH", "")
    return length.isdecimal() and int(length) <= WHOLE_BODY_BYTES


def _refuse(responder: Responder, scope: Scope) -> None:
    """Too many bodies are on their way; this one is not read."""
    Exchange(_Closing(responder, scope, lambda: True), scope, lambda: None).refuse(
        TooManyWaiters("too many bodies are being sent at once; try again shortly")
    )
