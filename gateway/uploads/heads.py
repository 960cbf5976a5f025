"""The head of a file, looked at as soon as it is there: column names of a CSV file, fields of the first NDJSON line.

A file with wrong columns is refused while its first block is all that was sent. Values are not looked at here: a bad
one is its own row's error, not the file's.
"""

import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from rhizome.csv_cells import BLANKS, BOM, allow_long_cells, outside_quotes, separator_hint
from rhizome.errors import InvalidRequest
from rhizome.signature import Signature
from rhizome.wording import SHOWN_NAMES, shorten, suggestion

MAX_HEAD_BYTES = 1024 * 1024  #: within which the head must end
_SHOWN_PROBLEMS = 100  #: looking for what was meant takes its time
_BY_COMMAS = "separate them by commas"
#: How files begin that are no text: what each is, and what to do.
_MAGIC_NUMBERS = {
    b"\x1f\x8b": ("the file is compressed by gzip", "send it to POST /predict/batch with Content-Encoding: gzip"),
    b"\x28\xb5\x2f\xfd": (
        "the file is compressed by zstd",
        "send it to POST /predict/batch with Content-Encoding: zstd",
    ),
    b"PK\x03\x04": ("the file is a ZIP archive or a workbook of Excel", "unpack it, or save the sheet as CSV"),
    b"PAR1\x15": (
        "the file is Parquet",
        "send it to POST /predict/batch with Content-Type: application/vnd.apache.parquet",
    ),
}
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
    start, separator = separator_hint(beginning)
    if separator not in ("", ","):
        raise _unreadable(f"the first line says that the columns are separated by '{separator}'", _BY_COMMAS)
    end = _row_end(beginning, start)
    if end is None:
        if not is_all and len(beginning) < MAX_HEAD_BYTES:
            return None
        end = len(beginning)
        if not is_all:
            raise _unreadable("the first line does not end", "it must name the columns, separated by commas")
    columns = _parse_columns(beginning[start:end].removeprefix(BOM), signature)
    check_columns(columns, signature)
    return Head(end, columns)


def read_ndjson_head(signature: Signature, beginning: bytes, is_all: bool) -> Head | None:
    """The first line of an NDJSON file: an object whose fields are the features.

    Args, returns and raises as `read_csv_head`.
    """
    _check_text(beginning)
    start = len(BOM) if beginning.startswith(BOM) else 0
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
        f"{len(missing) + len(wrong)} problem(s) with the file's columns: {_names_of(missing, wrong, features)}",
        code="invalid_fields",
        problems=tuple(dict[str, object](problem) for problem in (absent + shown)[:_SHOWN_PROBLEMS]),
    )


def _names_of(missing: Sequence[str], wrong: Sequence[str], features: Collection[str]) -> str:
    """All that is wrong in one line; the problems say what to do about each."""
    groups = {
        "not of this version": [name for name in wrong if name not in features],
        "there more than once": [name for name in wrong if name in features],
        "missing": missing,
    }
    return "; ".join(
        f"{_list(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in groups.items() if names
    )


def _list(names: Sequence[str]) -> str:
    more = ", …" if len(names) > SHOWN_NAMES else ""
    return ", ".join(f"'{shorten(name)}'" for name in names[:SHOWN_NAMES]) + more


def _problem(name: str, is_feature: bool, signature: Signature) -> dict[str, str]:
    """What is wrong with a column: it is no feature, or one that is there already."""
    if is_feature:
        return {"field": name, "problem": "is there more than once", "remedy": "send it once"}
    return {
        "field": shorten(name) or "(a column without a name)",
        "problem": "is not a feature of this version",
        "remedy": suggestion(name, signature.names),
    }


def _row_end(beginning: bytes, start: int) -> int | None:
    """The end of the first row: its first newline outside quotes."""
    at, is_within = start, False
    while (newline := beginning.find(b"\n", at)) >= 0:
        line = beginning[at : newline + 1]
        _, is_within = outside_quotes(line.removeprefix(BOM), is_within=is_within)
        at = newline + 1
        if not is_within:
            return at
    return None


def _parse_columns(row: bytes, signature: Signature) -> tuple[str, ...]:
    text = row.decode(errors="replace")
    line = text.rstrip("\r\n")
    if not line.strip():
        raise _unreadable("the first line is empty", "it must name the columns, separated by commas")
    if "\r" in line:
        raise _unreadable("the lines end in CR alone", "end them in LF or CRLF")
    allow_long_cells()
    try:
        columns = [name.strip(BLANKS) for name in next(csv.reader(io.StringIO(line, newline=""), strict=True))]
    except csv.Error:
        raise _unreadable("the first line's quotes do not match", "quote as RFC 4180 has it") from None
    known = set(signature.names)
    for sign, separators in _OTHER_DELIMITERS.items():
        others = {name.strip(BLANKS).strip('"') for name in line.split(sign)}
        if len(others) > 1 and (len(columns) == 1 or len(known & others) > len(known.intersection(columns))):
            raise _unreadable(f"the columns are separated by {separators}", _BY_COMMAS)
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
    for magic, (problem, remedy) in _MAGIC_NUMBERS.items():
        if beginning.startswith(magic):
            raise _unreadable(problem, remedy)
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in beginning[:4096]:
        raise _unreadable("the file is not text in UTF-8", "save it as UTF-8")


def _unreadable(problem: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{problem}; {remedy}", code="invalid_file")
