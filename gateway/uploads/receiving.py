"""A file in a request, as its body or as one part of a form, until it is a job.

The file is streamed into the store first and submitted then, so a job never refers to a file that is not all there. A
file that becomes no job is removed again.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import IO, Any, cast

from flask import request
from werkzeug.formparser import FormDataParser

from gateway.answers import find_submitted
from gateway.champion import Known
from gateway.options import REMEDIES, JobOptions, parse_option, read_options
from gateway.requests import read_idempotency
from gateway.service import SLOT_SECONDS, Service
from gateway.submitting import Parsed, Submitted, find_pinned, submit_rows
from gateway.uploads.admission import Admission, admit
from gateway.uploads.body import Body, check_length
from gateway.uploads.intake import Intake
from gateway.validation import Rows
from rhizome.blob_slices import FileFormat, encode_slice
from rhizome.errors import (
    BlobNotFound,
    BlobStoreUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    QueueUnavailable,
    RhizomeError,
    TooManyWaiters,
)
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


def is_file() -> bool:
    """True where the present request's body is a file, or a form that holds one."""
    return request.mimetype in FORMAT_OF_TYPE or request.mimetype == FORM


def submit_file(here: Service, wait_seconds: float) -> Submitted:
    """Takes the file of the present request in, and submits it as one batch job.

    Raises:
        InvalidRequest: the file, its columns or an option cannot be accepted.
        TooManyWaiters: too many files are being sent at once.
        BlobStoreUnavailable: the file cannot be stored now.
        IdempotencyConflict, LaneFull, StorageFull, QueueUnavailable: as `submit_rows`; where that can be told, before
            the file is read.
    """
    check_length(here.settings.max_upload_bytes + _MAX_FIELD_BYTES)
    # Beyond what any file may hold: the intake refuses one that is too large, and says so.
    request.max_content_length = 2 * (here.settings.max_upload_bytes + _MAX_FIELD_BYTES)
    in_query = read_options({})
    read_idempotency(b"")  # a key that is unusable is refused before the file is sent
    body = Body()
    if not here.upload_slots.acquire(timeout=SLOT_SECONDS):
        raise TooManyWaiters("too many files are being sent at once; try again shortly")
    try:
        admission = admit(here, in_query)
        if request.mimetype == FORM:
            return _submit_form(here, admission, body, wait_seconds)
        file_format, encoding = FORMAT_OF_TYPE[request.mimetype], request.headers.get("Content-Encoding", "")
        with _open_intake(here, admission, file_format, encoding) as intake:
            for block in body.blocks():
                intake.write(block)
            return _submit(here, admission, intake, {}, wait_seconds)
    finally:
        here.upload_slots.release()


def remove_files(here: Service, job_id: str) -> None:
    """Removes a job's file and the answers to it; what cannot be removed now is swept away later."""
    with suppress(BlobStoreUnavailable, BlobNotFound):
        here.blobs.delete(job_id)


def _submit_form(here: Service, admission: Admission, body: Body, wait_seconds: float) -> Submitted:
    if request.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise InvalidRequest(
            "an encoded form is not accepted; compress the file in it, and end its name in .gz or .zst",
            code="unsupported_media_type",
        )
    intakes: list[Intake] = []
    try:
        fields = _parse_form(body, partial(_open_part, here, admission, intakes))
        if not intakes:
            raise InvalidRequest("the form holds no file; send one part with a file name", code="invalid_file")
        return _submit(here, admission, intakes[0], fields, wait_seconds)
    finally:
        for intake in intakes:
            intake.close()


def _parse_form(body: Body, open_part: Any) -> dict[str, str]:
    """Reads the form; its file goes where `open_part` says, its fields are returned."""
    parser = FormDataParser(
        stream_factory=open_part,
        max_form_memory_size=_MAX_FIELD_BYTES,
        max_form_parts=_MAX_PARTS,
        silent=False,
    )
    try:
        _, fields, _ = parser.parse(cast(IO[bytes], body), FORM, request.content_length, request.mimetype_params)
    except ValueError:
        raise InvalidRequest(
            "the form cannot be read; send multipart/form-data (RFC 7578)", code="invalid_file"
        ) from None
    return {name: str(value) for name, value in fields.items()}


