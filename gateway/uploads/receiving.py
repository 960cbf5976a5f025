"""A file in a request, as its body or as one part of a form, until it is a job.

The file is streamed into the store first and submitted then, so a job never refers to a file that is not all there. A
file that becomes no job is removed again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any, cast

from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser

from gateway.answer_choice import check_choice
from gateway.champion import Known
from gateway.options import REMEDIES, parse_option, read_options
from gateway.requests import SLOT_SECONDS, read_idempotency
from gateway.service import Service
from gateway.submitting import Parsed, Submitted, find_pinned, submit_rows
from gateway.uploads.intake import Intake
from gateway.validation import Rows
from rhizome.blob_slices import FileFormat, encode_slice, input_path
from rhizome.blob_store import BLOCK_BYTES
from rhizome.errors import BlobNotFound, BlobStoreUnavailable, InvalidRequest, QueueUnavailable, TooManyWaiters
from rhizome.job_queue.views import JobView
from rhizome.jobs import Encoding, Lane

FORM = "multipart/form-data"
FORMAT_OF_TYPE = {
    "text/csv": FileFormat.CSV,
    "application/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
    "application/x-jsonlines": FileFormat.NDJSON,
    "application/vnd.apache.parquet": FileFormat.PARQUET,
    "application/x-parquet": FileFormat.PARQUET,
}
_FORMAT_OF_ENDING = {
    "csv": FileFormat.CSV,
    "ndjson": FileFormat.NDJSON,
    "jsonl": FileFormat.NDJSON,
    "parquet": FileFormat.PARQUET,
}
_ENCODING_OF_ENDING = {"gz": "gzip", "zst": "zstd"}
_MAX_FIELD_BYTES = 512 * 1024  #: of all form fields together
_MAX_PARTS = 32
#: So much of a refused body is still read: a client that is cut off while it sends may never see the refusal.
_DRAIN_BYTES = 16 * 1024 * 1024


def is_file() -> bool:
    """True where the present request's body is a file, or a form that holds one."""
    return request.mimetype in FORMAT_OF_TYPE or request.mimetype == FORM


def submit_file(here: Service, wait_seconds: float) -> Submitted:
    """Takes the file of the present request in, and submits it as one batch job.

    Raises:
        InvalidRequest: the file, its columns or an option cannot be accepted.
        TooManyWaiters: too many files are being sent at once.
        BlobStoreUnavailable: the file cannot be stored now.
        IdempotencyConflict, LaneFull, StorageFull, QueueUnavailable: as `submit_rows`.
    """
    _check_length(here.settings.max_upload_bytes)
    # Beyond what any file may hold: the intake refuses one that is too large, and says so.
    request.max_content_length = 2 * (here.settings.max_upload_bytes + _MAX_FIELD_BYTES)
    in_query = read_options({})
    read_idempotency(b"")  # a key that is unusable is refused before the file is sent
    known = find_pinned(here, in_query.version) if in_query.version else here.champion.champion()
    check_choice(known.manifest.signature, in_query.returns, in_query.top_k)
    if not here.upload_slots.acquire(timeout=SLOT_SECONDS):
        raise TooManyWaiters("too many files are being sent at once; try again shortly")
    try:
        with _drained():
            if request.mimetype == FORM:
                return _submit_form(here, known, wait_seconds)
            file_format, encoding = FORMAT_OF_TYPE[request.mimetype], request.headers.get("Content-Encoding", "")
            with _open_intake(here, known, file_format, encoding) as intake:
                for block in _read_body():
                    intake.write(block)
                return _submit(here, known, intake, {}, wait_seconds)
    finally:
        here.upload_slots.release()


def remove_input(here: Service, job: JobView) -> None:
    """Removes the file of a job that has ended early; what cannot be removed now is swept away later."""
    with suppress(BlobStoreUnavailable, BlobNotFound):
        here.blobs.delete(input_path(job.job_id, FileFormat(job.facts["source"].decode())))


def _submit_form(here: Service, known: Known, wait_seconds: float) -> Submitted:
    if request.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise InvalidRequest(
            "an encoded form is not accepted; compress the file in it, and end its name in .gz or .zst",
            code="unsupported_media_type",
        )
    intakes: list[Intake] = []
    try:
        fields = _parse_form(partial(_open_part, here, known, intakes))
        if not intakes:
            raise InvalidRequest("the form holds no file; send one part with a file name", code="invalid_file")
        return _submit(here, known, intakes[0], fields, wait_seconds)
    finally:
        for intake in intakes:
            intake.close()


