"""From a validated body to an accepted job, and to its result where the caller waits.

Apart from the routes, because every form of submit (samples, batches, inference protocols) goes this way.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from flask import Response, g, request

from gateway.answer_choice import check_choice
from gateway.champion import Known
from gateway.documents import receipt_document, result_url
from gateway.notices import Waiter
from gateway.options import JobOptions, read_options
from gateway.requests import read_idempotency
from gateway.service import Service
from gateway.validation import Rows, find_pin
from gateway.webhook_targets import webhook_record
from rhizome.errors import InvalidRequest, RhizomeError, TooManyWaiters, VersionNotFound, WebhooksFull
from rhizome.job_queue.terms import NOTHING, Terms
from rhizome.job_queue.views import JobView, Receipt
from rhizome.jobs import DEFAULT_PRIORITY, Lane, ScoreRequest

JSON = "application/json"
_PLAIN = JobOptions()

log = logging.getLogger(__name__)


class Parsed(NamedTuple):
    """Validated rows, the version whose signature they fit, and whether and what else the caller asked for."""

    known: Known
    is_pinned: bool
    rows: Rows
    options: JobOptions = JobOptions()


class Submitted(NamedTuple):
    """An accepted job.

    Attributes:
        receipt: what the queue said.
        lane, kind, priority, rows: where it waits, `single` or `batch`, how urgent it is, how many rows it holds.
        wait_seconds: how long it was waited for; 0 where no place was free.
        outcome: the final document of a single job that was waited for, if its notice brought it.
        job: the job that was waited for, once final; of a replay, as it stands. None otherwise.
        has_webhook: whether one was asked for.
    """

    receipt: Receipt
    lane: Lane
    kind: str
    priority: int
    rows: int
    wait_seconds: float
    outcome: bytes | None = None
    job: JobView | None = None
    has_webhook: bool = False


def parse_rows(here: Service, body: bytes, parse: Callable[[Known], Rows], *, is_csv: bool = False) -> Parsed:
    """Validates against the champion, or against the version that the request pins.

    Raises:
        InvalidRequest: whatever `parse` raises, or the pinned version is not known.
        TooManyWaiters: too much JSON is being decoded.
        NoChampion: nothing has been promoted yet.
    """
    with here.json_memory.decoding(body, is_csv=is_csv):
        known, is_pinned, rows = _parse_against(here, body, parse)
    return Parsed(known, is_pinned, rows, read_options(rows.options))


def _parse_against(here: Service, body: bytes, parse: Callable[[Known], Rows]) -> tuple[Known, bool, Rows]:
    """The version that the rows were validated against, whether the caller asked for it, and the rows."""
    known = here.champion.champion()
    if (pin := request.args.get("version")) is not None:
        known = find_pinned(here, pin)
        return known, True, parse(known)
    try:
        rows = parse(known)
    except InvalidRequest:
        # A body that pins a version of another signature fails the champion's: only then is it worth a second look.
        pin = find_pin(body)
        if pin is None or "version" in known.manifest.signature.names:
            raise
        known = find_pinned(here, pin)
        return known, True, parse(known)
    if rows.version is None:
        return known, False, rows
    pinned = find_pinned(here, rows.version)
    if pinned.manifest.signature.digest != known.manifest.signature.digest:
        rows = parse(pinned)
    return pinned, True, rows


def find_pinned(here: Service, version: str) -> Known:
    """The version that a request names.

    Raises:
        InvalidRequest: there is none of that name.
    """
    try:
        return here.champion.version(version)
    except VersionNotFound as error:
        raise InvalidRequest(
            str(error),
            code=VersionNotFound.code,
            problems=({"field": "version", "problem": "is not a known version", "remedy": "GET /models lists them"},),
        ) from None


def submit_rows(
    here: Service,
    lane: Lane,
    kind: str,
    body: bytes,
    parsed: Parsed,
    wait_seconds: float,
    *,
    job_id: str = "",
    record: Mapping[str, str] = NOTHING,
    must_wait: bool = False,
) -> Submitted:
    """Submits the rows as one job and waits up to `wait_seconds` for it to be final.

    Args:
        here: this process's collaborators.
        lane, kind: where it waits; `single` or `batch`.
        body: what an Idempotency-Key stands for.
        parsed: the rows.
        wait_seconds: how long the caller would wait.
        job_id: minted before, where something was stored under it already.
        record: further fields of the job's record.
        must_wait: refuse where no place to wait is free.

    Raises:
        TooManyWaiters: with `must_wait`, no place to wait is free; nothing was submitted.
        IdempotencyConflict, LaneFull, StorageFull, QueueUnavailable: as `Submissions.submit`.
        InvalidRequest: the Idempotency-Key or the webhook's URL is unusable, or the version cannot give the part of an
            answer that is wanted.
        WebhooksSwitchedOff, WebhooksFull: there can be no webhook, or none now.
    """
    check_choice(parsed.known.manifest.signature, parsed.options.returns, parsed.options.top_k)
    job_id, until = job_id or here.submissions.mint_id(), time.monotonic() + wait_seconds
    refusal = None
    try:
        record = {**webhook_record(here, parsed.options), **record}
    except WebhooksFull as error:
        refusal = error
    terms = terms_of(parsed.options, record)._replace(refusal=refusal)
    waiter = here.notices.register(job_id) if wait_seconds else None
    if waiter is None and must_wait:
        raise TooManyWaiters("too many requests wait already; try again shortly")
    with waiter or nullcontext():
        requests = build_requests(job_id, kind, parsed, is_waited=waiter is not None, request_id=g.request_id)
        receipt = here.submissions.submit(lane, requests, read_idempotency(body), terms)
        event = "job_replayed" if receipt.is_replay else "job_accepted"
        log.info(event, extra={"job_id": receipt.job_id, "request_id": g.request_id, "kind": kind})
        outcome, job = None, None
        if waiter and not receipt.is_replay:
            outcome, job = _await(here, waiter, until)
    if receipt.is_replay:
        job = read_job(here, receipt.job_id, until if wait_seconds else None)
    elif waiter is None:
        wait_seconds = 0.0  # no place was free: the preference is not applied
    priority = parsed.options.priority if lane is Lane.INTERACTIVE else DEFAULT_PRIORITY
    rows, has_webhook = sum(parsed.rows.row_counts), bool(parsed.options.webhook)
    return Submitted(receipt, lane, kind, priority, rows, wait_seconds, outcome, job, has_webhook)


def terms_of(options: JobOptions, record: Mapping[str, str]) -> Terms:
    """What the queue must know of a job's options; `record` is what else the job's record holds."""
    if options == _PLAIN and not record:
        return Terms()
    return Terms(options.priority, options.deadline_ms, options.error_threshold, record)


def find_standing(here: Service, body: bytes) -> str | None:
    """The id of the job that this very request has become before, under its Idempotency-Key; None if there is none."""
    idempotency = read_idempotency(body)
    return here.submissions.find_replay(idempotency) if idempotency else None


def read_job(here: Service, job_id: str, until: float | None) -> JobView:
    """A job as it stands; with `until` (monotonic seconds), as it stands when it is final or the time has come."""
    waiter = here.notices.register(job_id) if until else None
    with waiter or nullcontext():
        job = here.submissions.read(job_id)
        while waiter and until and not job.is_final and waiter.has_time(until):
            waiter.sleep(until)
            job = here.submissions.read(job_id)
    return job


def accept(submitted: Submitted) -> Response:
    """The 202: a receipt, and where the result will be."""
    body = receipt_document(
        submitted.receipt,
        kind=submitted.kind,
        lane=submitted.lane,
        priority=submitted.priority,
        rows=submitted.rows,
        request_id=g.request_id,
    )
    response = Response(body, 202, content_type=JSON)
    response.headers["Location"] = result_url(submitted.receipt.job_id)
    return response


def build_requests(
    job_id: str, kind: str, parsed: Parsed, *, is_waited: bool, request_id: str
) -> Sequence[ScoreRequest]:
    """The stream entries of one job."""
    known, rows = parsed.known, parsed.rows
    return [
        ScoreRequest(
            job_id=job_id,
            kind=kind,
            rows=count,
            encoding=rows.encoding,
            payload=payload,
            signature=known.manifest.signature.digest,
            version=known.manifest.version,
            pinned=parsed.is_pinned,
            waited=is_waited,
            request_id=request_id,
            chunk=chunk,
            returns=parsed.options.returns,
            top_k=parsed.options.top_k,
        )
        for chunk, (payload, count) in enumerate(zip(rows.payloads, rows.row_counts, strict=True))
    ]


def _await(here: Service, waiter: Waiter, until: float) -> tuple[bytes | None, JobView | None]:
    """The finished job's document, or the finished job; neither if it did not finish in time."""
    while waiter.has_time(until):
        if outcome := waiter.sleep(until):
            return outcome, None
        try:
            job = here.submissions.read(waiter.job_id)
        except RhizomeError:
            break  # Redis went away: the job was accepted all the same
        if job.is_final:
            return None, job
    return None, None