def _open_part(
    here: Service,
    admission: Admission,
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
    intakes.append(_open_intake(here, admission, file_format, encoding))
    return intakes[0]


def _open_intake(here: Service, admission: Admission, file_format: FileFormat, encoding: str) -> Intake:
    return Intake(
        here.blobs,
        here.submissions.mint_id(),
        file_format,
        encoding,
        admission,
        chunk_bytes=here.settings.file_chunk_bytes,
        max_rows=here.settings.max_file_rows,
        most=here.settings.max_upload_bytes,
    )


def _submit(
    here: Service, admission: Admission, intake: Intake, fields: Mapping[str, str], wait_seconds: float
) -> Submitted:
    digest = intake.end()
    body = digest + repr(sorted(fields.items())).encode() if fields else digest
    try:
        return _submit_new(here, admission, intake, fields, body, wait_seconds)
    except (QueueUnavailable, IdempotencyConflict):
        raise
    except RhizomeError:
        # The same request may have been accepted when the champion had other columns, or when there was room.
        if not admission.may_be_repeated or (standing := find_submitted(here, body, wait_seconds)) is None:
            raise
        return standing


def _submit_new(
    here: Service,
    admission: Admission,
    intake: Intake,
    fields: Mapping[str, str],
    body: bytes,
    wait_seconds: float,
) -> Submitted:
    options = _bound(here, read_options({name: _parse_field(name, text) for name, text in fields.items()}))
    slices, row_counts = intake.commit()
    known = _version_for(here, admission, options)
    rows = Rows(Encoding.BLOB, [encode_slice(part) for part in slices], row_counts, {})
    try:
        submitted = submit_rows(
            here,
            Lane.BATCH,
            "batch",
            body,
            Parsed(known, options.version is not None, rows, options),
            wait_seconds,
            job_id=intake.job_id,
            # The columns of the answers: they outlive the version, which may be pruned before them.
            record={
                "source": intake.file_format,
                "outputs": known.manifest.signature.outputs_alone,
                "max_answer_bytes": str(here.settings.max_answer_bytes),
            },
        )
    except QueueUnavailable:
        intake.keep()  # it may have been accepted; if not, the file is swept away later
        raise
    if not submitted.receipt.is_replay:
        intake.keep()
    return submitted


def _bound(here: Service, options: JobOptions) -> JobOptions:
    """The same, with no more bad rows than a file may have: what is said of one may be a hundred times as long."""
    most, asked = here.settings.max_failed_rows, options.error_threshold
    return options._replace(error_threshold=most if asked < 0 else min(asked, most))


def _parse_field(name: str, text: str) -> Any:
    if name not in REMEDIES:
        raise InvalidRequest(
            "the form holds a field that is not known",
            code="invalid_fields",
            problems=({"field": name[:40], "problem": "is no option", "remedy": f"send {', '.join(REMEDIES)}"},),
        )
    return parse_option(name, text)


def _version_for(here: Service, admission: Admission, options: JobOptions) -> Known:
    """The version that scores the file: one that is pinned among a form's fields must have the columns looked for."""
    known = admission.known
    assert known is not None  # noqa: S101 - for the type checker: a file that was refused does not come so far
    if options.version is None or options.version == known.manifest.version:
        return known
    pinned = find_pinned(here, options.version)
    if pinned.manifest.signature.names != known.manifest.signature.names:
        problem = {
            "field": "version",
            "problem": "has other features than the version that the file's columns were compared with",
            "remedy": "send it in the query string",
        }
        raise InvalidRequest("the version came too late", code="invalid_fields", problems=(dict(problem),))
    return pinned
