"""Parquet files of a job's rows: made by a worker when one is asked for first, and kept beside the rows."""

import time

from flask import Response

from gateway.requests import read_wait_seconds
from gateway.results.rows import Piece, check_complete, check_version
from gateway.results.sending import send_pieces
from gateway.service import Service
from rhizome.blob_slices import FileFormat, export_path
from rhizome.errors import BlobNotFound, ExportNotReady
from rhizome.job_queue.exporting import request_export
from rhizome.job_queue.views import JobView

DEFAULT_WAIT_SECONDS = 5.0  #: where the caller does not say how long


def send_parquet(here: Service, job: JobView) -> Response:
    """A complete job's rows as one Parquet file, if it is there within the time that the caller waits.

    Raises:
        RowsIncomplete: not all rows of the job are answered, or they cannot be written as Parquet.
        ExportNotReady: the file is still being made.
    """
    check_complete(job)
    check_version(job)
    path = export_path(job.job_id)
    size = _size_of(here, path)
    if size is None:
        size = _await_size(here, job.job_id, path)
    return send_pieces(here, job.job_id, FileFormat.PARQUET, [Piece(size, path=path)])


def _await_size(here: Service, job_id: str, path: str) -> int:
    """Has the file made; its size as soon as it is there. Nobody waits without a place to wait."""
    request_export(here.redis, job_id)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds, DEFAULT_WAIT_SECONDS)
    waiter = here.notices.register(job_id) if wait_seconds else None
    if waiter is not None:
        with waiter:
            until = time.monotonic() + wait_seconds
            while waiter.has_time(until):
                if (size := _size_of(here, path)) is not None:
                    return size
                request_export(here.redis, job_id)
                waiter.sleep(until)
    if (size := _size_of(here, path)) is not None:
        return size
    raise ExportNotReady("the Parquet file of these rows is being made; ask again shortly")


def _size_of(here: Service, path: str) -> int | None:
    try:
        return here.blobs.size(path)
    except BlobNotFound:
        return None
