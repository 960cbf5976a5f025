"""Files of a job's rows in another form: made by a worker when one is asked for first, and kept beside the rows."""

import time

from flask import Response

from gateway.requests import read_wait_seconds
from gateway.results.rows import Piece, check_version
from gateway.results.sending import send_pieces
from gateway.service import Service
from rhizome.blob_slices import FileFormat, export_path
from rhizome.errors import BlobNotFound, ExportNotReady
from rhizome.job_queue.exporting import request_export
from rhizome.job_queue.views import JobView

DEFAULT_WAIT_SECONDS = 5.0  #: where the caller does not say how long


def send_export(here: Service, job: JobView, form: FileFormat) -> Response:
    """A complete job's rows as one file, if it is there within the time that the caller waits.

    Raises:
        RowsIncomplete: they cannot be written in that form.
        ExportNotReady: the file is still being made.
        BlobStoreFull: there is no room to make it.
    """
    check_version(job)
    path = export_path(job.job_id, form)
    size = _size_of(here, path)
    if size is None:
        size = _await_size(here, job.job_id, form)
    return send_pieces(here, job.job_id, form, [Piece(size, path=path)])


def _await_size(here: Service, job_id: str, form: FileFormat) -> int:
    """Has the file made; its size as soon as it is there. Nobody waits without a place to wait."""
    path = export_path(job_id, form)
    here.blobs.check_room()  # no worker could write it now
    request_export(here.redis, job_id, form)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds, DEFAULT_WAIT_SECONDS)
    waiter = here.notices.register(job_id) if wait_seconds else None
    if waiter is not None:
        with waiter:
            until = time.monotonic() + wait_seconds
            while waiter.has_time(until):
                if (size := _size_of(here, path)) is not None:
                    return size
                request_export(here.redis, job_id, form)
                waiter.sleep(until)
    if (size := _size_of(here, path)) is not None:
        return size
    raise ExportNotReady(f"these rows are being written as {form}; ask again shortly")


def _size_of(here: Service, path: str) -> int | None:
    try:
        return here.blobs.size(path)
    except BlobNotFound:
        return None
