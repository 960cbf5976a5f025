"""A cell of CSV as the value it stands for: the format has no types, so the feature says what its text means.

Shared, because a table is read by the gateway where it is the body of a call that waits, and by workers where it is a
file.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path

from rhizome.signature import Feature

BLANKS = " \t\n\r\v\f\u00a0"  #: around a cell they mean nothing, quoted or not

#: As JSON has numbers, and as spreadsheets write them: a sign, and a bare point.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

_LONGEST_CELL = 2**31 - 1
_HINT_BYTES = 16  #: no hint is longer

_CLOSED = rb'(?:(?<=[,\n])|\A)"[^"]*+(?:""[^"]*+)*+"'
_CLOSED_CELL = re.compile(_CLOSED)
_OPENED_CELL = re.compile(rb'(?:[,\n]|\A)"')
_MISQUOTED_CELL = re.compile(_CLOSED + rb"(?![,\r\n]|\Z)")
_SEPARATOR_HINT = re.compile(rb'"?sep=(.)"?\r?\n')
BOM = b"\xef\xbb\xbf"


def outside_quotes(text: bytes, *, is_within: bool = False) -> tuple[bytes, bool]:
    """What stands outside of quoted cells, and whether the text ends within one.

    A quote opens a cell only where the cell begins: an inch sign within one is a character like any other.

    Args:
        text: from the beginning of a line on.
        is_within: a quoted cell began before it.
    """
    rest = _CLOSED_CELL.sub(b"", b'"' + text if is_within else text)
    opened = _OPENED_CELL.search(rest)
    return (rest[: opened.end() - 1] if opened else rest), opened is not None


def is_misquoted(text: bytes) -> bool:
    """Whether more may follow a closing quote than the end of its cell; never False where it does."""
    return _MISQUOTED_CELL.search(text) is not None


def separator_hint(beginning: bytes) -> tuple[int, str]:
    """Excel's first line `sep=,`: how long it is, and what it names; nothing where there is none."""
    start = len(BOM) if beginning.startswith(BOM) else 0
    hint = _SEPARATOR_HINT.match(beginning, start)
    return (hint.end(), hint[1].decode(errors="replace")) if hint else (0, "")


def read_rows(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """The rows of a file that is trained on: without blank lines, and without the blanks around cells."""
    return ([cell.strip(BLANKS) for cell in row] for row in lines if row)


def read_header(path: Path) -> tuple[str, ...]:
    """The names in the head of a file, as training reads them; empty where it has none.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: it cannot be read.
    """
    with path.open("rb") as file:
        start, _ = separator_hint(file.read(_HINT_BYTES))
        file.seek(start)
        lines = TextIOWrapper(file, encoding="utf-8-sig", newline="")
        return tuple(next(read_rows(csv.reader(lines, strict=True)), ()))


def allow_long_cells() -> None:
    """Lifts the csv module's bound, the whole process's: a cell as long as its chunk must not come apart into rows."""
    csv.field_size_limit(_LONGEST_CELL)


def is_number(text: str) -> bool:
    """Whether a cell without blanks around it is a number."""
    return _NUMBER.fullmatch(text) is not None


def read_cell(text: str, feature: Feature) -> float | str | None:
    """A cell as what the feature wants; None where it is empty, or no number where one is wanted."""
    text = text.strip(BLANKS)
    if feature.dtype != "category":
        return float(text) if is_number(text) else None
    if (lower := text.lower()) in ("true", "false"):
        return feature.texts_of_booleans.get(lower == "true", text)
    return text or None
