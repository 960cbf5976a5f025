"""A table of CSV (RFC 4180) as the body of a call that is answered at once: its cells as the values they stand for.

Larger ones are files (`gateway.uploads`), which are cut, stored, and read by workers; head and cells are read by the
same rules.
"""

import csv
import io
from typing import Any

from gateway.complaints import refuse
from gateway.tabular_forms import turn_rows
from gateway.uploads.heads import read_csv_head
from rhizome.csv_cells import BLANKS, allow_long_cells, read_cell
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Signature

CSV_FORM = "csv"  #: what the place of a bad cell begins with


def read_csv(body: bytes, signature: Signature, *, max_rows: int) -> list[list[Any]]:
    """The table in a body whose first row names the columns, in any order.

    A cell that is no number where one is wanted stays text, so that it is refused where all cells are validated; an
    empty one is null.

    Args:
        body: the request's.
        signature: what the columns must be.
        max_rows: the most rows it may have.

    Returns:
        One list per feature, in order and of one length.

    Raises:
        InvalidRequest: this is no CSV, or not of these columns, or not of so many rows; every problem is named.
    """
    if not body.strip():
        raise InvalidRequest("the body is empty; send CSV, its first row naming the features", code="empty_body")
    head = read_csv_head(signature, body, is_all=True)
    assert head is not None  # noqa: S101 - for the type checker: all of it is there
    rows = _read_rows(body[head.data_start :], 1 + body.count(b"\n", 0, head.data_start), max_rows)
    columns = turn_rows(CSV_FORM, rows, len(head.columns), f"send {len(head.columns)} values, one for each column")
    by_name = dict(zip(head.columns, columns, strict=True))
    return [[_read(text, feature) for text in by_name[feature.name]] for feature in signature.features]


def _read_rows(data: bytes, first_line: int, max_rows: int) -> list[list[str]]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not text in UTF-8; save it as UTF-8", code="invalid_file") from None
    allow_long_cells()  # a long one is named like any other that is no value
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > max_rows:
                remedy = f"send at most {max_rows} rows, or the file to POST /predict/batch"
                raise refuse(CSV_FORM, f"holds more than {max_rows} rows", remedy)
    except csv.Error:
        line = first_line + max(0, reader.line_num - 1)
        raise InvalidRequest(
            f"line {line} is not CSV; quote as RFC 4180 has it, and end lines in LF or CRLF", code="invalid_file"
        ) from None
    if not rows:
        raise refuse(CSV_FORM, "holds 0 rows", "send at least 1 row below the names")
    return rows


def _read(text: str, feature: Feature) -> Any:
    """A cell's value; the text itself where it stands for none."""
    value = read_cell(text, feature)
    return text if value is None and text.strip(BLANKS) else value
