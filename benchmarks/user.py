"""One simulated user: a keep-alive connection and the steps from submitting a job to its checked answer.

The loop in `benchmarks.load` tells a user when its socket is readable or its pause is over; the user tells
the loop when to call again. Nothing here blocks, except the connect to the loopback address.
"""

import socket
from collections.abc import Callable
from enum import StrEnum

from benchmarks.dialects import Dialect
from benchmarks.wire import SAMPLES, Response, parse_response

FIRST_PAUSE_SECONDS = 0.002  #: between the first and the second look at a result; the first comes at once
PAUSE_GROWTH = 1.5
LONGEST_PAUSE_SECONDS = 0.020
CONNECT_TIMEOUT_SECONDS = 5.0
RECEIVE_BYTES = 65536


class Mode(StrEnum):
    """How a user gets its answer: by one waiting request, or by asking again and again."""

    WAIT = "wait"
    POLL = "poll"


class User:
    """A closed loop: the next job is submitted when the last one has ended.

    Attributes:
        socket: to be watched for reading; `on_open` tells of each new one.
        started_at: when the job in flight was submitted; None between jobs.
        due_at: when `act` is to be called; None unless the user pauses.
        requests: how many were sent.
    """

    def __init__(self, number: int, port: int, dialect: Dialect, mode: Mode, on_open: Callable[["User"], None]) -> None:
        self._dialect = dialect
        self._waits = mode is Mode.WAIT
        self._posts = [dialect.build_submit(sample, self._waits) for sample in SAMPLES]
        self._turn = number  # users start at different samples
        self._port = port
        self._on_open = on_open
        self._job_id = ""
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._buffer = b""
        self.requests = 0
        self.started_at: float | None = None
        self.due_at: float | None = None
        self.open()

    def open(self) -> None:
        """Opens a fresh connection."""
        self._buffer = b""
        self.socket = socket.create_connection(("127.0.0.1", self._port), CONNECT_TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._on_open(self)

    def act(self, now: float) -> None:
        """Goes on after a pause: submits the next job, or looks again at the one in flight.

        Raises:
            OSError: the connection is gone.
        """
        self.due_at = None
        if self.started_at is not None:
            self._look()
            return
        self._turn += 1
        self._job_id = ""
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.started_at = now
        self._send(self._posts[self._turn % len(SAMPLES)])

    def receive(self, now: float) -> str | None:
        """Takes what has arrived, and goes on with the job.

        Returns:
            How the job ended (`succeeded`, or a kind of error), or None if it goes on.

        Raises:
            OSError: the connection is gone.
            ValueError: what arrived is not a response, or not an answer.
        """
        chunk = self.socket.recv(RECEIVE_BYTES)
        if not chunk:
            raise ConnectionError("closed by the server")
        if self._buffer:
            chunk = self._buffer + chunk
        response = parse_response(chunk)
        if response is None:
            self._buffer = chunk
            return None
        self._buffer = chunk[response.size :]
        if response.closes:
            self.socket.close()
            self.open()
        return self._take(response, now)

    def _take(self, response: Response, now: float) -> str | None:
        outcome, job_id = self._dialect.read(response, SAMPLES[self._turn % len(SAMPLES)])
        if outcome is not None:
            return outcome
        if not self._job_id:  # the answer to the submit: the first look comes at once
            self._job_id = job_id
            self._look()
            return None
        self.due_at = now + self._pause_seconds
        self._pause_seconds = min(self._pause_seconds * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
        return None

    def _look(self) -> None:
        self._send(self._dialect.build_look(self._job_id, self._waits))

    def _send(self, request: bytes) -> None:
        self.requests += 1
        if self.socket.send(request) != len(request):
            raise ConnectionError("the send buffer is full")
