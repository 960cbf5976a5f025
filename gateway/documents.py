"""The JSON documents of jobs that are not a worker's own: receipts, jobs under way, batch jobs."""

import time
from itertools import takewhile
from typing import Any

import msgspec

from rhizome.job_documents import batch_urls, head_of, iso, job_urls, progress_of, result_url, text
from rhizome.job_queue.views import JobView, Receipt

__all__ = [
    "batch_document",
    "encode",
    "file_document",
    "job_urls",
    "pending_document",
    "receipt_document",
    "result_url",
]

encode = msgspec.json.Encoder().encode


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
            "eta_ms": receipt.eta_ms if rows else None,
            "expires_at": iso(receipt.expires_ms) if receipt.expires_ms else None,
            "request_id": request_id,
            "submitted_at": iso(receipt.submitted_ms),
            "urls": job_urls(receipt.job_id),
        }
    )


def pending_document(job: JobView) -> bytes:
    """A single job without an outcome of its own: queued, running, cancelled or expired."""
    return encode(head_of(job) | {"urls": job_urls(job.job_id)})


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
        limit: how many rows are wanted; 0 for none, and no page.
    """
    document = _batch_head(job, artifact_sha256)
    if job.is_final and limit:
        # From the first missing chunk on there are none: each answer stands at its row's place.
        there = takewhile(lambda chunk: chunk is not None, chunks)
        answers = [row for chunk in there for row in msgspec.json.decode(chunk or b"[]", type=list[msgspec.Raw])]
        document |= {"offset": offset, "limit": limit, "results": answers[skip : skip + limit]}
    return encode(document)


def file_document(
    job: JobView, answers: list[msgspec.Raw], *, artifact_sha256: str | None, offset: int, limit: int
) -> bytes:
    """A batch job whose rows came as a file: progress, and a page of its answers where one is wanted.

    Args as `batch_document`.
    """
    document = _batch_head(job, artifact_sha256) | {"source": text(job, "source")}
    if job.is_final and limit:
        document |= {"offset": offset, "limit": limit, "results": answers}
    return encode(document)


def _batch_head(job: JobView, artifact_sha256: str | None) -> dict[str, Any]:
    return head_of(job) | {
        **progress_of(job, round(time.time() * 1000)),
        "artifact_sha256": artifact_sha256,
        "urls": batch_urls(job.job_id),
    }
