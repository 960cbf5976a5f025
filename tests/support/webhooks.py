"""What tests of webhooks are made of: jobs that have one, a look into the outbox, and a real receiver."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from redis import Redis
from standardwebhooks import Webhook

from rhizome import keys
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane
from rhizome.webhooks.events import Event, record_fields
from rhizome.webhooks.outbox import Delivery, Outbox
from rhizome.webhooks.scripts import STANDINGS
from tests.support.queue import Queue, build_chunks, build_request

URL = "https://receiver.example/hooks"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALL_EVENTS = tuple(Event)


def terms_with_webhook(url: str = URL, events: tuple[str, ...] = ("completed",), **changes: Any) -> Terms:
    return Terms(record=record_fields(url, events, ""), **changes)


def submit_single(queue: Queue, url: str = URL, **changes: Any) -> str:
    """Submits a single job that has a webhook; its id."""
    job_id = queue.submissions.mint_id()
    terms = terms_with_webhook(url, **changes)
    queue.submissions.submit(Lane.INTERACTIVE, [build_request(job_id)], terms=terms)
    return job_id


def submit_batch(queue: Queue, *sizes: int, url: str = URL, **changes: Any) -> str:
    """Submits a batch job of chunks of so many rows that has a webhook; its id."""
    job_id = queue.submissions.mint_id()
    terms = terms_with_webhook(url, **changes)
    queue.submissions.submit(Lane.BATCH, build_chunks(job_id, sizes), terms=terms)
    return job_id


def build_outbox(redis: Redis, **changes: Any) -> Outbox:
    return Outbox(redis, **({"lease_seconds": 60.0, "keep_seconds": 600} | changes))


def take_all(outbox: Outbox) -> list[Delivery]:
    """Everything that may be sent now."""
    taken = []
    while delivery := outbox.claim():
        taken.append(delivery)
    return taken


def let_all_be_due(redis: Redis) -> None:
    """Moves every waiting delivery's next attempt into the past."""
    for due in map(keys.webhooks_due, STANDINGS):
        for receiver in redis.zrange(due, 0, -1):
            waiting = keys.webhooks_waiting(receiver.decode())
            redis.zadd(waiting, dict.fromkeys(redis.zrange(waiting, 0, -1), 1))
            redis.delete(keys.webhooks_busy(receiver.decode()))
            redis.zadd(due, {receiver: 1})


class Message(NamedTuple):
    """What came to a receiver, its signature checked."""

    headers: dict[str, str]
    path: str
    body: dict[str, Any]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.body["type"])


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A sender that hangs up is what many tests are about; an answer that is missing fails the others."""


class Receiver:
    """A real HTTP server that answers as a test wants: by default it takes everything."""

    def __init__(self, secret: str = SECRET, certificate: Path | None = None, host: str = "127.0.0.1") -> None:
        self.messages: list[Message] = []
        self.statuses: list[int] = []  #: to be sent first, in order; then 204
        self.headers: dict[str, str] = {}
        self.hold = threading.Event()  #: answers wait until it is set
        self.hold.set()
        self.respond: Callable[[BaseHTTPRequestHandler], None] | None = None
        self._host = host
        self._webhook = Webhook(secret)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def do_GET(self) -> None:
                receiver.messages.append(Message({}, self.path, {"type": "followed"}))
                self.send_error(405)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _QuietServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self._host}:{self._server.server_port}/hooks"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self._webhook.verify(raw, headers)
        self.messages.append(Message(headers, handler.path, msgspec.json.decode(raw)))
        status = self.statuses.pop(0) if self.statuses else 204
        self.hold.wait(30)
        if self.respond:
            self.respond(handler)
            return
        handler.send_response(status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def of(self, job_id: str) -> list[Message]:
        return [message for message in list(self.messages) if message.body["data"]["id"] == job_id]

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.hold.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answers a byte at a time and never comes to an end."""
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        time.sleep(0.05)
        handler.connection.sendall(b"x")
