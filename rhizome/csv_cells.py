"""A cell of CSV as the value it stands for: the format has no types, so the feature says what its text means.

Shared, because a table is read by the gateway where it is the body of a call that waits, and by workers where it is a
file.
"""

import csv
import re

from rhizome.signature import Feature

BLANKS = " \t\n\r\v\f\u00a0"  #: around a cell they mean nothing, quoted or not

#: As JSON has numbers, and as spreadsheets write them: a sign, and a bare point.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

_LONGEST_CELL = 2**31 - 1


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
    if feature.texts_of_booleans and (lower := text.lower()) in ("true", "false"):
        return feature.texts_of_booleans.get(lower == "true", text)
    return text or None
