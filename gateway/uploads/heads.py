"""The head of a file, looked at as soon as it is there: column names of a CSV file, fields of the first NDJSON line.

A file with wrong columns is refused while its first block is all that was sent. Values are not looked at here: a bad
one is its own row's error, not the file's.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from rhizome.csv_cells import allow_long_cells
from rhizome.errors import InvalidRequest
from rhizome.signature import Signature
from rhizome.wording import shorten, suggestion

MAX_HEAD_BYTES = 1024 * 1024  #: within which the head must end
_SHOWN_PROBLEMS = 100  #: looking for what was meant takes its time
_BOM = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Head(NamedTuple):
    """What was found at the beginning of a file: where its rows begin, and a CSV file's columns."""

    data_start: int
    columns: tuple[str, ...] = ()


def read_csv_head(signature: Signature, beginning: bytes, is_all: bool) -> Head | None:
    """The first row of a CSV file (RFC 4180): its column names.

    Args:
        signature: what the columns must be, in any order.
        beginning: the file's first bytes.
        is_all: the file ends here.

    Returns:
        None if more bytes are needed.

    Raises:
        InvalidRequest: the columns are not the signature's, or this is no CSV file.
    """
    _check_text(beginning)
    end = _row_end(beginning)
    if end is None:
        if not is_all and len(beginning) < MAX_HEAD_BYTES:
            return None
        end = len(beginning)
        if not is_all:
            raise _unreadable("the first line does not end", "it must name the columns, separated by commas")
    columns = _parse_columns(beginning[:end].removeprefix(_BOM))
    check_columns(columns, signature)
    return Head(end, columns)


def read_ndjson_head(signature: Signature, beginning: bytes, is_all: bool) -> Head | None:
    """The first line of an NDJSON file: an object whose fields are the features.

    Args, returns and raises as `read_csv_head`.
    """
    _check_text(beginning)
    start = len(_BOM) if beginning.startswith(_BOM) else 0
    line, newline, _ = beginning[start:].lstrip().partition(b"\n")
    if not (newline or is_all):
        if len(beginning) < MAX_HEAD_BYTES:
            return None
        raise _unreadable("the first line does not end", "send one JSON object a line")
    if line.strip():
        check_columns(_parse_fields(line), signature)
    return Head(start)


def check_columns(names: Sequence[str], signature: Signature) -> None:
    """Each feature once, and nothing else.

    Raises:
        InvalidRequest: with code `invalid_fields`, naming every column that is missing, unknown or there twice.
    """
    counts, features = Counter(names), frozenset(signature.names)
    missing = [name for name in signature.names if name not in counts]
    wrong = [name for name, count in counts.items() if name not in features or count > 1]
    if not (missing or wrong):
        return
    shown = [_problem(name, name in features, signature) for name in wrong[: max(0, _SHOWN_PROBLEMS - len(missing))]]
    absent = [{"field": name, "problem": "is missing", "remedy": "add the column"} for name in missing]
    raise InvalidRequest(
        f"{len(missing) + len(wrong)} problem(s) with the file's columns",
        code="invalid_fields",
        problems=tuple(dict[str, object](problem) for problem in (absent + shown)[:_SHOWN_PROBLEMS]),
    )


def _problem(name: str, is_feature: bool, signature: Signature) -> dict[str, str]:
    """What is wrong with a column: it is no feature, or one that is there already."""
    if is_feature:
        return {"field": name, "problem": "is there more than once", "remedy": "send it once"}
    return {
        "field": shorten(name) or "(a column without a name)",
        "problem": "is not a feature of this version",
        "remedy": suggestion(name, signature.names),
    }


def _row_end(beginning: bytes) -> int | None:
    """The end of the first row: its first newline outside quotes."""
    at, is_odd = 0, False
    while (newline := beginning.find(b"\n", at)) >= 0:
        is_odd ^= beginning.count(b'"', at, newline) % 2 == 1
        if not is_odd:
            return newline + 1
        at = newline + 1
    return None


def _parse_columns(row: bytes) -> tuple[str, ...]:
    text = row.decode(errors="replace")
    line = text.rstrip("\r\n")
    if not line.strip():
        raise _unreadable("the first line is empty", "it must name the columns, separated by commas")
    if "\r" in line:
        raise _unreadable("the lines end in CR alone", "end them in LF or CRLF")
    allow_long_cells()
    try:
        columns = next(csv.reader(io.StringIO(line, newline=""), strict=True))
    except csv.Error:
        raise _unreadable("the first line's quotes do not match", "quote as RFC 4180 has it") from None
    if len(columns) == 1:
        for sign, name in _OTHER_DELIMITERS.items():
            if sign in columns[0]:
                raise _unreadable(f"the columns are separated by {name}", "separate them by commas")
    return tuple(columns)


def _parse_fields(line: bytes) -> list[str]:
    try:
        fields: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        raise _unreadable("the first line is not JSON", "send one JSON object a line") from None
    if not isinstance(fields, dict):
        raise _unreadable("the first line is not a JSON object", "send one JSON object of features a line")
    return list(fields)


def _check_text(beginning: bytes) -> None:
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in beginning[:4096]:
        raise _unreadable("the file is not text in UTF-8", "save it as UTF-8")


def _unreadable(problem: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{problem}; {remedy}", code="invalid_file")
