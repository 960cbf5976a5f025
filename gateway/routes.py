"""The job routes: submit one sample, submit many, read a result, cancel. Decode, delegate, encode."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from flask import Blueprint, Response, g, request

from gateway.champion import Known
from gateway.documents import batch_document, pending_document, receipt_document, result_url
from gateway.notices import Waiter
from gateway.requests import is_wait_preferred, read_count, read_idempotency, read_json_body, read_wait_seconds
from gateway.service import Service, service
from gateway.streams import event_id, stream_job
from gateway.validation import Rows, find_pin
from rhizome.errors import InvalidRequest, RhizomeError, TooManyWaiters, VersionNotFound
from rhizome.job_queue.submission import JobView, Receipt
from rhizome.jobs import Lane, ScoreRequest

JSON = "application/json"
MAX_SAMPLE_BYTES = 1024 * 1024  #: of one sample: ten thousand features with long names

blueprint = Blueprint("jobs", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/predict")
def predict() -> Response:
    """One sample: 202 with an id, or 200 with the result if the caller waits and it comes in time."""
    here = service()
    body = read_json_body(here.body_slots, most=min(MAX_SAMPLE_BYTES, here.settings.max_body_bytes))
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    known, pinned, rows = _parse(here, body, lambda known: known.validator.parse_single(body))
    return _submit(here, Lane.INTERACTIVE, body, known, pinned, rows, wait_seconds)


@blueprint.post("/predict/batch")
def predict_batch() -> Response:
    """Many samples under one id, answered in input order."""
    here = service()
    body = read_json_body(here.body_slots, most=here.settings.max_body_bytes)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    bounds = {"max_rows": here.settings.max_batch_rows, "chunk_rows": here.settings.chunk_rows}
    known, pinned, rows = _parse(here, body, lambda known: known.validator.parse_batch(body, **bounds))
    return _submit(here, Lane.BATCH, body, known, pinned, rows, wait_seconds)


@blueprint.get("/result/<job_id>")
def result(job_id: str) -> Response:
    """A job as it stands, or as it stands after waiting for it."""
    here = service()
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    job = _read(here, job_id, time.monotonic() + wait_seconds if wait_seconds else None)
    return _with_preference(_show(here, job), wait_seconds)


@blueprint.get("/result/<job_id>/stream")
def stream(job_id: str) -> Response:
    """The job's life as server-sent events; 204 to a client that has seen its end."""
    here = service()
    job, seen = here.submissions.read(job_id), request.headers.get("Last-Event-ID", "")
    if job.is_final and seen == event_id(job):
        return Response(status=204)
    waiter = here.notices.register(job_id)
    if waiter is None:
        raise TooManyWaiters("too many requests wait or stream already; try again shortly, or poll the result")
    # The documents are made outside the request's context, when the events are sent.
    show = partial(_document, here, offset=0, limit=here.settings.max_batch_rows)
    events = stream_job(waiter, lambda: here.submissions.read(job_id), show, seen)
    response = Response(events, 200, content_type="text/event-stream")
    response.call_on_close(waiter.close)  # also where nobody stayed for the first event
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/result/<job_id>")
def cancel(job_id: str) -> Response:
    """Cancels a job that is not final; once more changes nothing."""
    here = service()
    here.submissions.cancel(job_id)
    log.info("job_cancelled", extra={"job_id": job_id, "request_id": g.request_id})
    return _show(here, here.submissions.read(job_id))


def _read(here: Service, job_id: str, until: float | None) -> JobView:
    """A job as it stands; with `until` (monotonic seconds), as it stands when it is final or the time has come."""
    waiter = here.notices.register(job_id) if until else None
    with waiter or nullcontext():
        job = here.submissions.read(job_id)
        while waiter and until and not job.is_final and time.monotonic() < until:
            waiter.sleep(until)
            job = here.submissions.read(job_id)
    return job


def _parse(here: Service, body: bytes, parse: Callable[[Known], Rows]) -> tuple[Known, bool, Rows]:
    """Validates against the champion, or against the version that the request pins: which, whether, and the rows."""
    known = here.champion.champion()
    if pin := request.args.get("version"):
        known = _pinned(here, pin)
        return known, True, parse(known)
    try:
        rows = parse(known)
    except InvalidRequest:
        # A body that pins a version of another signature fails the champion's: only then is it worth a second look.
        pin = find_pin(body)
        if pin is None or "version" in known.manifest.signature.names:
            raise
        known = _pinned(here, pin)
        return known, True, parse(known)
    if rows.version is None:
        return known, False, rows
    pinned = _pinned(here, rows.version)
    if pinned.manifest.signature.digest != known.manifest.signature.digest:
        rows = parse(pinned)
    return pinned, True, rows


