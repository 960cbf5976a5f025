"""One column of a table with its cells understood: whole numbers, numbers or categories, and which are missing.

Apart from the dataset, because what counts as a number or as missing is decided for features and target alike.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from rhizome.csv_cells import is_number
from rhizome.errors import DatasetError
from rhizome.signature import MAX_SAFE_INTEGER

Value = float | int | str | None
Dtype = Literal["float64", "int64", "category"]

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
#: `007`, `05678`, `00`: as a number it would lose its zeros, and be one with `7`, another code.
_CODE = re.compile(r"[+-]?0\d+", re.ASCII)
#: `7,11`, `1.234,56`, `1,234.56`, `1 234,5`: numbers as people write them, and no form of the data has them.
_NUMBER_WITH_COMMAS = re.compile(r"[+-]?\d[\d., \u00a0']*,[\d., \u00a0']*\d", re.ASCII)
#: 2024-03-01, also with a time and a zone; 1.3.2024, 3/1/24.
_DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?", re.ASCII)
#: Words that programs write where a number is missing or undefined. They are refused, never guessed at.
_NOT_A_NUMBER = frozenset(
    {"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
    | {"na", "n/a", "#n/a", "null", "none", "?", "-", "--", "."}
)
#: From this share of numbers on, a cell that is none is an error in the file, not a sign of a category column.
_NUMERIC_SHARE = 0.9
_MISREAD = (
    (
        _NUMBER_WITH_COMMAS,
        "a number with a comma",
        "write numbers with a point and without signs between thousands (1234.56); if they are codes, add a letter",
    ),
    (
        _DATE,
        "a date or a time, which no column can hold yet",
        "write it as numbers, such as days or seconds since a fixed day, or year, month and hour in columns of their "
        "own; or remove the column",
    ),
)
#: Beyond this a column is an identifier or free text, and the manifest and the encoder would grow without use.
MAXIMUM_CATEGORIES = 1_000


@dataclass(frozen=True)
class Column:
    """A column's values: int for `int64`, float for `float64`, str for `category`; None where the cell is empty."""

    name: str
    dtype: Dtype
    values: list[Value]

    @property
    def present(self) -> list[float | int | str]:
        """The values that are there."""
        return [value for value in self.values if value is not None]

    @property
    def nullable(self) -> bool:
        """True where at least one cell is empty."""
        return any(value is None for value in self.values)


def codes_remedy(cells: list[str], lines: list[int]) -> str:
    """What to add where a column is refused as texts; empty where none of them is a code."""
    for cell, line in zip(cells, lines, strict=True):
        if _is_code(cell):
            return f"; if they are numbers, write them without leading zeros, unlike '{cell[:40]}' in line {line}"
    return ""


def parse_column(name: str, cells: list[str], lines: list[int]) -> Column:
    """Infers a column's type and converts its cells; a single code, such as 007, makes texts of all of them.

    Args:
        name: from the header.
        cells: stripped text, empty where missing.
        lines: the line of each cell, for errors.

    Raises:
        DatasetError: a cell that should be a finite number is none, or there are too many categories.
    """
    texts = [cell for cell in cells if cell]
    odd = [index for index, cell in enumerate(cells) if cell and not is_number(cell)]
    holds_codes = any(map(_is_code, texts))
    if not odd and texts and not holds_codes:
        return _parse_numbers(name, cells, lines)
    if odd and _is_meant_numeric(cells, odd, len(texts), holds_codes=holds_codes):
        raise DatasetError(
            f"column '{name}', line {lines[odd[0]]}: '{cells[odd[0]][:40]}' is not a finite number; "
            "correct it, or leave the cell empty if the value is missing"
        )
    _check_no_misread_texts(name, cells, lines, len(texts))
    categories = len(set(texts))
    if categories > MAXIMUM_CATEGORIES:
        raise DatasetError(
            f"column '{name}' has {categories} different texts, more than {MAXIMUM_CATEGORIES}; "
            f"remove it if it is an identifier, or group its values{codes_remedy(cells, lines)}"
        )
    return Column(name, "category", [cell or None for cell in cells])


def _check_no_misread_texts(name: str, cells: list[str], lines: list[int], present: int) -> None:
    """Refuses dates, and numbers with commas, which as categories would teach nothing of what they say."""
    others = sum(is_number(cell) or cell.lower() in _NOT_A_NUMBER for cell in cells)
    for pattern, what, remedy in _MISREAD:
        found = [index for index, cell in enumerate(cells) if pattern.fullmatch(cell)]
        if found and len(found) + others >= _NUMERIC_SHARE * present:
            raise DatasetError(f"column '{name}', line {lines[found[0]]}: '{cells[found[0]][:40]}' is {what}; {remedy}")


def _is_meant_numeric(cells: list[str], odd: list[int], present: int, *, holds_codes: bool) -> bool:
    numbers = present - len(odd)
    if numbers == 0:
        return False
    if numbers >= _NUMERIC_SHARE * present and not holds_codes:  # a code may hold letters
        return True
    return all(cells[index].lower() in _NOT_A_NUMBER for index in odd)


def _parse_numbers(name: str, cells: list[str], lines: list[int]) -> Column:
    for cell, line in zip(cells, lines, strict=True):
        if cell and not math.isfinite(float(cell)):
            raise DatasetError(f"column '{name}', line {line}: '{cell[:40]}' is too large for a float64; correct it")
    if all(_is_exact_integer(cell) for cell in cells if cell):
        return Column(name, "int64", [int(cell) if cell else None for cell in cells])
    return Column(name, "float64", [float(cell) if cell else None for cell in cells])


def _is_code(cell: str) -> bool:
    return _CODE.fullmatch(cell) is not None


def _is_exact_integer(cell: str) -> bool:
    """Whether it is a whole number that float64 holds exactly; a column of others is one of float64."""
    return _INTEGER.fullmatch(cell) is not None and abs(float(cell)) <= MAX_SAFE_INTEGER
