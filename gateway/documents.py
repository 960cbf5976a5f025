"""The JSON documents of jobs that are not a worker's own: receipts, jobs under way, batch jobs."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from rhizome.blob_slices import FileFormat
from rhizome.job_queue.views import JobView, Receipt
from rhizome.jobs import State

_DEADLINE_EXCEEDED = {
    "code": "deadline_exceeded",
    "detail": "its deadline passed while it waited; submit it again with a later deadline_ms or a more urgent priority",
}

encode = msgspec.json.Encoder().encode


def result_url(job_id: str) -> str:
    """Where a job's result is, relative to the service."""
    return f"/result/{job_id}"


def job_urls(job_id: str) -> dict[str, str]:
    """What can be called for a job; a job is cancelled by `DELETE`."""
    return {"result": result_url(job_id), "cancel": result_url(job_id), "stream": f"{result_url(job_id)}/stream"}


def receipt_document(receipt: Receipt, *, kind: str, lane: str, priority: int, rows: int, request_id: str) -> bytes:
    """The body of a 202."""
    return encode(
        {
            "id": receipt.job_id,
            "status": "queued",
            "kind": kind,
            "lane": lane,
            "priority": priority,
            "rows": rows or None,  # of a Parquet file, nobody has looked yet
            "queue_position": receipt.position,
            "eta_ms": receipt.eta_ms,
            "expires_at": _iso(receipt.expires_ms) if receipt.expires_ms else None,
            "request_id": request_id,
            "submitted_at": _iso(receipt.submitted_ms),
            "urls": job_urls(receipt.job_id),
        }
    )


def pending_document(job: JobView) -> bytes:
    """A single job without an outcome of its own: queued, running, cancelled or expired."""
    return encode(_head(job) | {"urls": job_urls(job.job_id)})


def batch_document(
    job: JobView,
    chunks: list[bytes | None],
    *,
    artifact_sha256: str | None,
    skip: int,
    offset: int,
    limit: int,
) -> bytes:
    """A batch job: progress, and the answers that are ready.

    Args:
        job: the job.
        chunks: the JSON arrays of the chunks that hold the wanted rows, in order; None for unfinished ones.
        artifact_sha256: of the version that answers the job, once one does.
        skip: rows of the first chunk before `offset`.
        offset: index of the first wanted row.
        limit: how many rows are wanted.
    """
    document = _batch_head(job, artifact_sha256)
    if job.is_final:
        answers = [row for chunk in chunks for row in msgspec.json.decode(chunk or b"[]", type=list[msgspec.Raw])]
        document |= {"offset": offset, "limit": limit, "results": answers[skip : skip + limit]}
    return encode(document)


def file_document(
    job: JobView, answers: list[msgspec.Raw], *, artifact_sha256: str | None, offset: int, limit: int
) -> bytes:
    """A batch job whose rows came as a file: progress, and a page of its answers where one is wanted.

    Args as `batch_document`.
    """
    document = _batch_head(job, artifact_sha256) | {"source": _text(job, "source")}
    if job.is_final and limit:
        document |= {"offset": offset, "limit": limit, "results": answers}
    return encode(document)


def _batch_head(job: JobView, artifact_sha256: str | None) -> dict[str, Any]:
    done, failed = _number(job, "done"), _number(job, "failed")
    total = max(done, _number(job, "rows"))  # of a file, an estimate until the job is final
    document = _head(job) | {
        "version": _text(job, "version"),
        "artifact_sha256": artifact_sha256,
        "rows": {"total": total or None, "done": done, "failed": failed},
        "timings": _batch_timings(job),
        "urls": job_urls(job.job_id) | {"rows": _row_urls(job.job_id)},
    }
    return document if job.is_final else document | _pace(job, total, done)


def _row_urls(job_id: str) -> dict[str, str]:
    return {form: f"{result_url(job_id)}?format={form}" for form in FileFormat}


def _head(job: JobView) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "status": job.state,
        "kind": _text(job, "kind"),
        "lane": job.lane,
        "priority": job.priority,
        "request_id": _text(job, "request_id"),
        "submitted_at": _iso(job.submitted_ms),
        "finished_at": _iso(_number(job, "finished_at")) if "finished_at" in job.facts else None,
    } | _fate(job)


def _fate(job: JobView) -> dict[str, Any]:
    """Until when the job is wanted; and why it ended without the answers it was for, where it did so as a whole."""
    facts: dict[str, Any] = {}
    if "expires_at" in job.facts:
        facts["expires_at"] = _iso(_number(job, "expires_at"))
    if job.state is State.EXPIRED:
        facts["error"] = _DEADLINE_EXCEEDED
    elif "error" in job.facts:
        facts["error"] = msgspec.Raw(job.facts["error"])
    return facts


def _pace(job: JobView, total: int, done: int) -> dict[str, float | None]:
    """Rows per second since the first chunk was taken, and how long the rest takes at that pace."""
    seconds = time.time() - _number(job, "started_at") / 1000
    if not done or seconds <= 0:
        return {"rows_per_second": None, "eta_ms": None}
    pace = done / seconds
    return {"rows_per_second": round(pace, 1), "eta_ms": round((total - done) / pace * 1000)}


def _batch_timings(job: JobView) -> dict[str, float | None]:
    started = _number(job, "started_at") if "started_at" in job.facts else None
    finished = _number(job, "finished_at") if "finished_at" in job.facts else None
    return {
        "queued_ms": max(0, started - job.submitted_ms) if started else None,
        "compute_ms": round(float(job.facts.get("compute_ms", b"0")), 3),
        "total_ms": max(0, finished - job.submitted_ms) if finished else None,
    }


def _number(job: JobView, name: str) -> int:
    return int(job.facts.get(name, b"0"))


def _text(job: JobView, name: str) -> str | None:
    value = job.facts.get(name)
    return value.decode() if value is not None else None


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
