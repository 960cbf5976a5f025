"""`POST /predict` in its plain form: one sample as JSON, no webhook, no pinned version."""

import time
from collections.abc import Mapping
from typing import Any

from gateway.answer_choice import check_choice
from gateway.documents import receipt_document, result_url
from gateway.express.exchange import Exchange, is_json
from gateway.express.reading import SINGLE_FIELDS, single_document
from gateway.express.waiting import Wait, read_wait
from gateway.options import PRIORITY_HEADER, JobOptions, make_options
from gateway.parking import Ending, Parked, Parking
from gateway.requests import make_idempotency
from gateway.round_trips import Look, RoundTrips
from gateway.service import Service
from gateway.submitting import Parsed, build_requests, terms_of
from rhizome.errors import InvalidRequest, RhizomeError
from rhizome.job_queue.terms import NOTHING, Idempotency
from rhizome.job_queue.views import Receipt
from rhizome.jobs import Lane
from rhizome.telemetry import EventLog

PATH = "/predict"
MAX_BODY_BYTES = 64 * 1024  #: of a plain request
#: What else may stand in a request's head that the routes understand.
_NOT_PLAIN = {"HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", f"HTTP_{PRIORITY_HEADER.upper().replace('-', '_')}"}

log = EventLog(__name__)


def is_plain(scope: Mapping[str, Any], most: int = MAX_BODY_BYTES) -> bool:
    """Whether a `POST /predict` of at most `most` bytes can go the short way, as far as its head says."""
    length = scope.get("CONTENT_LENGTH", "")
    return (
        is_json(scope.get("CONTENT_TYPE", ""))
        and length.isdecimal()
        and int(length) <= most
        and _NOT_PLAIN.isdisjoint(scope)
    )


class PredictRoute:
    """Submits samples."""

    def __init__(self, here: Service, round_trips: RoundTrips, parking: Parking) -> None:
        self._here = here
        self._round_trips = round_trips
        self._parking = parking

    def take(self, exchange: Exchange, body: bytes) -> None:
        """Answers, now or later; whatever is not plain is handed over."""
        here = self._here
        wait = read_wait(exchange.scope, here.settings.max_wait_seconds)
        if wait is None:
            exchange.hand_over()
            return
        try:
            known = here.champion.champion()
            rows = known.validator.parse_single(body)
            options = make_options(rows.options)
            if options.webhook or options.version:
                exchange.hand_over()
                return
            if rows.options:
                check_choice(known.manifest.signature, options.returns, options.top_k)
            key = exchange.scope.get("HTTP_IDEMPOTENCY_KEY")
            idempotency = make_idempotency(key, PATH, [], body) if key is not None else None
        except InvalidRequest:
            exchange.hand_over()  # it may stand under its key, or fit another version: the routes tell
            return
        except RhizomeError as error:
            exchange.refuse(error)
            return
        parsed = Parsed(known, False, rows, options)
        Submission(here, self._round_trips, exchange, wait, options).begin(self._parking, parsed, idempotency)


class Submission:
    """One job between its submit and its answer."""

    __slots__ = (
        "_exchange",
        "_here",
        "_options",
        "_parked",
        "_prepared",
        "_receipt",
        "_round_trips",
        "_wait",
    )

    def __init__(
        self, here: Service, round_trips: RoundTrips, exchange: Exchange, wait: Wait, options: JobOptions
    ) -> None:
        self._here = here
        self._round_trips = round_trips
        self._exchange = exchange
        self._wait = wait
        self._options = options
        self._parked: Parked | None = None
        self._receipt: Receipt | None = None

    def begin(self, parking: Parking, parsed: Parsed, idempotency: Idempotency | None) -> None:
        """Takes a place to wait, and submits."""
        try:
            job_id = self._here.submissions.mint_id()
            if self._wait.seconds:
                until = time.monotonic() + self._wait.seconds
                self._parked = parking.park(job_id, until, self._finish, self._look)
            requests = build_requests(
                job_id, "single", parsed, is_waited=self._parked is not None, request_id=self._exchange.request_id
            )
            terms = terms_of(self._options, NOTHING)
            self._prepared = self._here.submissions.prepare(Lane.INTERACTIVE, requests, idempotency, terms)
        except Exception as error:
            self._end(error)
            return
        self._round_trips.submit(self._prepared, self._on_submitted)

    def _on_submitted(self, answer: Any, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            self._take_receipt(self._prepared.receipt_of(answer))
        except Exception as refusal:
            self._end(refusal)

    def _take_receipt(self, receipt: Receipt) -> None:
        event = "job_replayed" if receipt.is_replay else "job_accepted"
        log.info(event, job_id=receipt.job_id, request_id=self._exchange.request_id, kind="single")
        if receipt.is_replay:
            if self._parked is None or self._parked.leave():
                self._exchange.hand_over()
            return
        self._receipt = receipt
        if self._parked is None:
            self._accept(receipt, [])

    def _look(self, ending: Ending) -> Look | None:
        """No notice came: asks Redis, once it has said that it has the job."""
        if self._receipt is None or self._parked is None:
            return None
        if ending is Ending.LOOK:
            return Look(self._receipt.job_id, SINGLE_FIELDS, self._on_read)
        if self._parked.leave():
            try:
                self._accept(self._receipt, self._wait.acknowledge())
            except Exception as error:
                self._exchange.resolve(error)
        return None

    def _on_read(self, answer: Any, error: Exception | None) -> None:
        if error is not None or self._receipt is None or self._parked is None:
            return  # Redis is away: the job was accepted all the same
        try:
            job = self._here.submissions.view_of(self._receipt.job_id, answer, SINGLE_FIELDS)
            if job.is_final and self._parked.leave():
                self._finish(single_document(job))
        except RhizomeError:
            return  # its record is gone: it was accepted, and the receipt says so at the end
        except Exception as failure:
            self._end(failure)

    def _finish(self, outcome: bytes) -> None:
        self._exchange.answer(200, outcome, self._wait.acknowledge())

    def _accept(self, receipt: Receipt, headers: list[tuple[str, str]]) -> None:
        document = receipt_document(
            receipt,
            kind="single",
            lane=Lane.INTERACTIVE,
            priority=self._options.priority,
            rows=1,
            request_id=self._exchange.request_id,
        )
        self._exchange.answer(202, document, [("Location", result_url(receipt.job_id)), *headers])

    def _end(self, error: Exception) -> None:
        if self._parked is not None:
            self._parked.leave()
        self._exchange.resolve(error)
