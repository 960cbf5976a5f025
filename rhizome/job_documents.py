"""What a job's document says wherever it is shown, to those who ask for it and to those who are told by a webhook.

Apart from both, so that they cannot differ.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from rhizome.blob_slices import FileFormat
from rhizome.job_queue.views import JobView
from rhizome.jobs import State

_DEADLINE_EXCEEDED = {
    "code": "deadline_exceeded",
    "detail": "its deadline passed while it waited; submit it again with a later deadline_ms or a more urgent priority",
}


def result_url(job_id: str) -> str:
    """Where a job's result is, relative to the service."""
    return f"/result/{job_id}"


def job_urls(job_id: str) -> dict[str, str]:
    """What can be called for a job; a job is cancelled by `DELETE`."""
    return {"result": result_url(job_id), "cancel": result_url(job_id), "stream": f"{result_url(job_id)}/stream"}


def batch_urls(job_id: str) -> dict[str, Any]:
    """The same for a batch job, whose rows can be had in several forms."""
    rows = {form.value: f"{result_url(job_id)}?format={form.value}" for form in FileFormat}
    return job_urls(job_id) | {"rows": rows}


def head_of(job: JobView) -> dict[str, Any]:
    """What every job has, whatever became of it."""
    return {
        "id": job.job_id,
        "status": job.state,
        "kind": text(job, "kind"),
        "lane": job.lane,
        "priority": job.priority,
        "request_id": text(job, "request_id"),
        "submitted_at": iso(job.submitted_ms),
        "finished_at": iso(number(job, "finished_at")) if "finished_at" in job.facts else None,
    } | _fate(job)


def _fate(job: JobView) -> dict[str, Any]:
    """Until when the job is wanted; and why it ended without the answers it was for, where it did so as a whole."""
    facts: dict[str, Any] = {}
    if "expires_at" in job.facts:
        facts["expires_at"] = iso(number(job, "expires_at"))
    if job.state is State.EXPIRED:
        facts["error"] = _DEADLINE_EXCEEDED
    elif "error" in job.facts:
        facts["error"] = msgspec.Raw(job.facts["error"])
    return facts


def progress_of(job: JobView, at_ms: int) -> dict[str, Any]:
    """How far a batch job is: version, rows, timings; until it is final, its pace, too.

    Args:
        job: the job as it stood then.
        at_ms: when that was, in ms since 1970.
    """
    done = number(job, "done")
    total = max(done, number(job, "rows"))  # of a file, an estimate until the job is final; 0 before anybody has looked
    progress = {
        "version": text(job, "version"),
        "rows": {"total": total or None, "done": done, "failed": number(job, "failed")},
        "timings": _batch_timings(job),
    }
    return progress if job.is_final else progress | _pace(job, total, done, at_ms)


def _pace(job: JobView, total: int, done: int, at_ms: int) -> dict[str, float | None]:
    """Rows per second since the first chunk was taken, and how long the rest takes at that pace."""
    seconds = (at_ms - number(job, "started_at")) / 1000
    if not done or seconds <= 0:
        return {"rows_per_second": None, "eta_ms": None}
    pace = done / seconds
    return {"rows_per_second": round(pace, 1), "eta_ms": round((total - done) / pace * 1000)}


def _batch_timings(job: JobView) -> dict[str, float | None]:
    started = number(job, "started_at") if "started_at" in job.facts else None
    finished = number(job, "finished_at") if "finished_at" in job.facts else None
    return {
        "queued_ms": max(0, started - job.submitted_ms) if started else None,
        "compute_ms": round(float(job.facts.get("compute_ms", b"0")), 3),
        "total_ms": max(0, finished - job.submitted_ms) if finished else None,
    }


def number(job: JobView, name: str) -> int:
    """A number from the record; 0 where it has none of that name."""
    return int(job.facts.get(name, b"0"))


def text(job: JobView, name: str) -> str | None:
    """Text from the record."""
    value = job.facts.get(name)
    return value.decode() if value is not None else None


def iso(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 has them, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
