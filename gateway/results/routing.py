"""Which rows go out how: at once in the form in which they are, through a worker in any other."""

from flask import Response

from gateway.results.exports import send_export
from gateway.results.rows import check_complete, is_at_hand, pieces_of
from gateway.results.sending import send_pieces
from gateway.service import Service
from rhizome.blob_slices import FileFormat
from rhizome.job_queue.views import JobView


def send_rows(here: Service, job: JobView, form: FileFormat) -> Response:
    """A complete batch job's rows.

    Raises:
        RowsIncomplete: not all of them are answered.
        ExportNotReady: they are still being written in that form.
        RangeNotSatisfiable, TooManyWaiters: as `send_pieces`.
    """
    check_complete(job)
    if not is_at_hand(job, form):
        return send_export(here, job, form)
    return send_pieces(here, job.job_id, form, pieces_of(here, job, form))
