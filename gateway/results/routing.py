"""Which rows go out how: NDJSON and CSV at once, Parquet through a worker."""

from flask import Response

from gateway.results.exports import send_parquet
from gateway.results.rows import check_complete, pieces_of
from gateway.results.sending import send_pieces
from gateway.service import Service
from rhizome.blob_slices import FileFormat
from rhizome.job_queue.views import JobView


def send_rows(here: Service, job: JobView, form: FileFormat) -> Response:
    """A complete batch job's rows.

    Raises:
        RowsIncomplete: not all of them are answered.
        ExportNotReady: they are still being written as Parquet.
        RangeNotSatisfiable, TooManyWaiters: as `send_pieces`.
    """
    if form is FileFormat.PARQUET:
        return send_parquet(here, job)
    check_complete(job)
    return send_pieces(here, job.job_id, form, pieces_of(here, job, form))
