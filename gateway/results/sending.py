"""Rows as an HTTP response: whole, in part (RFC 9110, section 14), compressed, or not changed since."""

from collections.abc import Callable, Sequence

from flask import Response, request
from werkzeug.http import generate_etag, is_resource_modified, parse_if_range_header, parse_range_header

from gateway.results.compression import compress
from gateway.results.negotiation import TYPE_OF_FORMAT, choose_encoding
from gateway.results.rows import Piece, stream
from gateway.service import SLOT_SECONDS, Service
from rhizome.blob_slices import FileFormat
from rhizome.errors import RangeNotSatisfiable, TooManyWaiters


def send_pieces(here: Service, job_id: str, form: FileFormat, pieces: Sequence[Piece]) -> Response:
    """All rows of a job, or the part that `Range` asks for.

    Rows never change once they are complete, so they have a strong validator. A part is never compressed: its bytes are
    those of the rows.

    Raises:
        RangeNotSatisfiable: the range begins beyond the end.
        TooManyWaiters: too many files are being fetched at once.
    """
    size = sum(piece.size for piece in pieces)
    encoding = choose_encoding() if form is not FileFormat.PARQUET and "Range" not in request.headers else ""
    tag = generate_etag(f"{job_id} {form} {size} {encoding}".encode())
    if not is_resource_modified(request.environ, tag):
        return _describe(Response(status=304), job_id, form, tag)
    start, end = _range_of(size, tag)
    if not here.download_slots.acquire(timeout=SLOT_SECONDS):
        raise TooManyWaiters("too many results are being fetched at once; try again shortly")
    blocks = stream(here.blobs, pieces, start, end)
    response = Response(compress(blocks, encoding) if encoding else blocks, 200, content_type=TYPE_OF_FORMAT[form])
    response.call_on_close(_once(here.download_slots.release))
    if encoding:
        response.headers["Content-Encoding"] = encoding
    else:
        response.headers["Content-Length"] = str(end - start)
        response.headers["Accept-Ranges"] = "bytes"
    if (start, end) != (0, size):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return _describe(response, job_id, form, tag)


def _describe(response: Response, job_id: str, form: FileFormat, tag: str) -> Response:
    response.set_etag(tag)
    response.headers["Vary"] = "Accept, Accept-Encoding"
    response.headers["Content-Disposition"] = f'attachment; filename="{job_id}.{form}"'
    return response


def _range_of(size: int, tag: str) -> tuple[int, int]:
    """The bytes that are wanted: all, unless there is one range whose condition holds."""
    wanted = parse_range_header(request.headers.get("Range"))
    condition_text = request.headers.get("If-Range", "")
    condition = parse_if_range_header(condition_text)
    is_weak = condition_text.lstrip().startswith("W/")  # which says nothing of single bytes: RFC 9110, section 13.1.5
    is_current = condition.etag in (None, tag) and condition.date is None and not is_weak
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1 or not is_current:
        return 0, size
    part = wanted.range_for_length(size)
    if part is None:
        raise RangeNotSatisfiable(size)
    return part


def _once(action: Callable[[], object]) -> Callable[[], None]:
    """Servers may close a response more than once."""
    left = [action]

    def run() -> None:
        if left:
            left.pop()()

    return run
