"""`GET /result/<id>` in its plain form: a single job as JSON."""

import time
from collections.abc import Mapping
from typing import Any

from gateway.documents import pending_document
from gateway.express.exchange import Exchange
from gateway.express.waiting import Wait, read_wait
from gateway.parking import Ending, Parked, Parking
from gateway.round_trips import Look, RoundTrips
from gateway.service import Service
from rhizome.errors import RhizomeError
from rhizome.job_ids import ID_LENGTH
from rhizome.job_queue.views import JobView

PREFIX = "/result/"
#: Of a single job's record, what its document says; `state` first, as `read.lua` wants it.
SINGLE_FIELDS = (
    "state",
    "outcome",
    "kind",
    "lane",
    "entry",
    "request_id",
    "finished_at",
    "expires_at",
    "error",
    "webhook",
)
_ANY_TYPE = ("*/*", "application/json")


def is_plain(scope: Mapping[str, Any]) -> bool:
    """Whether a `GET` below `/result/` can go the short way, as far as its head says."""
    path: str = scope["PATH_INFO"]
    return len(path) == len(PREFIX) + ID_LENGTH and scope.get("HTTP_ACCEPT", "*/*") in _ANY_TYPE


def single_document(job: JobView) -> bytes:
    """A single job's document."""
    return pending_document(job) if job.outcome is None else job.outcome


class ResultRoute:
    """Reads results."""

    def __init__(self, here: Service, round_trips: RoundTrips, parking: Parking) -> None:
        self._here = here
        self._round_trips = round_trips
        self._parking = parking

    def take(self, exchange: Exchange) -> None:
        """Answers, now or later; whatever is not plain is handed over."""
        wait = read_wait(exchange.scope, self._here.settings.max_wait_seconds)
        if wait is None:
            exchange.hand_over()
            return
        job_id = exchange.scope["PATH_INFO"].removeprefix(PREFIX)
        try:
            self._here.submissions.check_id(job_id)
        except RhizomeError as error:
            exchange.refuse(error)
            return
        Reading(self._here, self._round_trips, exchange, wait, job_id).begin(self._parking)


class Reading:
    """One result between its request and its answer."""

    __slots__ = ("_exchange", "_here", "_is_last_look", "_job_id", "_parked", "_round_trips", "_wait")

    def __init__(self, here: Service, round_trips: RoundTrips, exchange: Exchange, wait: Wait, job_id: str) -> None:
        self._here = here
        self._round_trips = round_trips
        self._exchange = exchange
        self._wait = wait
        self._job_id = job_id
        self._parked: Parked | None = None
        self._is_last_look = not wait.seconds

    def begin(self, parking: Parking) -> None:
        """Takes a place to wait, and looks."""
        if self._wait.seconds:
            until = time.monotonic() + self._wait.seconds
            parked = parking.park(self._job_id, until, None, self._look)
            self._is_last_look = parked is None
            self._parked = parked  # last: from here on the parking's thread looks, too
        self._round_trips.read(self._job_id, SINGLE_FIELDS, self._on_read)

    def _look(self, ending: Ending) -> Look | None:
        if self._parked is None:
            return None  # not begun yet: it looks by itself at once
        if ending is Ending.TIME_OVER:
            self._is_last_look = True
        return Look(self._job_id, SINGLE_FIELDS, self._on_read)

    def _on_read(self, answer: Any, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            self._show(self._here.submissions.view_of(self._job_id, answer, SINGLE_FIELDS))
        except Exception as failure:
            if self._leave():
                self._exchange.resolve(failure)

    def _show(self, job: JobView) -> None:
        if job.facts["kind"] != b"single" or "webhook" in job.facts:
            if self._leave():
                self._exchange.hand_over()
        elif job.is_final or self._is_last_look:
            document = single_document(job)
            if self._leave():
                self._exchange.answer(200, document, self._wait.acknowledge())

    def _leave(self) -> bool:
        """True for the one who answers."""
        return self._parked is None or self._parked.leave()