def _parse_form(open_part: Any) -> dict[str, str]:
    """Reads the form; its file goes where `open_part` says, its fields are returned."""
    parser = FormDataParser(
        stream_factory=open_part,
        max_form_memory_size=_MAX_FIELD_BYTES,
        max_form_parts=_MAX_PARTS,
        silent=False,
    )
    body = _Body()
    try:
        _, fields, _ = parser.parse(cast(IO[bytes], body), FORM, request.content_length, request.mimetype_params)
    except ValueError:
        raise InvalidRequest(
            "the form cannot be read; send multipart/form-data (RFC 7578)", code="invalid_file"
        ) from None
    return {name: str(value) for name, value in fields.items()}


def _open_part(
    here: Service,
    known: Known,
    intakes: list[Intake],
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> Intake:
    """Called by the parser for the form's file."""
    if intakes:
        raise InvalidRequest("the form holds more than one file; send each by itself", code="invalid_file")
    name, _, ending = (filename or "").lower().rpartition(".")
    encoding = _ENCODING_OF_ENDING.get(ending, "")
    if encoding:
        ending = name.rpartition(".")[2]
    mimetype = (content_type or "").partition(";")[0].strip().lower()
    file_format = FORMAT_OF_TYPE.get(mimetype) or _FORMAT_OF_ENDING.get(ending)
    if file_format is None:
        raise InvalidRequest(
            "the file's format is not known; end its name in .csv, .ndjson, .jsonl or .parquet, or name its type",
            code="unsupported_media_type",
        )
    intakes.append(_open_intake(here, known, file_format, encoding))
    return intakes[0]


def _open_intake(here: Service, known: Known, file_format: FileFormat, encoding: str) -> Intake:
    return Intake(
        here.blobs,
        here.submissions.mint_id(),
        file_format,
        encoding,
        known.manifest.signature,
        chunk_bytes=here.settings.file_chunk_bytes,
        most=here.settings.max_upload_bytes,
    )


def _submit(here: Service, known: Known, intake: Intake, fields: Mapping[str, str], wait_seconds: float) -> Submitted:
    options = read_options({name: _parse_field(name, text) for name, text in fields.items()})
    is_pinned = options.version is not None
    if options.version is not None and options.version != known.manifest.version:
        known = _same_signature(known, find_pinned(here, options.version))
    slices = intake.finish()
    rows = Rows(Encoding.BLOB, [encode_slice(part) for part in slices], intake.row_counts, {})
    body = intake.digest + repr(sorted(fields.items())).encode() if fields else intake.digest
    try:
        submitted = submit_rows(
            here,
            Lane.BATCH,
            "batch",
            body,
            Parsed(known, is_pinned, rows, options),
            wait_seconds,
            job_id=intake.job_id,
            record={"source": intake.file_format},
        )
    except QueueUnavailable:
        intake.keep()  # it may have been accepted; if not, the file is swept away later
        raise
    if not submitted.receipt.is_replay:
        intake.keep()
    return submitted


def _parse_field(name: str, text: str) -> Any:
    if name not in REMEDIES:
        raise InvalidRequest(
            "the form holds a field that is not known",
            code="invalid_fields",
            problems=({"field": name[:40], "problem": "is no option", "remedy": f"send {', '.join(REMEDIES)}"},),
        )
    return parse_option(name, text)


def _same_signature(known: Known, pinned: Known) -> Known:
    """The pinned version, if the columns that were checked are its own, too."""
    if pinned.manifest.signature.names != known.manifest.signature.names:
        problem = {
            "field": "version",
            "problem": "has other features than the version that the file's columns were compared with",
            "remedy": "send it in the query string",
        }
        raise InvalidRequest("the version came too late", code="invalid_fields", problems=(dict(problem),))
    return pinned


class _Body:
    """The body of the present request, as sent; what is read is counted."""

    def __init__(self) -> None:
        self._stream = request.stream
        self._received = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(BLOCK_BYTES if size < 0 else size)
        self._received += len(data)
        if not data and request.content_length is not None and self._received < request.content_length:
            raise InvalidRequest("the body ends before its Content-Length; send all of it", code="invalid_file")
        return data


def _read_body() -> Iterator[bytes]:
    body = _Body()
    while block := body.read(BLOCK_BYTES):
        yield block


@contextmanager
def _drained() -> Iterator[None]:
    try:
        yield
    except Exception:
        left = _DRAIN_BYTES
        with suppress(OSError, HTTPException):
            while left > 0 and (block := request.stream.read(BLOCK_BYTES)):
                left -= len(block)
        raise


def _check_length(most: int) -> None:
    """A body that says itself that it is too long is not read at all."""
    if request.content_length is not None and request.content_length > most + _MAX_FIELD_BYTES:
        raise InvalidRequest(
            f"the body is larger than the {most} bytes accepted; send the file in parts", code="body_too_large"
        )
