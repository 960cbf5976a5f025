"""In which form a result is asked for: by `?format`, else by `Accept` (RFC 9110, section 12)."""

from flask import request
from werkzeug.datastructures import MIMEAccept

from rhizome.blob_slices import FileFormat
from rhizome.errors import InvalidRequest, NotAcceptable

JSON = "application/json"
PARAMETER = "format"
TYPE_OF_FORMAT = {
    FileFormat.NDJSON: "application/x-ndjson",
    FileFormat.CSV: "text/csv",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}
_FORMAT_OF_TYPE = {mimetype: form for form, mimetype in TYPE_OF_FORMAT.items()} | {
    "application/ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
    "application/x-parquet": FileFormat.PARQUET,
}


def choose_format() -> FileFormat | None:
    """The form in which the present request wants the rows; None for the JSON document.

    Raises:
        InvalidRequest: `?format` names none.
        NotAcceptable: `Accept` allows none.
    """
    if (named := request.args.get(PARAMETER)) is not None:
        return _parse_format(named)
    if "Accept" not in request.headers:
        return None
    chosen = _accepted_types().best_match([JSON, *_FORMAT_OF_TYPE])
    if chosen is None:
        raise NotAcceptable(f"results are given as {', '.join([JSON, *TYPE_OF_FORMAT.values()])}; accept one of them")
    return _FORMAT_OF_TYPE.get(chosen)


def _accepted_types() -> MIMEAccept:
    """The types in `Accept` without parameters such as `charset` or `header`: none of them changes what is given."""
    return MIMEAccept([(name.partition(";")[0].strip(), quality) for name, quality in request.accept_mimetypes])


def choose_encoding() -> str:
    """`zstd` or `gzip` where the client takes it, and likes it no less than none; else empty."""
    accepted = request.accept_encodings
    plain = max((quality for name, quality in accepted if name == "identity"), default=0)
    qualities = {name: accepted.quality(name) for name in ("zstd", "gzip")}
    best = max(qualities, key=lambda name: qualities[name])
    return best if qualities[best] > 0 and qualities[best] >= plain else ""


def _parse_format(text: str) -> FileFormat | None:
    if text == "json":
        return None
    if text in list(FileFormat):
        return FileFormat(text)
    raise InvalidRequest(
        f"the parameter '{PARAMETER}' names no form of a result",
        code="bad_parameter",
        problems=({"field": PARAMETER, "problem": "is not known", "remedy": "send json, ndjson, csv or parquet"},),
    )
