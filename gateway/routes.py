"""The job routes: submit one sample, submit many, read a result, cancel. Decode, delegate, encode."""

import logging
import time
from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, g, request

from gateway.answers import conclude, find_submitted
from gateway.champion import Known
from gateway.documents import batch_document, file_document, pending_document, result_url
from gateway.requests import acknowledge_preferences, read_count, read_flag, read_json_body, read_wait_seconds
from gateway.results.negotiation import choose_format
from gateway.results.routing import send_rows
from gateway.results.rows import is_from_file, page_of
from gateway.service import Service, service
from gateway.streams import event_id, stream_job
from gateway.submitting import JSON, Submitted, accept, parse_rows, read_job, submit_rows
from gateway.uploads.receiving import is_file, remove_files, submit_file
from gateway.validation import Rows
from gateway.webhook_documents import add_webhook_status, with_webhook_status
from rhizome.errors import InvalidRequest, TooManyWaiters, VersionNotFound
from rhizome.job_queue.views import JobView
from rhizome.jobs import Lane

MAX_OFFSET = 999_999_999  #: beyond the last row there are none to show, which is no error
MAX_SAMPLE_BYTES = 1024 * 1024  #: of one sample: ten thousand features with long names
_FILES = (
    ", or a file as text/csv, application/x-ndjson or application/vnd.apache.parquet (CSV, NDJSON, Parquet), or as a "
    "form's part with a file name"
)

blueprint = Blueprint("jobs", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/predict")
def predict() -> Response:
    """One sample: 202 with an id, or 200 with the result if the caller waits and it comes in time."""
    here = service()
    body = read_json_body(most=min(MAX_SAMPLE_BYTES, here.settings.max_body_bytes))
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    return _submit(here, Lane.INTERACTIVE, body, lambda known: known.validator.parse_single(body), wait_seconds)


@blueprint.post("/predict/batch")
def predict_batch() -> Response:
    """Many samples under one id, in the body or in a file, answered in input order."""
    here = service()
    if is_file():
        wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
        return _answer(here, submit_file(here, wait_seconds))
    body = read_json_body(most=here.settings.max_body_bytes, or_else=_FILES)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    bounds = {"max_rows": here.settings.max_batch_rows, "chunk_rows": here.settings.chunk_rows}
    return _submit(here, Lane.BATCH, body, lambda known: known.validator.parse_batch(body, **bounds), wait_seconds)


@blueprint.get("/result/<job_id>")
def result(job_id: str) -> Response:
    """A job as it stands, or as it stands after waiting for it; or its rows, in a form of their own."""
    here = service()
    form = choose_format()
    _read_page(here)  # refused where it is wrong, also where all rows are asked for
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds)
    job = read_job(here, job_id, time.monotonic() + wait_seconds if wait_seconds else None)
    if form is not None:
        return send_rows(here, job, form)
    return acknowledge_preferences(_show(here, job), wait_seconds)


@blueprint.get("/result/<job_id>/stream")
def stream(job_id: str) -> Response:
    """The job's life as server-sent events; 204 to a client that has seen its end."""
    here = service()
    job, seen = here.submissions.read(job_id), request.headers.get("Last-Event-ID", "")
    if job.is_final and seen == event_id(job):
        return _no_content()
    waiter = here.notices.register(job_id)
    if waiter is None:
        raise TooManyWaiters("too many requests wait or stream already; try again shortly, or poll the result")
    # The documents are made outside the request's context, when the events are sent.
    limit = 0 if is_from_file(job) else here.settings.max_batch_rows  # a file's rows are fetched, not sent as events
    show = partial(_document_with_status, here, offset=0, limit=limit)
    events = stream_job(waiter, lambda: here.submissions.read(job_id), show, seen)
    response = Response(events, 200, content_type="text/event-stream")
    response.call_on_close(waiter.close)  # also where nobody stayed for the first event
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/result/<job_id>")
def cancel(job_id: str) -> Response:
    """Cancels a job that is not final, and once more changes nothing; or removes one for good, whatever its state."""
    here = service()
    if read_flag("purge"):
        here.submissions.purge(job_id)
        remove_files(here, job_id)
        log.info("job_purged", extra={"job_id": job_id, "request_id": g.request_id})
        return _no_content()
    here.submissions.cancel(job_id)
    log.info("job_cancelled", extra={"job_id": job_id, "request_id": g.request_id})
    job = here.submissions.read(job_id)
    if is_from_file(job):
        remove_files(here, job_id)
    return Response(_document_with_status(here, job, offset=0, limit=0), 200, content_type=JSON)  # nobody asks for rows


def _no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def _submit(here: Service, lane: Lane, body: bytes, parse: Callable[[Known], Rows], wait_seconds: float) -> Response:
    kind = "single" if lane is Lane.INTERACTIVE else "batch"
    try:
        parsed = parse_rows(here, body, parse)
        submitted = submit_rows(here, lane, kind, body, parsed, wait_seconds)
    except InvalidRequest:
        # The same request may have been accepted when the champion took other rows, or gave other answers.
        if (standing := find_submitted(here, body, wait_seconds)) is None:
            raise
        submitted = standing
    return _answer(here, submitted)


def _answer(here: Service, submitted: Submitted) -> Response:
    if submitted.outcome is not None:
        document = submitted.outcome
        if submitted.has_webhook:
            document = add_webhook_status(here, submitted.receipt.job_id, document)
        response = Response(document, 200, content_type=JSON)
    elif submitted.job is None:
        response = accept(submitted)
    else:
        response = _show(here, submitted.job)
        if submitted.receipt.is_replay:  # of the first job under the same key: its result, or that it is under way
            response.status_code = 200 if submitted.job.is_final else 202
            response.headers["Location"] = result_url(submitted.job.job_id)
    return conclude(response, submitted)


def _show(here: Service, job: JobView) -> Response:
    offset, limit = _read_page(here)
    if job.outcome is None and job.facts["kind"] != b"single":
        offset = min(offset, int(job.facts["rows"]))
    return Response(_document_with_status(here, job, offset, limit), 200, content_type=JSON)


def _read_page(here: Service) -> tuple[int, int]:
    """The first row of a page of JSON, and how many it holds at most."""
    most = here.settings.max_batch_rows
    return read_count("offset", 0, 0, MAX_OFFSET), read_count("limit", most, 1, most)


def _document_with_status(here: Service, job: JobView, offset: int, limit: int) -> bytes:
    return with_webhook_status(here, job, _document(here, job, offset, limit))


def _document(here: Service, job: JobView, offset: int, limit: int) -> bytes:
    """The job's JSON; of a final batch, the answers of `limit` rows from row `offset` on."""
    if job.outcome is not None:
        return job.outcome
    if job.facts["kind"] == b"single":
        return pending_document(job)
    if is_from_file(job):
        return _file_document(here, job, offset, limit)
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


def _file_document(here: Service, job: JobView, offset: int, limit: int) -> bytes:
    """The same for rows that came as a file; without `limit`, none are shown."""
    answers = page_of(here, job, offset, limit) if job.is_final and limit else []
    return file_document(job, answers, artifact_sha256=_artifact_of(here, job), offset=offset, limit=limit)


def _artifact_of(here: Service, job: JobView) -> str | None:
    version = job.facts.get("version")
    if version is None:
        return None
    try:
        return here.champion.version(version.decode()).manifest.artifact_sha256
    except VersionNotFound:
        return None  # pruned since
