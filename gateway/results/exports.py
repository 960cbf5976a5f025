"""Parquet files of a job's rows: made by a worker when one is asked for first, and kept beside the rows."""

import time
from contextlib import nullcontext

from flask import Response

from gateway.results.rows import Piece, check_complete
from gateway.results.sending import send_pieces
from gateway.service import Service
from rhizome.blob_slices import FileFormat, export_path
from rhizome.errors import BlobNotFound, ExportNotReady
from rhizome.job_queue.exporting import request_export
from rhizome.job_queue.views import JobView

DEFAULT_WAIT_SECONDS = 5.0  #: where the caller does not say how long
_LOOK_SECONDS = 0.5


def send_parquet(here: Service, job: JobView, wait_seconds: float) -> Response:
    """A complete job's rows as one Parquet file, if it is there within `wait_seconds`.

    Raises:
        RowsIncomplete: not all rows of the job are answered, or they cannot be written as Parquet.
        ExportNotReady: the file is still being made.
    """
    check_complete(job)
    path, until = export_path(job.job_id), time.monotonic() + (wait_seconds or DEFAULT_WAIT_SECONDS)
    with here.notices.register(job.job_id) or nullcontext() as waiter:
        while (size := _size_of(here, path)) is None:
            request_export(here.redis, job.job_id)
            if time.monotonic() >= until:
                raise ExportNotReady("the Parquet file of these rows is being made; ask again shortly")
            if waiter is None:
                time.sleep(_LOOK_SECONDS)  # no place to wait was free
            else:
                waiter.sleep(until)
    return send_pieces(here, job.job_id, FileFormat.PARQUET, [Piece(size, path=path)])


def _size_of(here: Service, path: str) -> int | None:
    try:
        return here.blobs.size(path)
    except BlobNotFound:
        return None
