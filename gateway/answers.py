"""The predictions of a finished job, for calls that answer with nothing but them.

A job may succeed in part; these calls may not: a row that failed fails the call, and is named.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from flask import Response

from gateway.complaints import MAX_PROBLEMS, Problem
from gateway.requests import acknowledge_preferences
from gateway.service import Service
from gateway.submitting import Parsed, Submitted, find_standing, read_job, submit_rows
from rhizome.errors import AnswerOverdue, AnswerUnavailable, JobCancelled, JobExpired, RowsFailed
from rhizome.job_queue.views import JobView, Receipt
from rhizome.jobs import Lane, State
from rhizome.settings import Settings

_NO_REASON = {"detail": "it has no result"}
_CHANGE_ROW = "change or remove this row"
#: By the error's code, where the row by itself is not at fault, and the same rows would fail again.
_REMEDIES = {"out_of_memory": "send fewer rows at once"}
#: What a worker says of rows that are not at fault, and says how to go on.
_OF_SERVICE = frozenset({"version_unavailable", "gave_up", "estimator_unsound", "unreadable_payload"})


class Answers(NamedTuple):
    """The version that answered, and one answer per row in input order, as in a job's result."""

    version: str
    rows: list[dict[str, Any]]


class _Single(msgspec.Struct):
    version: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None


def submit_for_answer(
    here: Service, body: bytes, parsed: Parsed, wait_seconds: float, *, must_wait: bool = False
) -> Submitted:
    """Submits the rows as one job, as urgent as its size allows: up to a micro-batch goes before all batches.

    Raises:
        TooManyWaiters: with `must_wait`, no place to wait is free; nothing was submitted.
        IdempotencyConflict, LaneFull, StorageFull, QueueUnavailable, DeadlineUnmeetable: as `submit_rows`.
    """
    rows = sum(parsed.rows.row_counts)
    lane = Lane.INTERACTIVE if rows <= here.settings.micro_batch_rows else Lane.BATCH
    kind = "single" if rows == 1 else "batch"
    return submit_rows(here, lane, kind, body, parsed, wait_seconds, must_wait=must_wait)


def find_submitted(here: Service, body: bytes, wait_seconds: float) -> Submitted | None:
    """What the present request has become before, under its Idempotency-Key; None if nothing.

    For requests that were accepted when another version was the champion, and would be refused now.
    """
    job_id = find_standing(here, body)
    if job_id is None:
        return None
    job = read_job(here, job_id, time.monotonic() + wait_seconds if wait_seconds else None)
    kind, rows = job.facts["kind"].decode(), int(job.facts["rows"])
    receipt = Receipt(job_id, position=0, submitted_ms=job.submitted_ms, is_replay=True)
    return Submitted(receipt, Lane(job.lane), kind, job.priority, rows, wait_seconds, job=job)


def collect_answers(here: Service, submitted: Submitted) -> Answers | None:
    """The answers of a job that was waited for; None while it is not final.

    Raises:
        RowsFailed: at least one row has none.
        AnswerUnavailable: at least one row has none, and it is not the row's fault.
        AnswerOverdue: the job's deadline passed before a worker took it.
        JobCancelled: somebody cancelled it.
        JobExpired: its result's time was over meanwhile.
    """
    job = submitted.job
    if submitted.outcome is None and (job is None or not job.is_final):
        return None
    outcome = submitted.outcome or (job.outcome if job else None)
    if outcome is not None:
        single = msgspec.json.decode(outcome, type=_Single)
        row: dict[str, Any] = {"error": single.error or _NO_REASON} if single.result is None else single.result
        return Answers(single.version or "", _check_rows([row]))
    assert job is not None  # noqa: S101 - for the type checker
    _check_fate(job)
    count = -(-int(job.facts["rows"]) // int(job.facts["chunk_rows"]))
    chunks = here.submissions.read_chunks(job.job_id, range(count))
    if None in chunks:
        raise JobExpired("this job's result has expired; submit it again")
    rows = [row for chunk in chunks for row in msgspec.json.decode(chunk or b"[]", type=list[dict[str, Any]])]
    return Answers(job.facts.get("version", b"").decode(), _check_rows(rows))


def _check_fate(job: JobView) -> None:
    """Raises what befell the job as a whole, unless it came to answers."""
    if job.state is State.CANCELLED:
        raise JobCancelled("the job was cancelled before it was answered")
    if job.state is State.EXPIRED:
        raise AnswerOverdue("the deadline passed while the job waited; send a later one or a more urgent priority")
    if "error" in job.facts:
        error = msgspec.json.decode(job.facts["error"], type=dict[str, str])
        _check_fault(error)
        raise RowsFailed(f"the job failed as a whole: {error['detail']}")


def _check_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    failed = [(index, row["error"]) for index, row in enumerate(rows) if "error" in row]
    for _, error in failed:
        _check_fault(error)
    if failed:
        raise RowsFailed(
            f"{len(failed)} of {len(rows)} row(s) could not be scored",
            problems=tuple(_describe(index, error) for index, error in failed[:MAX_PROBLEMS]),
        )
    return list(rows)


def _check_fault(error: Mapping[str, str]) -> None:
    if error.get("code") in _OF_SERVICE:
        raise AnswerUnavailable(f"the service could not answer: {error['detail']}")


def _describe(index: int, error: Mapping[str, str]) -> Problem:
    remedy = _REMEDIES.get(error.get("code", ""), _CHANGE_ROW)
    return {"field": f"rows.{index}", "row": index, "problem": f"failed: {error['detail']}", "remedy": remedy}


def chunk_rows_of(settings: Settings) -> int:
    """Rows of a chunk of these calls' jobs: what goes as one micro-batch is never cut."""
    return max(settings.chunk_rows, settings.micro_batch_rows)


def conclude(response: Response, submitted: Submitted) -> Response:
    """A submit's response, with what is to be said of a repeated one and of preferences that were applied."""
    if submitted.receipt.is_replay:
        response.headers["Idempotency-Replayed"] = "true"
    return acknowledge_preferences(response, submitted.wait_seconds)
