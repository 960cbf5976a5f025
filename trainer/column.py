"""One column of a table with its cells understood: whole numbers, numbers or categories, and which are missing.

Apart from the dataset, because what counts as a number or as missing is decided for features and target alike.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from rhizome.errors import DatasetError

Value = float | int | str | None
Dtype = Literal["float64", "int64", "category"]

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Words that programs write where a number is missing or undefined. They are refused, never guessed at.
_NOT_A_NUMBER = frozenset(
    {"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "na", "n/a", "#n/a", "null", "none", "?"}
)
#: From this share of numbers on, a cell that is none is an error in the file, not a sign of a category column.
_NUMERIC_SHARE = 0.9
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


def parse_column(name: str, cells: list[str], lines: list[int]) -> Column:
    """Infers a column's type and converts its cells.

    Args:
        name: from the header.
        cells: stripped text, empty where missing.
        lines: the line of each cell, for errors.

    Raises:
        DatasetError: a cell that should be a finite number is none, or there are too many categories.
    """
    texts = [cell for cell in cells if cell]
    odd = [index for index, cell in enumerate(cells) if cell and not _NUMBER.fullmatch(cell)]
    if not odd and texts:
        return _parse_numbers(name, cells, lines)
    if _is_meant_numeric(cells, odd, len(texts)):
        raise DatasetError(
            f"column '{name}', line {lines[odd[0]]}: '{cells[odd[0]][:40]}' is not a finite number; "
            "correct it, or leave the cell empty if the value is missing"
        )
    categories = len(set(texts))
    if categories > MAXIMUM_CATEGORIES:
        raise DatasetError(
            f"column '{name}' has {categories} different texts, more than {MAXIMUM_CATEGORIES}; "
            "remove it if it is an identifier, or group its values"
        )
    return Column(name, "category", [cell or None for cell in cells])


def _is_meant_numeric(cells: list[str], odd: list[int], present: int) -> bool:
    numbers = present - len(odd)
    if numbers == 0:
        return False
    return numbers >= _NUMERIC_SHARE * present or all(cells[index].lower() in _NOT_A_NUMBER for index in odd)


def _parse_numbers(name: str, cells: list[str], lines: list[int]) -> Column:
    for cell, line in zip(cells, lines, strict=True):
        if cell and not math.isfinite(float(cell)):
            raise DatasetError(f"column '{name}', line {line}: '{cell[:40]}' is too large for a float64; correct it")
    if all(_INTEGER.fullmatch(cell) for cell in cells if cell):
        return Column(name, "int64", [int(cell) if cell else None for cell in cells])
    return Column(name, "float64", [float(cell) if cell else None for cell in cells])