def _pinned(here: Service, version: str) -> Known:
    try:
        return here.champion.version(version)
    except VersionNotFound as error:
        raise InvalidRequest(
            str(error),
            code="invalid_fields",
            problems=({"field": "version", "problem": "is not a known version", "remedy": "GET /models lists them"},),
        ) from None


def _submit(
    here: Service, lane: Lane, body: bytes, known: Known, pinned: bool, rows: Rows, wait_seconds: float
) -> Response:
    kind = "single" if lane is Lane.INTERACTIVE else "batch"
    job_id, until = here.submissions.mint_id(), time.monotonic() + wait_seconds
    waiter = here.notices.register(job_id) if wait_seconds else None
    with waiter or nullcontext():
        requests = [
            ScoreRequest(
                job_id=job_id,
                kind=kind,
                rows=count,
                encoding=rows.encoding,
                payload=payload,
                signature=known.manifest.signature.digest,
                version=known.manifest.version,
                pinned=pinned,
                waited=waiter is not None,
                request_id=g.request_id,
                chunk=chunk,
            )
            for chunk, (payload, count) in enumerate(zip(rows.payloads, rows.row_counts, strict=True))
        ]
        receipt = here.submissions.submit(lane, requests, read_idempotency(body))
        event = "job_replayed" if receipt.is_replay else "job_accepted"
        log.info(event, extra={"job_id": receipt.job_id, "request_id": g.request_id, "kind": kind})
        answer = _await(here, waiter, until) if waiter and not receipt.is_replay else None
        if waiter is None and not receipt.is_replay:
            wait_seconds = 0.0  # no place was free: the preference is not applied
    if receipt.is_replay:
        answer = _replay(here, receipt.job_id, until if wait_seconds else None)
    return _with_preference(answer or _accept(receipt, lane, kind, sum(rows.row_counts)), wait_seconds)


def _replay(here: Service, job_id: str, until: float | None) -> Response:
    """The first job under the same Idempotency-Key: its result if there is one, else that it is under way."""
    response = _show(here, job := _read(here, job_id, until))
    if not job.is_final:
        response.status_code = 202
    response.headers["Location"] = result_url(job_id)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _await(here: Service, waiter: Waiter, until: float) -> Response | None:
    """The finished job's document, or None if it did not finish in time: the caller has a receipt then."""
    while time.monotonic() < until:
        if outcome := waiter.sleep(until):
            return Response(outcome, 200, content_type=JSON)
        try:
            job = here.submissions.read(waiter.job_id)
        except RhizomeError:
            return None  # Redis went away: the job was accepted all the same
        if job.is_final:
            return _show(here, job)
    return None


def _accept(receipt: Receipt, lane: Lane, kind: str, rows: int) -> Response:
    body = receipt_document(receipt, kind=kind, lane=lane, rows=rows, request_id=g.request_id)
    response = Response(body, 202, content_type=JSON)
    response.headers["Location"] = result_url(receipt.job_id)
    return response


def _show(here: Service, job: JobView) -> Response:
    offset, limit = 0, here.settings.max_batch_rows
    if job.outcome is None and job.facts["kind"] != b"single":
        offset = read_count("offset", 0, 0, int(job.facts["rows"]))
        limit = read_count("limit", limit, 1, limit)
    return Response(_document(here, job, offset, limit), 200, content_type=JSON)


def _document(here: Service, job: JobView, offset: int, limit: int) -> bytes:
    """The job's JSON; of a final batch, the answers of `limit` rows from row `offset` on."""
    if job.outcome is not None:
        return job.outcome
    if job.facts["kind"] == b"single":
        return pending_document(job)
    rows, size = int(job.facts["rows"]), int(job.facts["chunk_rows"])
    first, last = offset // size, min(rows, offset + limit)
    chunks: list[bytes | None] = []
    if job.is_final:
        chunks = here.submissions.read_chunks(job.job_id, range(first, -(-last // size)))
    return batch_document(
        job,
        chunks,
        artifact_sha256=_artifact_of(here, job),
        skip=offset - first * size,
        offset=offset,
        limit=limit,
    )


def _artifact_of(here: Service, job: JobView) -> str | None:
    version = job.facts.get("version")
    if version is None:
        return None
    try:
        return here.champion.version(version.decode()).manifest.artifact_sha256
    except VersionNotFound:
        return None  # pruned since


def _with_preference(response: Response, wait_seconds: float) -> Response:
    if wait_seconds and is_wait_preferred():
        response.headers["Preference-Applied"] = f"wait={wait_seconds:g}"
        response.headers["Vary"] = "Prefer"
    return response
