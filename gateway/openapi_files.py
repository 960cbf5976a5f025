"""What the OpenAPI document says of files: which bodies a batch may have, and in which forms rows are given."""

import re
from typing import Any

from gateway.openapi_examples import JobExamples
from gateway.results.negotiation import PARAMETER, TYPE_OF_FORMAT
from gateway.uploads.decoding import ENCODINGS
from rhizome.blob_slices import FileFormat
from rhizome.row_table import csv_cell

FORMAT = {
    "name": PARAMETER,
    "in": "query",
    "description": "The form of the answer, in place of `Accept`; all but `json` give every row of a batch.",
    "schema": {"enum": ["json", *FileFormat]},
}
#: With a backslash before them, these stand for themselves in a pattern.
_SIGNS = re.compile(r"[\\^$.|?*+()\[\]{}/]")
#: Any text without quotes: a row that cannot be scored is that row's error.
_ROW = "[ -!#-~]+"


def csv_body(sample: dict[str, Any], more: str) -> dict[str, Any]:
    """CSV as a request's body; `more` is said of it, too."""
    header = ",".join(map(csv_cell, sample))
    row = ",".join("" if value is None else csv_cell(value) for value in sample.values())
    schema = {
        "type": "string",
        "description": f"The features in any order, then one row a line (RFC 4180, UTF-8). {more}",
        "pattern": f"^{_SIGNS.sub(_escape, header)}\n{_ROW}(\n{_ROW})*\n?$",
    }
    return {TYPE_OF_FORMAT[FileFormat.CSV]: {"schema": schema, "example": f"{header}\n{row}\n"}}


def file_bodies(sample: dict[str, Any]) -> dict[str, Any]:
    """The content types of a batch besides JSON, with what each must hold.

    A form is told of, but not as a type of its own: which of its parts is the file, and of what type, no schema says.
    """
    compressed = (
        f"Compressed or not, as `Content-Encoding` says ({', '.join(ENCODINGS)}). Or as one part of "
        "multipart/form-data with a file name, options being its other fields."
    )
    ndjson = {"type": "string", "description": f"One object of features a line. {compressed}"}
    parquet = {"type": "string", "format": "binary", "description": f"A column for each feature. {compressed}"}
    return csv_body(sample, compressed) | {
        TYPE_OF_FORMAT[FileFormat.NDJSON]: {"schema": ndjson},
        TYPE_OF_FORMAT[FileFormat.PARQUET]: {"schema": parquet},
    }


def _escape(sign: re.Match[str]) -> str:
    return "\\" + sign.group()


def row_answers(examples: JobExamples) -> dict[str, Any]:
    """The answers that hold rows, by status; the 200 holds the JSON document, too."""
    whole = {
        TYPE_OF_FORMAT[FileFormat.NDJSON]: {"schema": {"type": "string"}, "example": examples.lines()},
        TYPE_OF_FORMAT[FileFormat.CSV]: {"schema": {"type": "string"}, "example": examples.table()},
        TYPE_OF_FORMAT[FileFormat.PARQUET]: {"schema": {"type": "string", "format": "binary"}},
    }
    return {
        "200": whole,
        "206": {
            "description": "The part of the rows' bytes that the header `Range` asks for (RFC 9110, section 14).",
            "content": whole,
        },
        "304": {"description": "`If-None-Match` names these rows."},
    }
