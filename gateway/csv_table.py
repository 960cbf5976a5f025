"""A table of CSV (RFC 4180) as the body of a call that is answered at once: its cells as the values they stand for.

Larger ones are files (`gateway.uploads`), which are cut, stored, and read by workers; head and cells are read by the
same rules.
"""

import csv
import io
import math
from array import array
from collections.abc import Iterator
from typing import Any

from gateway.columns import unpack
from gateway.complaints import Complaints, refuse, too_many_rows
from gateway.uploads.heads import read_csv_head
from rhizome.csv_cells import BLANKS, allow_long_cells, read_cell
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Signature

CSV_FORM = "csv"  #: what the place of a bad cell begins with


def read_csv(body: bytes, signature: Signature, *, max_rows: int) -> list[Any]:
    """The table in a body whose first row names the columns, in any order.

    A cell that is no number where one is wanted stays text, so that it is refused where all cells are validated; an
    empty one is null.

    Args:
        body: the request's.
        signature: what the columns must be.
        max_rows: the most rows it may have.

    Returns:
        One list per feature, or array of floats with NaN for null, in order and of one length.

    Raises:
        InvalidRequest: this is no CSV, or not of these columns, or not of so many rows; every problem is named.
    """
    if not body.strip():
        raise InvalidRequest("the body is empty; send CSV, its first row naming the features", code="empty_body")
    head = read_csv_head(signature, body, is_all=True)
    assert head is not None  # noqa: S101 - for the type checker: all of it is there
    places = {name: index for index, name in enumerate(head.columns)}
    columns = [_Column(feature, places[feature.name]) for feature in signature.features]
    misfits, count = Complaints(), 0
    for row in _read_rows(body, head.data_start, max_rows):
        if len(row) != len(places):
            remedy = f"send {len(places)} values, one for each column"
            misfits.add(f"{CSV_FORM}.{count}", f"holds {len(row)} values", remedy, row=count)
        else:
            for column in columns:
                column.add(row)
        count += 1
    misfits.settle()
    if not count:
        raise refuse(CSV_FORM, "holds 0 rows", "send at least 1 row below the names")
    return [column.values for column in columns]


class _Column:
    """A feature's values: floats in an array, NaN where one is missing, for as long as there is no text among them."""

    def __init__(self, feature: Feature, place: int) -> None:
        self.values: Any = [] if feature.dtype == "category" else array("d")
        self._feature = feature
        self._place = place
        self._texts: dict[str, str] = {}

    def add(self, row: list[str]) -> None:
        """The row's value; equal texts are held once."""
        value = _read(row[self._place], self._feature)
        is_packed = isinstance(self.values, array)
        if isinstance(value, str):
            value = self._texts.setdefault(value, value)
            if is_packed:
                self.values = unpack(self.values)
        elif value is None and is_packed:
            value = math.nan
        self.values.append(value)


def _read_rows(body: bytes, start: int, max_rows: int) -> Iterator[list[str]]:
    """The rows from `start` on, each as it is parsed."""
    allow_long_cells()  # a long one is named like any other that is no value
    data = io.BytesIO(body)
    data.seek(start)
    reader = csv.reader(io.TextIOWrapper(data, "utf-8", newline=""), strict=True)
    count = 0
    try:
        for row in reader:
            count += bool(row)
            if count > max_rows:
                raise refuse(CSV_FORM, f"holds more than {max_rows} rows", too_many_rows(max_rows))
            if row:
                yield row
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not text in UTF-8; save it as UTF-8", code="invalid_file") from None
    except csv.Error:
        line = 1 + body.count(b"\n", 0, start) + max(0, reader.line_num - 1)
        raise InvalidRequest(
            f"line {line} is not CSV; quote as RFC 4180 has it, and end lines in LF or CRLF", code="invalid_file"
        ) from None


def _read(text: str, feature: Feature) -> Any:
    """A cell's value; the text itself where it stands for none."""
    value = read_cell(text, feature)
    return text if value is None and text.strip(BLANKS) else value
