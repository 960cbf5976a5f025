"""What the OpenAPI document says of files: which bodies a batch may have, and in which forms rows are given."""

from typing import Any

from gateway.results.negotiation import PARAMETER, TYPE_OF_FORMAT
from gateway.uploads.decoding import ENCODINGS
from gateway.uploads.receiving import FORM
from rhizome.blob_slices import FileFormat

_BINARY = {"type": "string", "format": "binary"}
FORMAT = {
    "name": PARAMETER,
    "in": "query",
    "description": "The form of the answer, in place of `Accept`; all but `json` give every row of a batch.",
    "schema": {"enum": ["json", *FileFormat]},
}
RANGE = {
    "name": "Range",
    "in": "header",
    "description": "Part of the rows' bytes (RFC 9110, section 14), such as `bytes=0-999999`; not of JSON.",
    "schema": {"type": "string"},
}
CONTENT_ENCODING = {
    "name": "Content-Encoding",
    "in": "header",
    "description": f"Of a file that is compressed: {' or '.join(ENCODINGS)}.",
    "schema": {"type": "string"},
}


def file_bodies(sample: dict[str, Any]) -> dict[str, Any]:
    """The content types of a batch besides JSON, with what each must hold."""
    names = ",".join(sample)
    row = ",".join("" if value is None else str(value) for value in sample.values())
    file = {"type": "string", "description": "One file; its name ends in .csv, .ndjson, .jsonl or .parquet (.gz, .zst)"}
    return {
        TYPE_OF_FORMAT[FileFormat.CSV]: {"schema": {"type": "string"}, "example": f"{names}\n{row}\n"},
        TYPE_OF_FORMAT[FileFormat.NDJSON]: {"schema": {"type": "string"}},
        TYPE_OF_FORMAT[FileFormat.PARQUET]: {"schema": _BINARY},
        FORM: {"schema": {"type": "object", "required": ["file"], "properties": {"file": file | _BINARY}}},
    }


def row_answers() -> dict[str, Any]:
    """The answers that hold rows, by status; the 200 holds the JSON document, too."""
    whole = {
        TYPE_OF_FORMAT[FileFormat.NDJSON]: {"schema": {"type": "string"}},
        TYPE_OF_FORMAT[FileFormat.CSV]: {"schema": {"type": "string"}},
        TYPE_OF_FORMAT[FileFormat.PARQUET]: {"schema": _BINARY},
    }
    return {
        "200": whole,
        "206": {"description": "The part of the rows that `Range` asks for.", "content": whole},
        "304": {"description": "`If-None-Match` names these rows."},
    }
